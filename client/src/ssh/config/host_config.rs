//! The typed result of a resolution.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::add_keys::AddKeys;
use super::error::{ConfigError, Location};
use super::ip_qos;
use super::known_hosts_command;
use super::tokens::{Tokens, at};
use super::values::{IgnoredOption, Values};
use crate::ssh::destination::is_valid_host;
use crate::ssh::{Destination, Environment, SshOptions};

/// Everything needed to connect to one host.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// As typed.
    pub original_host: String,
    /// The name or address to connect to.
    pub host: String,
    pub port: u16,
    pub user: String,
    /// The name under which the host key is looked up, where it is not the host's.
    pub host_key_alias: Option<String>,
    /// The configured key files, or the usual ones.
    pub identity_files: Vec<PathBuf>,
    /// Whether somebody named the key files: the usual ones may be absent without a word.
    pub identity_files_named: bool,
    pub certificate_files: Vec<PathBuf>,
    pub identities_only: bool,
    /// The agent's socket.
    pub identity_agent: Option<PathBuf>,
    pub add_keys_to_agent: AddKeys,
    pub user_known_hosts: Vec<PathBuf>,
    pub global_known_hosts: Vec<PathBuf>,
    pub strict_host_key_checking: StrictHostKeyChecking,
    pub hash_known_hosts: bool,
    /// `KnownHostsCommand` in words, with [`known_hosts_command::LATER`] before what is only known while connecting.
    pub known_hosts_command: Vec<String>,
    pub revoked_host_keys: Vec<PathBuf>,
    pub check_host_ip: bool,
    pub no_host_authentication_for_localhost: bool,
    pub ca_signature_algorithms: Option<String>,
    /// Algorithm lists as configured, with their `+`, `-`, `^`.
    pub kex_algorithms: Option<String>,
    pub ciphers: Option<String>,
    pub macs: Option<String>,
    pub host_key_algorithms: Option<String>,
    pub pubkey_accepted_algorithms: Option<String>,
    pub proxy: Proxy,
    /// Covers the TCP connection and the key exchange.
    pub connect_timeout: Duration,
    pub connection_attempts: u32,
    pub address_family: AddressFamily,
    /// The local name or address to connect from; it wins over the interface.
    pub bind_address: Option<String>,
    pub bind_interface: Option<String>,
    pub tcp_keepalive: bool,
    /// The class of service of the packets.
    pub ip_qos: Option<u8>,
    pub compression: bool,
    pub rekey: Rekey,
    pub batch_mode: bool,
    pub password_prompts: u32,
    pub keepalive: Option<Keepalive>,
    /// The methods to try, in order.
    pub authentications: Vec<Authentication>,
    /// Patterns of variables that sessions get from the caller's environment.
    pub send_env: Vec<String>,
    /// Variables that sessions get.
    pub set_env: Vec<(String, String)>,
    pub forward_agent: ForwardAgent,
    pub log_level: LogLevel,
    pub kbd_interactive_devices: String,
    pub required_rsa_size: u32,
    /// Whether to speak of a connection that is weaker than it could be.
    pub warn_weak_crypto: bool,
    /// The shell that runs a `ProxyCommand`.
    pub shell: PathBuf,
    /// Where, and with which variables, programs are run on the way to the host.
    pub surroundings: Arc<Environment>,
    /// What the person should hear of before the connection.
    pub notes: Vec<String>,
    /// Options ssh would have followed and we do not: the caller should say so.
    pub ignored: Vec<IgnoredOption>,
    /// The options that were set, by lower-case name, as `ssh -G` prints them.
    pub settings: BTreeMap<&'static str, Vec<String>>,
}

#[derive(Clone, Debug)]
pub enum Proxy {
    None,
    /// The hosts on the way, the first to be connected to first.
    Jump(Vec<HostConfig>),
    /// A shell command whose standard input and output lead to the host.
    Command(String),
}

/// The agent that is lent to what runs in sessions.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum ForwardAgent {
    #[default]
    No,
    /// That of whoever runs a command there.
    Callers,
    Socket(PathBuf),
}

