//! Our reading of ssh_config, held against `ssh -G` of the installed OpenSSH.

// clippy takes only the `#[test]` functions themselves for tests, not their helpers.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use outlast::ssh::{Destination, Environment, Proxy, SshOptions, resolve};

/// Configuration, arguments, destination.
type Case = (&'static str, &'static [&'static str], &'static str);

const CASES: &[Case] = &[
    ("", &[], "web"),
    ("", &[], "me@web"),
    ("", &[], "WEB.Example"),
    (
        "Host web\n  HostName web.example\n  Port 2222\n  User alice\n",
        &[],
        "web",
    ),
    ("Host web\n  User alice\n", &[], "bob@web"),
    ("Host web\n  User alice\n", &["-l", "carol"], "web"),
    ("Host web\n  Port 1\n", &["-p", "3"], "web"),
    ("Host web\n  Port 1\n", &["-o", "Port=4"], "web"),
    (
        "Host *.example !bad.example\n  User alice\nHost *\n  User bob\n",
        &[],
        "bad.example",
    ),
    (
        "Host *.example !bad.example\n  User alice\nHost *\n  User bob\n",
        &[],
        "good.example",
    ),
    ("Host !web\n  User alice\n", &[], "other"),
    ("HostName=%h.example\nPort = 2200\n", &[], "web"),
    ("Host w?b \"q h\"\n  User=alice\n", &[], "web"),
    ("User first\nHost *\n  User second\n", &[], "web"),
    (
        "Match host web\n  User alice\nMatch all\n  Port 99\n",
        &[],
        "web",
    ),
    ("Match host web\n  User alice\n", &[], "other"),
    (
        "HostName real.example\nMatch host real.example\n  User alice\n",
        &[],
        "web",
    ),
    (
        "HostName real.example\nMatch originalhost web\n  User alice\n",
        &[],
        "web",
    ),
    (
        "HostName real.example\nMatch host web\n  User alice\n",
        &[],
        "web",
    ),
    ("User bob\nMatch user bob,carol\n  Port 7\n", &[], "web"),
    ("Match user bob !host web\n  Port 7\n", &[], "bob@web"),
    ("Match !host web\n  Port 7\n", &[], "web"),
    (
        "Match localuser root\n  Port 7\nMatch localuser nobody\n  User x\n",
        &[],
        "web",
    ),
    ("Match host=\"a*,!ab\"\n  Port 7\n", &[], "ab"),
    ("Match host a*,!ab\n  Port 7\n", &[], "ac"),
    (
        "IdentityFile ~/.ssh/a\nIdentityFile \"/tmp/b c\"\nIdentitiesOnly yes\n",
        &[],
        "web",
    ),
    (
        "IdentityFile ~/.ssh/a\nIdentityFile ~/.ssh/a\n",
        &["-i", "/dev/null"],
        "web",
    ),
    (
        "IdentityAgent none\nCertificateFile /tmp/c-cert.pub\n",
        &[],
        "web",
    ),
    (
        "UserKnownHostsFile /tmp/a /tmp/b\nGlobalKnownHostsFile /tmp/g\n",
        &[],
        "web",
    ),
    (
        "StrictHostKeyChecking accept-new\nHashKnownHosts yes\n",
        &[],
        "web",
    ),
    (
        "StrictHostKeyChecking off\nHostKeyAlias alias\n",
        &[],
        "web",
    ),
    ("StrictHostKeyChecking true\nBatchMode true\n", &[], "web"),
    ("Host web\n  ProxyJump me@jump:2222,other\n", &[], "web"),
    ("ProxyJump none\nProxyCommand nc %h %p\n", &[], "web"),
    (
        "ProxyCommand nc \"%h\" %p # not a comment\nProxyJump jump\n",
        &[],
        "web",
    ),
    ("ConnectTimeout 1m30s\nConnectionAttempts 3\n", &[], "web"),
    (
        "AddressFamily inet6\nBindAddress ::1\nNumberOfPasswordPrompts 1\n",
        &[],
        "web",
    ),
    (
        "ServerAliveInterval 1m\nServerAliveCountMax 5\n",
        &[],
        "web",
    ),
    (
        "PreferredAuthentications publickey,password\nPasswordAuthentication no\n",
        &[],
        "web",
    ),
    (
        "KexAlgorithms curve25519-sha256\nCiphers aes128-ctr\nMACs hmac-sha2-256\n",
        &[],
        "web",
    ),
    ("HostKeyAlgorithms ssh-ed25519,rsa-sha2-512\n", &[], "web"),
    ("# note\n\n\tPort 5 # note\nUser \"a b\"\n", &[], "web"),
    (
        "IgnoreUnknown Foo*,bar\nFooBar 1\nBar 2\nPort 8\n",
        &[],
        "web",
    ),
    (
        "Host other\n  Include @D/inc/*.conf\nHost *\n  Port 8\n",
        &[],
        "web",
    ),
    (
        "Host web\n  Include @D/inc/*.conf\n  Port 8\nUser late\n",
        &[],
        "web",
    ),
    (
        "Include @D/inc/a.conf @D/inc/missing.conf\nPort 8\n",
        &[],
        "web",
    ),
    ("Match exec \"test %n = web\"\n  User alice\n", &[], "web"),
    ("Match final\n  User late\nHost web\n  Port 3\n", &[], "web"),
    (
        "User ok\nMatch host nothere exec false\n  Port 9\n",
        &[],
        "web",
    ),
    ("ForwardAgent yes\nSendEnv LANG\nPort 12\n", &[], "web"),
];

fn environment(config: &Path) -> Environment {
    let mut environment = Environment::of_process();
    environment.system_config = config.with_file_name("absent");
    environment
}

fn ssh_g(config: &Path, arguments: &[&str], host: &str) -> BTreeMap<String, Vec<String>> {
    let output = Command::new("ssh")
        .args(["-G", "-F"])
        .arg(config)
        .args(arguments)
        .arg(host)
        .output()
        .expect("this test needs the program ssh: install the package openssh-client");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "ssh -G refuses {}: {stderr}",
        config.display()
    );
    let mut map: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let (name, value) = line.split_once(' ').unwrap_or((line, ""));
        map.entry(name.to_owned())
            .or_default()
            .push(value.to_owned());
    }
    map
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

