//! From what the user typed about hosts to what the mux is told.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use outlast_protocol::control::target::{Target, Transport};
use outlast_protocol::control::to_mux::Surroundings;
use uuid::Uuid;

use super::Client;
use super::args::SshArgs;
use super::asker::can_ask;
use super::error::Error;
use crate::config::Config;
use crate::ssh::Destination;

/// The hosts typed, each once, with how to reach them.
pub(super) fn targets(
    client: &Client,
    hosts: &[String],
    ssh: &SshArgs,
) -> Result<Vec<Target>, Error> {
    all(hosts, ssh, &Config::load(client.place.config())?)
}

/// One host with how to reach it.
pub(super) fn target(client: &Client, host: &str, ssh: &SshArgs) -> Result<Target, Error> {
    one(host, ssh, &Config::load(client.place.config())?)
}

fn all(hosts: &[String], ssh: &SshArgs, config: &Config) -> Result<Vec<Target>, Error> {
    let mut targets: Vec<Target> = Vec::new();
    for host in hosts {
        let target = one(host, ssh, config)?;
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    Ok(targets)
}

fn one(host: &str, ssh: &SshArgs, config: &Config) -> Result<Target, Error> {
    if host.is_empty() || host.starts_with('-') || host.chars().any(|c| c.is_control() || c == ' ')
    {
        return Err(Error::usage(
            format!("{host:?} is not a host"),
            "write [user@]host[:port], an alias of the ssh configuration, or . for this computer",
        ));
    }
    for option in &ssh.option {
        if option.split(['=', ' ']).next().is_none_or(str::is_empty) || !option.contains(['=', ' '])
        {
            return Err(Error::usage(
                format!("`-o {option}` has no value"),
                "write -o Keyword=value",
            ));
        }
    }
    let identity_files = ssh.identity.iter().map(|path| absolute(path));
    let named = host.parse::<Destination>().ok();
    // What stands first holds: here what the host itself says.
    let port = named.as_ref().and_then(|named| named.port);
    let port = port.filter(|_| ssh.port_of_host).or(ssh.port);
    let user = named.and_then(|named| named.user);
    let login = user.filter(|_| ssh.user_of_host);
    Ok(Target {
        destination: host.to_owned(),
        port,
        login: login.or_else(|| ssh.login.clone()),
        identity_files: identity_files.collect::<Result<_, _>>()?,
        config_file: match &ssh.config_file {
            Some(path) if path.as_os_str() == "none" => Some("none".to_owned()),
            Some(path) => Some(absolute(path)?),
            None => None,
        },
        options: ssh.options(),
        transport: transport(host, ssh, config),
    })
}

/// This computer is reached without SSH, whatever is said.
fn transport(host: &str, ssh: &SshArgs, config: &Config) -> Transport {
    if host == Target::LOCAL {
        return Transport::Native;
    }
    let named = host.parse::<Destination>().ok();
    let configured = named.and_then(|named| config.transport(&named.host));
    let chosen = ssh.transport.map(Transport::from).or(configured);
    chosen.unwrap_or_default()
}

/// The mux works in another directory: what it opens for us must not depend on ours.
fn absolute(path: &Path) -> Result<String, Error> {
    let whole = std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path));
    whole.into_os_string().into_string().map_err(|path| {
        Error::usage(
            format!("the path {} is not UTF-8", path.to_string_lossy()),
            "rename the file or make a link to it",
        )
    })
}

/// What of our surroundings the mux should use.
#[must_use]
pub(super) fn surroundings() -> Surroundings {
    let agent = std::env::var("SSH_AUTH_SOCK").ok();
    Surroundings {
        agent_socket: agent.filter(|path| !path.is_empty()),
        interactive: can_ask(),
        environment: bounded(std::env::vars_os()),
        directory: std::env::current_dir()
            .ok()
            .and_then(|directory| directory.into_os_string().into_string().ok())
            .unwrap_or_default(),
        run: run(),
    }
}

/// As much of an environment as goes into one request: the small ones first, for what is big is
/// a function or a certificate, and no setting.
fn bounded(
    variables: impl Iterator<Item = (std::ffi::OsString, std::ffi::OsString)>,
) -> Vec<(String, String)> {
    const ROOM: usize = 256 * 1024;
    let mut kept: Vec<(String, String)> = variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let size = |(name, value): &(String, String)| name.len().saturating_add(value.len());
    kept.sort_by_key(size);
    let mut taken = 0_usize;
    kept.retain(|variable| {
        taken = taken.saturating_add(size(variable)).saturating_add(16);
        taken <= ROOM
    });
    kept.sort();
    kept
}

/// The number of this command line.
fn run() -> u64 {
    static RUN: OnceLock<u64> = OnceLock::new();
    // 0 is nobody.
    *RUN.get_or_init(|| Uuid::new_v4().as_u64_pair().0 | 1)
}

