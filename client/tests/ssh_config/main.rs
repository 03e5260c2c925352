//! Our reading of ssh_config, held against `ssh -G` of the installed OpenSSH.

// clippy takes only the `#[test]` functions themselves for tests, not their helpers.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used)]

mod corpus;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use corpus::{CASES, Case, REFUSED};
use outlast::ssh::{
    Destination, Environment, HostConfig, Proxy, SshOptions, Way, resolve, resolve_by,
};

fn environment(config: &Path) -> Environment {
    let mut environment = Environment::of_process();
    environment.system_config = config.with_file_name("absent");
    environment
}

/// What `ssh -G` prints, by keyword; its complaint if it refuses.
fn ssh_g(
    config: &Path,
    arguments: &[&str],
    host: &str,
) -> Result<BTreeMap<String, Vec<String>>, String> {
    let output = Command::new("ssh")
        .args(["-G", "-F"])
        .arg(config)
        .args(arguments)
        .arg(host)
        .env("OTHER", "/tmp/other-agent")
        .output()
        .expect("this test needs the program ssh: install the package openssh-client");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let mut map: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let (name, value) = line.split_once(' ').unwrap_or((line, ""));
        let values = map.entry(name.to_ascii_lowercase()).or_default();
        let value = value.to_owned();
        // A second reading adds them a second time.
        if name != "sendenv" || !values.contains(&value) {
            values.push(value);
        }
    }
    Ok(map)
}

fn options(config: &Path, arguments: &[&str]) -> SshOptions {
    let mut options = SshOptions {
        config_file: Some(config.into()),
        ..SshOptions::default()
    };
    for pair in arguments.chunks(2) {
        match pair[0] {
            "-p" => options.port = pair[1].parse().ok(),
            "-l" => options.login = Some(pair[1].into()),
            "-i" => options.identities.push(pair[1].into()),
            "-o" => options.options.push(pair[1].into()),
            other => panic!("{other}"),
        }
    }
    options
}

/// A directory with what the corpus includes.
struct Stage {
    directory: tempfile::TempDir,
    environment: Environment,
    defaults: BTreeMap<String, Vec<String>>,
}