/// When new keys are agreed on; none where nothing is said.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Rekey {
    pub bytes: Option<u64>,
    pub interval: Option<Duration>,
}

/// How much is said about a connection.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum LogLevel {
    /// Only what makes a command fail.
    Quiet,
    #[default]
    Info,
    /// Also what was agreed on.
    Verbose,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Keepalive {
    pub interval: Duration,
    pub count_max: u32,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StrictHostKeyChecking {
    Yes,
    No,
    Ask,
    AcceptNew,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AddressFamily {
    Any,
    V4,
    V6,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Authentication {
    PublicKey,
    KeyboardInteractive,
    Password,
}

const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// In ssh's order.
const DEFAULT_IDENTITIES: [&str; 5] = [
    "id_rsa",
    "id_ecdsa",
    "id_ecdsa_sk",
    "id_ed25519",
    "id_ed25519_sk",
];

pub(super) fn build(
    mut values: Values,
    host: &str,
    destination: &Destination,
    options: &SshOptions,
    environment: &Environment,
    depth: usize,
) -> Result<HostConfig, ConfigError> {
    let host = host.to_owned();
    let user = values.first("user").unwrap_or(&environment.user).to_owned();
    // It reaches shell commands and known_hosts lines. A user name that comes from a file may be
    // odd, as in ssh; the one typed is looked at in `Destination`.
    if !is_valid_host(&host) || host.is_empty() || user.contains(char::is_control) {
        let location = Location {
            file: destination.to_string(),
            line: 0,
        };
        let reason = format!("`{user}@{host}` contains characters that no host or user name has");
        return Err(ConfigError::invalid(&location, reason));
    }
    let port = values
        .first("port")
        .and_then(|port| port.parse().ok())
        .unwrap_or(22);
    let alias = values.first("hostkeyalias").map(str::to_ascii_lowercase);
    let tokens = Tokens::new(environment, destination, &host, &values);
    let proxy = proxy(&values, destination, &host, &tokens, options, depth)?;
    let identity_agent = agent(&values, "IdentityAgent", "identityagent", &tokens)?;
    let seconds = |name| {
        values
            .first(name)
            .and_then(|text| text.parse().ok())
            .map(Duration::from_secs)
    };
    let count = |name, default| {
        values
            .first(name)
            .and_then(|n| n.parse().ok())
            .unwrap_or(default)
    };
    let flag = |name| values.first(name) == Some("yes");
    let text = |name| values.first(name).map(str::to_owned);
    let identity_files_named = values.is_set("identityfile");
    Ok(HostConfig {
        original_host: destination.host.clone(),
        host,
        port,
        user,
        host_key_alias: alias,
        identity_files: match identity_files_named {
            true => files(&values, "identityfile", &tokens)?,
            false => DEFAULT_IDENTITIES
                .map(|name| environment.home.join(".ssh").join(name))
                .into(),
        },
        identity_files_named,
        certificate_files: files(&values, "certificatefile", &tokens)?,
        identities_only: flag("identitiesonly"),
        forward_agent: forward_agent(&values, identity_agent.as_ref(), &tokens)?,
        identity_agent,
        add_keys_to_agent: AddKeys::of(values.all("addkeystoagent")),
        user_known_hosts: match values.is_set("userknownhostsfile") {
            true => files(&values, "userknownhostsfile", &tokens)?,
            false => ["known_hosts", "known_hosts2"]
                .map(|name| environment.home.join(".ssh").join(name))
                .into(),
        },
        global_known_hosts: match values.is_set("globalknownhostsfile") {
            true => literal_files(&values, "globalknownhostsfile", environment),
            false => ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"]
                .map(PathBuf::from)
                .into(),
        },
        strict_host_key_checking: match values.first("stricthostkeychecking") {
            Some("yes") => StrictHostKeyChecking::Yes,
            Some("no") => StrictHostKeyChecking::No,
            Some("accept-new") => StrictHostKeyChecking::AcceptNew,
            _ => StrictHostKeyChecking::Ask,
        },
        hash_known_hosts: flag("hashknownhosts"),
        known_hosts_command: known_hosts_command::words(&values, &tokens)?,
        revoked_host_keys: files(&values, "revokedhostkeys", &tokens)?,
        check_host_ip: flag("checkhostip"),
        no_host_authentication_for_localhost: flag("nohostauthenticationforlocalhost"),
        ca_signature_algorithms: text("casignaturealgorithms"),
        kex_algorithms: text("kexalgorithms"),
        ciphers: text("ciphers"),
        macs: text("macs"),
        host_key_algorithms: text("hostkeyalgorithms"),
        pubkey_accepted_algorithms: text("pubkeyacceptedalgorithms"),
        proxy,
        connect_timeout: seconds("connecttimeout")
            .filter(|timeout| !timeout.is_zero())
            .unwrap_or(DEFAULT_CONNECT_TIMEOUT),
        connection_attempts: match count("connectionattempts", 1) {
            0 => {
                let location = values.location("connectionattempts");
                return Err(ConfigError::invalid(
                    &location,
                    "ConnectionAttempts: at least 1",
                ));
            }
            attempts => attempts,
        },
        address_family: match values.first("addressfamily") {
            Some("inet") => AddressFamily::V4,
            Some("inet6") => AddressFamily::V6,
            _ => AddressFamily::Any,
        },
        bind_address: text("bindaddress"),
        bind_interface: text("bindinterface"),
        tcp_keepalive: values.first("tcpkeepalive") != Some("no"),
        ip_qos: values.first("ipqos").and_then(ip_qos::value),
        compression: flag("compression"),
        rekey: Rekey {
            bytes: values
                .first("rekeylimit")
                .and_then(|bytes| bytes.parse().ok())
                .filter(|bytes| *bytes > 0),
            interval: seconds("rekeyinterval").filter(|interval| !interval.is_zero()),
        },
        batch_mode: flag("batchmode"),
        password_prompts: count("numberofpasswordprompts", 3),
        keepalive: seconds("serveraliveinterval")
            .filter(|interval| !interval.is_zero())
            .map(|interval| Keepalive {
                interval,
                count_max: count("serveralivecountmax", 3),
            }),
        authentications: authentications(&values),
        send_env: values.all("sendenv").to_vec(),
        set_env: set_env(&values),
        log_level: match values.first("loglevel") {
            Some("quiet" | "fatal" | "error") => LogLevel::Quiet,
            None | Some("info") => LogLevel::Info,
            Some(_) => LogLevel::Verbose,
        },
        kbd_interactive_devices: text("kbdinteractivedevices").unwrap_or_default(),
        required_rsa_size: count("requiredrsasize", 1024),
        warn_weak_crypto: values.first("warnweakcrypto") != Some("no"),
        shell: environment.shell().into(),
        surroundings: Arc::new(environment.clone()),
        notes: std::mem::take(&mut values.notes),
        ignored: values.ignored(),
        settings: values.into_map(),
    })
}

fn files(
    values: &Values,
    name: &'static str,
    tokens: &Tokens<'_>,
) -> Result<Vec<PathBuf>, ConfigError> {
    // ssh prints these with everything replaced.
    if values.expanded && matches!(name, "userknownhostsfile" | "revokedhostkeys") {
        return Ok(literal_files(values, name, tokens.environment));
    }
    values
        .all(name)
        .iter()
        .filter(|file| !file.eq_ignore_ascii_case("none"))
        .map(|file| at(name, file, values.location(name), tokens.path(file)))
        .collect()
}

/// Files whose names have no tokens.
fn literal_files(values: &Values, name: &str, environment: &Environment) -> Vec<PathBuf> {
    let files = values.all(name).iter();
    files
        .filter(|file| !file.eq_ignore_ascii_case("none"))
        .map(|file| environment.directory.join(file))
        .collect()
}

/// The socket of an agent.
fn agent(
    values: &Values,
    option: &'static str,
    name: &str,
    tokens: &Tokens<'_>,
) -> Result<Option<PathBuf>, ConfigError> {
    let variable = |name: &str| tokens.environment.variable(name).map(PathBuf::from);
    let Some(agent) = values.first(name) else {
        return Ok(variable("SSH_AUTH_SOCK"));
    };
    match agent.strip_prefix('$').filter(|it| !it.starts_with('{')) {
        Some(name) => Ok(variable(name)),
        None if agent == "SSH_AUTH_SOCK" => Ok(variable("SSH_AUTH_SOCK")),
        None if agent == "none" => Ok(None),
        None if values.expanded => Ok(Some(agent.into())),
        None => at(option, agent, values.location(name), tokens.path(agent)).map(Some),
    }
}

/// `IdentityAgent` takes the place of the caller's agent here too, as in ssh.
fn forward_agent(
    values: &Values,
    identity_agent: Option<&PathBuf>,
    tokens: &Tokens<'_>,
) -> Result<ForwardAgent, ConfigError> {
    let socket = match values.first("forwardagent") {
        None | Some("no") => return Ok(ForwardAgent::No),
        Some("yes") => match values.first("identityagent") {
            None | Some("SSH_AUTH_SOCK") => return Ok(ForwardAgent::Callers),
            Some(_) => identity_agent.cloned(),
        },
        Some(_) => agent(values, "ForwardAgent", "forwardagent", tokens)?,
    };
    Ok(socket.map_or(ForwardAgent::No, ForwardAgent::Socket))
}

fn set_env(values: &Values) -> Vec<(String, String)> {
    let mut variables: Vec<(String, String)> = Vec::new();
    for variable in values.all("setenv") {
        if let Some((name, value)) = variable.split_once('=')
            && !variables.iter().any(|(known, _)| known == name)
        {
            variables.push((name.to_owned(), value.to_owned()));
        }
    }
    variables
}

fn proxy(
    values: &Values,
    destination: &Destination,
    host: &str,
    tokens: &Tokens<'_>,
    options: &SshOptions,
    depth: usize,
) -> Result<Proxy, ConfigError> {
    let is_named = |value: &&str| !value.eq_ignore_ascii_case("none");
    if let Some(command) = values.first("proxycommand").filter(is_named) {
        let location = values.location("proxycommand");
        let expanded = at("ProxyCommand", command, location, tokens.percent(command));
        return expanded.map(Proxy::Command);
    }
    let Some(written) = values.first("proxyjump").filter(is_named) else {
        return Ok(Proxy::None);
    };
    let place = || values.location("proxyjump");
    let jump = at("ProxyJump", written, place(), tokens.percent(written))?;
    // As in ssh, only the file to read applies to the jump hosts.
    let options = SshOptions {
        config_file: options.config_file.clone(),
        ..SshOptions::default()
    };
    let mut chain: Vec<HostConfig> = Vec::new();
    for hop in jump.split(',') {
        let parsed = hop.trim().parse().map_err(|error| format!("{error}"));
        let hop: Destination = at("ProxyJump", &jump, place(), parsed)?;
        let port = values.first("port").and_then(|port| port.parse().ok());
        if hop.host == host && hop.port.unwrap_or(22) == port.unwrap_or(22) {
            return Err(ConfigError::JumpLoop {
                host: destination.host.clone(),
            });
        }
        let mut hop = super::resolve_at_depth(&hop, &options, tokens.environment, depth + 1)?;
        // Behind the first hop the way is the one given here.
        if !chain.is_empty() {
            hop.proxy = Proxy::None;
        }
        chain.push(hop);
    }
    Ok(Proxy::Jump(chain))
}

fn authentications(values: &Values) -> Vec<Authentication> {
    let preferred = values
        .first("preferredauthentications")
        .unwrap_or("publickey,keyboard-interactive,password");
    let allowed = |name| values.first(name) != Some("no");
    preferred
        .split(',')
        .filter_map(|name| match name.trim() {
            "publickey" if allowed("pubkeyauthentication") => Some(Authentication::PublicKey),
            "password" if allowed("passwordauthentication") => Some(Authentication::Password),
            "keyboard-interactive" if allowed("kbdinteractiveauthentication") => {
                Some(Authentication::KeyboardInteractive)
            }
            _ => None,
        })
        .collect()
}