/// The environment a new session gets: what says how this terminal and its user read text.
#[must_use]
pub(super) fn environment() -> Vec<(String, String)> {
    let mut environment: Vec<_> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name == "TERM" || name == "LANG" || name.starts_with("LC_"))
        .collect();
    environment.sort();
    environment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_typed_twice_is_one() {
        let hosts = ["a", "b", "a"].map(str::to_owned);
        let targets = all(&hosts, &SshArgs::default(), &Config::default()).unwrap();
        let names: Vec<_> = targets.iter().map(|t| t.destination.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn of_an_environment_that_is_too_big_the_biggest_stay_behind() {
        let variables = [("BIG", 300_000), ("B", 3), ("A", 200_000)];
        let variables = variables.map(|(name, size)| (name.into(), "x".repeat(size).into()));
        let names: Vec<_> = bounded(variables.into_iter()).into_iter().collect();
        let names: Vec<_> = names.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["A", "B"]);
    }

    /// As ssh takes them, which reads them in this order too.
    #[test]
    fn of_what_says_the_same_the_first_holds() {
        for line in [
            "-p 24 -o Port=25 web",
            "-o Port=25 -p 24 web",
            "web -o port=25 -p 24",
            "-oPort=25 -o Port=26 web",
            "-l al -o User=bo web",
            "-o User=bo -l al web",
            "-o User=bo ada@web",
            "ada@web -o User=bo",
            "ada@web -l al",
            "-l al ada@web -o User=bo",
            "-o Port=25 ada@web -o User=bo -p 24",
            "-i /etc/passwd -o IdentityFile=/etc/group web",
            "-o IdentityFile=/etc/group -i /etc/passwd -o IdentityFile=/etc/hosts web",
            "-i /etc/passwd -i /etc/group web -o Port=9",
            "-4 -o AddressFamily=inet6 web",
            "-o AddressFamily=inet6 -4 web",
            "-o Compression=no -C web",
            "-J gate -o ProxyCommand=none web",
        ] {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(ours(&words), theirs(&words), "{line}");
        }
        // A port behind the name is not ssh's way to write it, but stands where it stands.
        assert_eq!(ours(&["web:25", "-p", "24"])[1], "port 25");
        assert_eq!(ours(&["-p", "24", "web:25"])[1], "port 24");
    }

    const COMPARED: [&str; 6] = [
        "user",
        "port",
        "addressfamily",
        "compression",
        "identityfile",
        "proxyjump",
    ];

    fn theirs(words: &[&str]) -> Vec<String> {
        let mut ssh = std::process::Command::new("ssh");
        let output = ssh.args(["-G", "-F", "none"]).args(words).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        told(text.lines().map(str::to_owned).collect())
    }

    /// What `ssh -G` would print of it.
    fn ours(words: &[&str]) -> Vec<String> {
        use crate::cli::args::{Cli, Verb};
        use crate::ssh::{Environment, SshOptions, resolve};
        use clap::Parser;
        let before = ["outlast", "new", "-F", "none"].iter();
        let line = before.chain(words);
        let Verb::New(args) = Cli::try_parse_from(line).unwrap().verb else {
            panic!()
        };
        let target = one(&args.hosts[0], &args.ssh, &Config::default()).unwrap();
        let options = SshOptions {
            port: target.port,
            login: target.login,
            identities: target.identity_files.iter().map(Into::into).collect(),
            config_file: target.config_file.map(Into::into),
            options: target.options,
        };
        let destination = target.destination.parse().unwrap();
        let environment = Environment::of_process();
        let config = resolve(&destination, &options, &environment).unwrap();
        let mut lines = vec![
            format!("user {}", config.user),
            format!("port {}", config.port),
            format!(
                "compression {}",
                if config.compression { "yes" } else { "no" }
            ),
        ];
        let settings = ["addressfamily", "identityfile", "proxyjump"];
        for name in settings {
            let values = config.settings.get(name).into_iter().flatten();
            lines.extend(values.map(|value| format!("{name} {value}")));
        }
        told(lines)
    }

    /// In one order, without what is a default.
    fn told(lines: Vec<String>) -> Vec<String> {
        let of = |name: &str| {
            let named = lines
                .iter()
                .filter(|line| line.split(' ').next() == Some(name));
            let is_default = |line: &str| line.contains(" ~/.ssh/id_") || line.ends_with(" any");
            let told: Vec<String> = named.filter(|line| !is_default(line)).cloned().collect();
            told
        };
        COMPARED.iter().flat_map(|name| of(name)).collect()
    }

    #[test]
    fn paths_are_made_whole_and_none_is_kept() {
        let mut ssh = SshArgs::default();
        ssh.identity = vec!["key".into()];
        ssh.config_file = Some("none".into());
        let made = one("h", &ssh, &Config::default()).unwrap();
        assert!(made.identity_files[0].starts_with('/'));
        assert_eq!(made.config_file.as_deref(), Some("none"));
        ssh.option = vec!["Port".into()];
        assert!(one("h", &ssh, &Config::default()).is_err());
        let no_host = "-oProxyCommand=x";
        assert!(one(no_host, &SshArgs::default(), &Config::default()).is_err());
    }
}