impl Stage {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let include = directory.path().join("inc");
        std::fs::create_dir_all(include.join("deep")).unwrap();
        let files = [
            ("a.conf", "User from-a\nHost web\n  HostKeyAlias aliased\n"),
            ("b.conf", "User from-b\nConnectionAttempts 4\n"),
            (
                "deep/1.conf",
                "Match host web\n  Include @D/inc/deep/nested\nPort 7\n",
            ),
            (
                "deep/nested",
                "Host *\n  User nested\nMatch final\n  Compression yes\n",
            ),
        ];
        for (name, text) in files {
            let text = text.replace("@D", &directory.path().display().to_string());
            std::fs::write(include.join(name), text).unwrap();
        }
        let mut environment = environment(&directory.path().join("config"));
        let other = "/tmp/other-agent".to_owned();
        environment.variables.insert("OTHER".to_owned(), other);
        let defaults = ssh_g(Path::new("/dev/null"), &[], "default").unwrap();
        Self {
            directory,
            environment,
            defaults,
        }
    }

    fn write(&self, text: &str) -> PathBuf {
        let config = self.directory.path().join("config");
        let text = text.replace("@D", &self.directory.path().display().to_string());
        std::fs::write(&config, text).unwrap();
        config
    }

    fn read(&self, way: Way, (text, arguments, host): Case) -> Result<HostConfig, String> {
        let config = self.write(text);
        let destination: Destination = host.parse().unwrap();
        resolve_by(
            way,
            &destination,
            &options(&config, arguments),
            &self.environment,
        )
        .map_err(|error| error.to_string())
    }

    /// Every keyword that `ssh -G` prints has the value we have for it, or its default.
    fn compare_with_ssh(&self, case: Case) {
        let (text, arguments, host) = case;
        let context = format!("{text}\n{arguments:?} {host}");
        let config = self.write(text);
        let typed: Destination = host.parse().unwrap();
        let mut with_login = Vec::new();
        if let Some(user) = typed.user.as_deref().filter(|_| !arguments.contains(&"-l")) {
            with_login = vec!["-l", user];
        }
        with_login.extend(arguments);
        let theirs = ssh_g(&config, &with_login, &typed.host)
            .unwrap_or_else(|error| panic!("ssh refuses {context}\n{error}"));
        let ours = match self.read(Way::Own, case) {
            Ok(ours) => ours,
            // ssh only finds out when the ssh it starts for the jump host does.
            Err(error) if error.contains("lead back") => {
                // On another port it does not even find out then.
                match ssh_g(&config, &[], "gate") {
                    Err(jump) => assert!(jump.contains("jumphost loop"), "{context}\n{jump}"),
                    Ok(jump) => assert_eq!(jump["proxyjump"], ["gate"], "{context}"),
                }
                return;
            }
            Err(error) => panic!("we refuse {context}\n{error}"),
        };
        assert_eq!(theirs["hostname"], [ours.host.as_str()], "{context}");
        assert_eq!(theirs["user"], [ours.user.as_str()], "{context}");
        assert_eq!(theirs["port"], [ours.port.to_string()], "{context}");
        for (name, theirs) in &theirs {
            if NOT_COMPARED.contains(&name.as_str()) {
                continue;
            }
            // Debian's ssh turns keepalives on with BatchMode; our links have their own heartbeat.
            if name == "serveraliveinterval" && ours.batch_mode {
                continue;
            }
            let expected = match ours.settings.get(name.as_str()) {
                Some(values) => self.as_printed(name, values, &ours),
                None => self.defaults.get(name).cloned().unwrap_or_default(),
            };
            let plain = |values: &[String]| -> Vec<String> {
                values.iter().map(|value| self.plain(value)).collect()
            };
            assert_eq!(plain(&expected), plain(theirs), "{name} of {context}");
        }
        for (name, values) in &ours.settings {
            let is_printed = theirs.contains_key(*name) || NOT_PRINTED.contains(name);
            // ssh leaves out some options that are `none`.
            assert!(is_printed || values == &["none"], "{name} of {context}");
        }
    }

    /// What we have, in the way `ssh -G` prints it.
    fn as_printed(&self, name: &str, values: &[String], ours: &HostConfig) -> Vec<String> {
        let interval = || ours.settings.get("rekeyinterval");
        match name {
            "identityfile" | "certificatefile" | "sendenv" => values.to_vec(),
            "setenv" => {
                let variables = ours.set_env.iter();
                variables
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect()
            }
            "rekeylimit" => {
                let interval = interval().map_or("0", |interval| &interval[0]);
                vec![format!("{} {interval}", values[0])]
            }
            "userknownhostsfile" => match ours.user_known_hosts.is_empty() {
                true => vec!["none".to_owned()],
                false => vec![join(&ours.user_known_hosts)],
            },
            "globalknownhostsfile" if values == ["none"] => vec!["none".to_owned()],
            "identityagent" if values != ["none"] && values != ["SSH_AUTH_SOCK"] => {
                vec![ours.identity_agent.as_ref().unwrap().display().to_string()]
            }
            "hostkeyalias" => vec![ours.host_key_alias.clone().unwrap()],
            "loglevel" => vec![values[0].to_ascii_uppercase()],
            "canonicalizepermittedcnames" if values == ["none"] => vec!["none".to_owned()],
            "ciphers"
            | "macs"
            | "kexalgorithms"
            | "hostkeyalgorithms"
            | "pubkeyacceptedalgorithms"
            | "casignaturealgorithms" => {
                vec![self.assembled(name, &values[0])]
            }
            "proxyjump" => vec![values[0].replace("ssh://", "")],
            _ => vec![values.join(" ")],
        }
    }

    /// A list of algorithms with `+`, `-`, `^` and patterns, as OpenSSH assembles it.
    fn assembled(&self, name: &str, list: &str) -> String {
        let query = match name {
            "casignaturealgorithms" => "sig",
            other => other,
        };
        let all = Command::new("ssh").args(["-Q", query]).output().unwrap();
        let all = String::from_utf8(all.stdout).unwrap();
        let default = self.defaults[name].join(",");
        let default: Vec<&str> = default.split(',').collect();
        let mode = list.chars().next().unwrap();
        let names = list.trim_start_matches(['+', '-', '^']).split(',');
        let matches = |pattern: &str, name: &str| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => pattern == name,
        };
        let named: Vec<&str> = names
            .clone()
            .flat_map(|pattern| all.lines().filter(move |name| matches(pattern, name)))
            .collect();
        let is_named = |name: &&&str| named.contains(name);
        let chosen: Vec<&str> = match mode {
            '+' => {
                let more = named.iter().filter(|name| !default.contains(name));
                default.iter().chain(more).copied().collect()
            }
            '-' => default
                .iter()
                .filter(|name| !is_named(name))
                .copied()
                .collect(),
            '^' => {
                let rest = default.iter().filter(|name| !is_named(name));
                named.iter().chain(rest).copied().collect()
            }
            _ => named,
        };
        chosen.join(",")
    }

    /// One form for what the two print differently.
    fn plain(&self, value: &str) -> String {
        match value {
            "true" => "yes".into(),
            "false" => "no".into(),
            _ => value.replace(&self.environment.home.display().to_string(), "~"),
        }
    }
}