/// One form for what the two print differently.
fn plain(name: &str, value: &str, home: &str) -> String {
    match (name, value) {
        ("stricthostkeychecking", "true") => "yes".into(),
        ("stricthostkeychecking", "false") => "no".into(),
        ("pubkeyauthentication", "true") => "yes".into(),
        _ => value.replace(home, "~"),
    }
}

#[test]
fn every_configuration_means_what_ssh_takes_it_to_mean() {
    let directory = tempfile::tempdir().unwrap();
    let include = directory.path().join("inc");
    std::fs::create_dir(&include).unwrap();
    std::fs::write(
        include.join("a.conf"),
        "User from-a\nHost web\n  HostKeyAlias aliased\n",
    )
    .unwrap();
    std::fs::write(
        include.join("b.conf"),
        "User from-b\nConnectionAttempts 4\n",
    )
    .unwrap();
    let config = directory.path().join("config");
    let environment = environment(&config);
    let home = environment.home.display().to_string();
    for (text, arguments, host) in CASES {
        let text = text.replace("@D", &directory.path().display().to_string());
        std::fs::write(&config, &text).unwrap();
        let theirs = ssh_g(&config, arguments, host);
        let destination: Destination = host.parse().unwrap();
        let ours = resolve(&destination, &options(&config, arguments), &environment)
            .unwrap_or_else(|error| panic!("{text}\n{error}"));
        let context = format!("{text}\n{arguments:?} {host}");
        assert_eq!(
            std::slice::from_ref(&ours.host),
            &theirs["hostname"][..],
            "{context}"
        );
        assert_eq!(
            std::slice::from_ref(&ours.user),
            &theirs["user"][..],
            "{context}"
        );
        assert_eq!([ours.port.to_string()], theirs["port"][..], "{context}");
        for (name, values) in &ours.settings {
            if *name == "hostname" {
                continue;
            }
            let ours = match values.len() {
                _ if matches!(*name, "identityfile" | "certificatefile") => values.clone(),
                _ => vec![values.join(" ")],
            };
            let ours: Vec<String> = ours.iter().map(|value| plain(name, value, &home)).collect();
            // ssh leaves out some options that are `none`.
            let Some(theirs) = theirs.get(*name) else {
                assert_eq!(ours, ["none"], "{name} of {context}");
                continue;
            };
            let theirs: Vec<String> = theirs
                .iter()
                .map(|value| plain(name, value, &home))
                .collect();
            assert_eq!(ours, theirs, "{name} of {context}");
        }
        // What we think is not set must have ssh's default.
        let defaults = ssh_g(Path::new("/dev/null"), &[], "default");
        for (name, default) in &defaults {
            let is_ours =
                KEYS.contains(&name.as_str()) && !ours.settings.contains_key(name.as_str());
            // Debian's ssh turns keepalives on with BatchMode; our links have their own heartbeat.
            let is_debians = name == "serveraliveinterval" && ours.batch_mode;
            if is_ours && !is_debians {
                assert_eq!(&theirs[name], default, "{name}, unset, of {context}");
            }
        }
    }
}