fn join(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    paths.join(" ")
}

/// Compared on their own, or made up by ssh for its own ends.
const NOT_COMPARED: &[&str] = &[
    "host",
    "hostname",
    "user",
    "port",
    // Turned off where the known_hosts files are not the usual ones.
    "updatehostkeys",
    // Expanded, and moot here.
    "controlpath",
    "controlpersist",
    "requesttty",
];

/// Kept by us and not printed by ssh 9.2.
const NOT_PRINTED: &[&str] = &[
    "cipher",
    "hostname",
    "protocol",
    "rekeyinterval",
    "usekeychain",
    "useprivilegedport",
];

#[test]
fn every_configuration_means_what_ssh_takes_it_to_mean() {
    assert!(CASES.len() >= 60);
    let stage = Stage::new();
    for case in CASES {
        stage.compare_with_ssh(*case);
    }
}

#[test]
fn both_ways_of_reading_lead_to_the_same_host_in_the_same_way() {
    let stage = Stage::new();
    let mut spent = [Duration::ZERO; 2];
    for case in CASES {
        let context = format!("{}\n{:?} {}", case.0, case.1, case.2);
        let mut comparable = |way: Way| {
            let start = Instant::now();
            let read = stage.read(way, *case);
            spent[usize::from(way == Way::OpenSsh)] += start.elapsed();
            let mut config = read.unwrap_or_else(|error| panic!("{way:?}: {context}\n{error}"));
            // `ssh -G` does not say where a value comes from, and prints lists in full.
            config.settings.clear();
            config.ignored.clear();
            config.notes.clear();
            config.identity_files_named = false;
            for list in [
                &mut config.kex_algorithms,
                &mut config.ciphers,
                &mut config.macs,
                &mut config.host_key_algorithms,
                &mut config.pubkey_accepted_algorithms,
                &mut config.ca_signature_algorithms,
            ] {
                *list = None;
            }
            if config.batch_mode {
                config.keepalive = None;
            }
            format!("{config:#?}")
        };
        assert_eq!(comparable(Way::Own), comparable(Way::OpenSsh), "{context}");
    }
    let count = CASES.len();
    println!(
        "{count} configurations: we {:?}, `ssh -G` {:?}",
        spent[0], spent[1]
    );
}

#[test]
fn lines_thrown_together_mean_what_ssh_takes_them_to_mean() {
    let stage = Stage::new();
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for _ in 0..300 {
        let mut text = String::new();
        for _ in 0..=random.below(9) {
            let block = random.below(3) == 0;
            text.push_str(random.of(if block { BLOCKS } else { LINES }));
            text.push('\n');
        }
        let arguments = random.of(&[&[][..], &["-l", "al"], &["-p", "24"], &["-o", "User=op"]]);
        let host = random.of(&["web", "WEB", "a.example", "10.0.0.1", "db1.internal"]);
        let text: &'static str = text.leak();
        stage.compare_with_ssh((text, arguments, host));
    }
}

/// A sequence that is the same at every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    fn of<T: Copy>(&mut self, items: &[T]) -> T {
        items[usize::try_from(self.below(items.len() as u64)).unwrap()]
    }
}

const BLOCKS: &[&str] = &[
    "Host *",
    "Host web",
    "Host !web *",
    "Host *.example db?.internal",
    "Host 10.*  # there",
    "Match all",
    "Match host web,*.internal",
    "Match host *.example !user al",
    "Match originalhost web",
    "Match user al,op",
    "Match !user al originalhost=*e*",
    "Match localuser root exec \"test %p = 24\"",
    "Match exec \"test %h = real.example\"",
    "Match final",
    "Match final host real.example",
    "Match !canonical host web",
    "Match canonical all",
];

const LINES: &[&str] = &[
    "User alice",
    "User \"bob\"",
    "Port 2222",
    "Port=24",
    "HostName real.example",
    "HostName %h.example",
    "HostKeyAlias Alias",
    "IdentityFile ~/.ssh/one",
    "IdentityFile \"/tmp/two words\"",
    "IdentitiesOnly yes",
    "CertificateFile /tmp/c",
    "ProxyJump gate",
    "ProxyJump none",
    "ProxyCommand nc %h %p",
    "ProxyCommand none",
    "Include @D/inc/a.conf",
    "Include @D/inc/deep/*.conf",
    "ConnectTimeout none",
    "ConnectTimeout 1m",
    "ServerAliveInterval 30",
    "SendEnv A B_*",
    "SendEnv -A",
    "SetEnv X=1 Y=2",
    "SetEnv Z=3",
    "RekeyLimit 1G",
    "RekeyLimit 2G 1h",
    "UserKnownHostsFile /tmp/k1 /tmp/k2-%r",
    "StrictHostKeyChecking no",
    "Ciphers aes128-ctr",
    "KexAlgorithms -ecdh-*",
    "Compression yes",
    "ForwardAgent yes",
    "LogLevel VERBOSE",
    "IgnoreUnknown X*",
    "  # a note",
];

#[test]
fn what_ssh_refuses_is_refused_with_file_and_line() {
    let stage = Stage::new();
    for text in REFUSED {
        let config = stage.write(text);
        let theirs = ssh_g(&config, &[], "web").expect_err(text);
        assert!(theirs.contains("line 2"), "{text}: {theirs}");
        let destination: Destination = "web".parse().unwrap();
        let error = resolve(&destination, &options(&config, &[]), &stage.environment)
            .expect_err(text)
            .to_string();
        assert!(error.contains("config:2: "), "{text}: {error}");
        assert!(stage.read(Way::OpenSsh, (text, &[], "web")).is_err());
    }
}

#[test]
fn tokens_and_variables_are_expanded() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config");
    let mut environment = environment(&config);
    environment.home = "/home/me".into();
    environment.user = "me".into();
    environment.local_host = "here.example".into();
    environment.variables.insert("KEYS".into(), "/keys".into());
    let text = "Host web\nHostName %h.example\nPort 2222\nUser you\nIdentityFile ${KEYS}/%r@%h:%p\n\
        IdentityFile ~/%n-%u-%L-%l-%%\nIdentityAgent %d/agent\nUserKnownHostsFile ~/a /b\n\
        HostKeyAlias alias\nCertificateFile %k\nProxyCommand nc %h %p %r %n\n";
    std::fs::write(&config, text).unwrap();
    let resolved = resolve(
        &"web".parse().unwrap(),
        &options(&config, &[]),
        &environment,
    )
    .unwrap();
    let paths = |paths: &[std::path::PathBuf]| -> Vec<String> {
        paths
            .iter()
            .map(|path| path.display().to_string())
            .collect()
    };
    assert_eq!(
        paths(&resolved.identity_files),
        [
            "/keys/you@web.example:2222",
            "/home/me/web-me-here-here.example-%"
        ]
    );
    assert_eq!(
        resolved.identity_agent.unwrap().to_str(),
        Some("/home/me/agent")
    );
    assert_eq!(paths(&resolved.user_known_hosts), ["/home/me/a", "/b"]);
    // What is relative starts where the command was typed.
    let certificate = environment.directory.join("alias");
    assert_eq!(resolved.certificate_files, [certificate]);
    assert!(matches!(resolved.proxy, Proxy::Command(c) if c == "nc web.example 2222 you web"));
}

#[test]
fn each_jump_host_has_its_own_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config");
    let environment = environment(&config);
    let text = "Host jump*\n  User jumper\n  Port 2200\nHost web\n  ProxyJump jump1,x@jump2:5\n\
        Host self\n  ProxyJump self\nHost a\n  ProxyJump b\nHost b\n  ProxyJump a\n";
    std::fs::write(&config, text).unwrap();
    let options = options(&config, &["-l", "me"]);
    let resolved = resolve(&"web".parse().unwrap(), &options, &environment).unwrap();
    let Proxy::Jump(chain) = resolved.proxy else {
        panic!()
    };
    let hops: Vec<_> = chain
        .iter()
        .map(|h| (h.user.as_str(), h.host.as_str(), h.port))
        .collect();
    assert_eq!(hops, [("jumper", "jump1", 2200), ("x", "jump2", 5)]);
    for host in ["self", "a"] {
        assert!(
            resolve(&host.parse().unwrap(), &options, &environment).is_err(),
            "{host}"
        );
    }
}