/// What must not be overlooked.
const KEYS: &[&str] = &[
    "addressfamily",
    "batchmode",
    "connectionattempts",
    "connecttimeout",
    "globalknownhostsfile",
    "hashknownhosts",
    "identitiesonly",
    "identityfile",
    "kbdinteractiveauthentication",
    "numberofpasswordprompts",
    "passwordauthentication",
    "pubkeyauthentication",
    "serveralivecountmax",
    "serveraliveinterval",
    "stricthostkeychecking",
    "userknownhostsfile",
];

#[test]
fn what_ssh_refuses_is_refused_with_file_and_line() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config");
    let environment = environment(&config);
    for text in [
        "Port 22\nNonsense yes\n",
        "Host other\n  Port abc\n",
        "\nPort 0\n",
        "\nUser \"open\n",
        "\nBatchMode perhaps\n",
        "\nMatch nonsense x\n",
        "\nHost\n",
        "\nStrictHostKeyChecking maybe\n",
        "\nUser a b\n",
        "\nConnectTimeout 1y\n",
    ] {
        std::fs::write(&config, text).unwrap();
        let output = Command::new("ssh")
            .args(["-G", "-F"])
            .arg(&config)
            .arg("web")
            .output()
            .unwrap();
        assert!(!output.status.success(), "ssh takes {text}");
        let destination: Destination = "web".parse().unwrap();
        let error = resolve(&destination, &options(&config, &[]), &environment).unwrap_err();
        assert!(error.to_string().contains("config:2: "), "{text}: {error}");
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
        IdentityFile ~/%n-%u-%L-%l-%%\nIdentityAgent %d/agent\nUserKnownHostsFile ~/a /b none\n\
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
    assert_eq!(paths(&resolved.certificate_files), ["alias"]);
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
        "Port 1\nForwardAgent yes\nHost other\n  LocalForward 1 a:2\n",
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
        .map(|i| (i.name.as_str(), i.line))
        .collect();
    assert_eq!(ignored, [("ForwardAgent", 2)]);
}

#[test]
fn match_exec_without_ssh_is_an_error_that_names_the_line() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config");
    std::fs::write(&config, "\nMatch exec true\n  Port 1\n").unwrap();
    let mut environment = environment(&config);
    environment
        .variables
        .insert("PATH".into(), directory.path().display().to_string());
    let error = resolve(
        &"web".parse().unwrap(),
        &options(&config, &[]),
        &environment,
    )
    .unwrap_err();
    assert!(
        error.to_string().contains("config:2: `Match exec`"),
        "{error}"
    );
}