#[test]
fn what_is_left_out_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config");
    std::fs::write(
        &config,
        "Port 1\nForwardX11 yes\nForwardX11 no\nGSSAPIAuthentication yes\nUpdateHostKeys no\n\
         ControlMaster auto\nHost other\n  LocalForward 1 a:2\n",
    )
    .unwrap();
    let environment = environment(&config);
    let resolved = resolve(
        &"web".parse().unwrap(),
        &options(&config, &[]),
        &environment,
    )
    .unwrap();
    let ignored: Vec<_> = resolved
        .ignored
        .iter()
        .map(|i| (i.name.as_str(), i.line, i.needs_system_ssh))
        .collect();
    let expected = [("forwardx11", 2, false), ("gssapiauthentication", 4, true)];
    assert_eq!(ignored, expected);
    let said = resolved.ignored[1].to_string();
    assert!(said.contains("config line 4: gssapiauthentication has no effect here"));
    assert!(said.contains("--transport openssh"), "{said}");
}

/// An environment where no `ssh` is found.
fn without_ssh(stage: &Stage) -> Environment {
    let mut environment = stage.environment.clone();
    let nowhere = stage.directory.path().display().to_string();
    environment.variables.insert("PATH".into(), nowhere);
    environment
}

#[test]
fn where_ssh_is_not_installed_everything_but_its_resolver_still_works() {
    let stage = Stage::new();
    let environment = without_ssh(&stage);
    let read = |text: &str| {
        let options = options(&stage.write(text), &[]);
        resolve(&"web".parse().unwrap(), &options, &environment).map_err(|it| it.to_string())
    };
    let found = read("Match exec \":\"\n  Port 7\nMatch final\n  User late\n").unwrap();
    assert_eq!((found.port, found.user.as_str()), (7, "late"));
    let error = read("\nCanonicalizeHostname yes\n").unwrap_err();
    assert!(error.contains("config:2: `CanonicalizeHostname` needs the ssh program"));
    let error = read("\nMatch localnetwork 10.0.0.0/8\n  Port 1\n").unwrap_err();
    assert!(error.contains("config:2: `Match localnetwork`"), "{error}");
}

#[test]
fn what_a_newer_ssh_takes_is_taken_from_it() {
    let stage = Stage::new();
    let program = stage.directory.path().join("ssh");
    // An ssh of the future: it knows one keyword more.
    let script = "#!/bin/sh\nfor a; do case $a in none) echo user root; exit;; esac; done\n\
                  printf 'user future\\nhostname new.example\\nport 7\\nfuturekeyword yes\\n'\n";
    std::fs::write(&program, script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, mode).unwrap();
    let config = options(&stage.write("FutureKeyword yes\nPort 9\n"), &[]);
    let mut environment = without_ssh(&stage);
    let found = resolve(&"web".parse().unwrap(), &config, &environment).unwrap();
    let found = (found.user.as_str(), found.host.as_str(), found.port);
    assert_eq!(found, ("future", "new.example", 7));
    // It looks into the account's home: where ours is another, its word says nothing.
    environment.is_home_of_account = false;
    let error = resolve(&"web".parse().unwrap(), &config, &environment).unwrap_err();
    assert!(
        error.to_string().contains("config:1: unknown ssh option"),
        "{error}"
    );
}

#[test]
fn newer_keywords_than_those_of_this_ssh_are_read() {
    let stage = Stage::new();
    let read = |text| stage.read(Way::Own, (text, &[], "web"));
    let tagged = "Tag blue\nMatch tagged bl* command \"\" sessiontype shell\n  Port 7\n";
    assert_eq!(read(tagged).unwrap().port, 7);
    assert_eq!(read("Match tagged \"\"\n  Port 7\n").unwrap().port, 7);
    assert_eq!(read("Match tagged red\n  Port 7\n").unwrap().port, 22);
    let refused = read("Host web\n  RefuseConnection \"moved to web2\"\n").unwrap_err();
    assert!(refused.contains("config:2: RefuseConnection: moved to web2"));
    assert_eq!(
        read("Host other\n  RefuseConnection no\n").unwrap().port,
        22
    );
    let included = "Include ${INCLUDED}/%n.conf\n";
    let file = stage.directory.path().join("web.conf");
    std::fs::write(file, "Port 7\n").unwrap();
    let mut environment = stage.environment.clone();
    let place = stage.directory.path().display().to_string();
    environment.variables.insert("INCLUDED".into(), place);
    let options = options(&stage.write(included), &[]);
    let found = resolve(&"web".parse().unwrap(), &options, &environment).unwrap();
    assert_eq!(found.port, 7);
}

#[test]
fn a_slip_of_the_fingers_is_answered_with_what_may_be_meant() {
    let stage = Stage::new();
    let read = |text| stage.read(Way::Own, (text, &[], "web")).unwrap_err();
    let error = read("HostNam web\n");
    assert!(error.contains("config:1: unknown ssh option `HostNam`; is `hostname` meant?"));
    let error = read("SomethingElse web\n");
    assert!(error.contains("`IgnoreUnknown` before it"), "{error}");
    for (options, expected) in [
        (
            &["-o", "Host=x"][..],
            "command line: Host belongs into a file",
        ),
        (
            &["-o", "Prot=1"],
            "command line: unknown ssh option `Prot`; is `port` meant?",
        ),
        (
            &["-o", "Port=x"],
            "command line: Port: `x` is not a port number",
        ),
    ] {
        let error = stage.read(Way::Own, ("", options, "web")).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    let error = read("IdentityFile ${NOT_SET}/key\n");
    assert!(
        error.contains("config:1: the value `${NOT_SET}/key`"),
        "{error}"
    );
    let error = read("\nUserKnownHostsFile ~nobody-of-that-name/k\n");
    assert!(
        error.contains("config:2:") && error.contains("no user"),
        "{error}"
    );
}

#[test]
fn files_that_others_may_write_are_refused_and_loops_end() {
    use std::os::unix::fs::PermissionsExt;
    let stage = Stage::new();
    let mut environment = stage.environment.clone();
    let home = stage.directory.path().join("home");
    std::fs::create_dir_all(home.join(".ssh")).unwrap();
    environment.home = home.clone();
    environment.is_home_of_account = false;
    let user_file = home.join(".ssh/config");
    let none = SshOptions::default();
    let read = || resolve(&"web".parse().unwrap(), &none, &environment);
    std::fs::write(&user_file, "Port 7\nInclude more\n").unwrap();
    let more = home.join(".ssh/more");
    std::fs::write(&more, "User more\n").unwrap();
    assert_eq!(read().unwrap().user, "more");
    for file in [&user_file, &more] {
        std::fs::set_permissions(file, PermissionsExt::from_mode(0o666)).unwrap();
        let error = read().unwrap_err().to_string();
        let expected = format!("chmod go-w {}", file.display());
        assert!(error.contains(&expected), "{error}");
        std::fs::set_permissions(file, PermissionsExt::from_mode(0o600)).unwrap();
    }
    std::fs::write(&more, "\nInclude more\n").unwrap();
    let error = read().unwrap_err().to_string();
    assert!(error.contains("more:2: files include each other more than 16 deep"));
    // `-F` is taken as it is, as in ssh.
    let config = stage.write("Port 7\n");
    std::fs::set_permissions(&config, PermissionsExt::from_mode(0o666)).unwrap();
    let options = options(&config, &[]);
    assert_eq!(
        resolve(&"web".parse().unwrap(), &options, &environment)
            .unwrap()
            .port,
        7
    );
}

#[test]
fn the_system_file_is_read_after_the_users() {
    let stage = Stage::new();
    let mut environment = stage.environment.clone();
    environment.home = stage.directory.path().join("home");
    environment.is_home_of_account = false;
    environment.system_config = stage.directory.path().join("system/ssh_config");
    std::fs::create_dir_all(stage.directory.path().join("home/.ssh")).unwrap();
    std::fs::create_dir_all(stage.directory.path().join("system/ssh_config.d")).unwrap();
    let write = |name: &str, text: &str| {
        std::fs::write(stage.directory.path().join(name), text).unwrap();
    };
    write("home/.ssh/config", "Include own\nUser mine\n");
    write("home/.ssh/own", "Port 7\n");
    write(
        "system/ssh_config",
        "Include ssh_config.d/*.conf\nPort 8\nUser theirs\n",
    );
    write(
        "system/ssh_config.d/10.conf",
        "ConnectionAttempts 4\nGSSAPIAuthentication yes\n",
    );
    let destination = "web".parse().unwrap();
    let found = resolve(&destination, &SshOptions::default(), &environment).unwrap();
    assert_eq!((found.port, found.user.as_str()), (7, "mine"));
    assert_eq!(found.connection_attempts, 4);
    assert_eq!(found.ignored.len(), 1);
    write("system/ssh_config", "\nInclude ~/more\n");
    let error = resolve(&destination, &SshOptions::default(), &environment).unwrap_err();
    assert!(
        error.to_string().contains("ssh_config:2: Include"),
        "{error}"
    );
}
