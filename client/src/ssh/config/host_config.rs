//! The typed result of a resolution.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use sha1::{Digest, Sha1};

use super::add_keys::AddKeys;
use super::error::{ConfigError, Location};
use super::known_hosts_command;
use super::tokens::Tokens;
use super::values::{IgnoredOption, Values};
use crate::ssh::destination::{is_valid_host, is_valid_user};
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
    pub bind_address: Option<IpAddr>,
    pub batch_mode: bool,
    pub password_prompts: u32,
    pub keepalive: Option<Keepalive>,
    /// The methods to try, in order.
    pub authentications: Vec<Authentication>,
    pub kbd_interactive_devices: String,
    pub required_rsa_size: u32,
    /// Whether to speak of a connection that is weaker than it could be.
    pub warn_weak_crypto: bool,
    /// The shell that runs a `ProxyCommand`.
    pub shell: PathBuf,
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
    destination: &Destination,
    options: &SshOptions,
    environment: &Environment,
    depth: usize,
) -> Result<HostConfig, ConfigError> {
    let host_tokens = Tokens::new(environment, vec![('h', destination.host.clone())]);
    let host = match values.first("hostname") {
        Some(name) => host_tokens.percent("HostName", name)?,
        None => destination.host.clone(),
    }
    .to_ascii_lowercase();
    let user = values.first("user").unwrap_or(&environment.user).to_owned();
    // They reach shell commands and known_hosts lines.
    if !is_valid_host(&host) || host.is_empty() || !is_valid_user(&user) {
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
    let alias = values.first("hostkeyalias").map(str::to_owned);
    let jump_text = values
        .first("proxyjump")
        .filter(|jump| *jump != "none")
        .unwrap_or_default();
    let tokens = Tokens::new(
        environment,
        token_table(
            environment,
            destination,
            &host,
            port,
            &user,
            alias.as_deref(),
            jump_text,
        ),
    );
    let proxy = proxy(&values, destination, &tokens, options, depth)?;
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
        identity_agent: identity_agent(&values, &tokens)?,
        add_keys_to_agent: AddKeys::of(values.all("addkeystoagent")),
        user_known_hosts: match values.is_set("userknownhostsfile") {
            true => files(&values, "userknownhostsfile", &tokens)?,
            false => ["known_hosts", "known_hosts2"]
                .map(|name| environment.home.join(".ssh").join(name))
                .into(),
        },
        global_known_hosts: match values.is_set("globalknownhostsfile") {
            true => files(&values, "globalknownhostsfile", &tokens)?,
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
        connection_attempts: count("connectionattempts", 1).max(1),
        address_family: match values.first("addressfamily") {
            Some("inet") => AddressFamily::V4,
            Some("inet6") => AddressFamily::V6,
            _ => AddressFamily::Any,
        },
        bind_address: values
            .first("bindaddress")
            .and_then(|address| address.parse().ok()),
        batch_mode: flag("batchmode"),
        password_prompts: count("numberofpasswordprompts", 3),
        keepalive: seconds("serveraliveinterval")
            .filter(|interval| !interval.is_zero())
            .map(|interval| Keepalive {
                interval,
                count_max: count("serveralivecountmax", 3),
            }),
        authentications: authentications(&values),
        kbd_interactive_devices: text("kbdinteractivedevices").unwrap_or_default(),
        required_rsa_size: count("requiredrsasize", 1024),
        warn_weak_crypto: values.first("warnweakcrypto") != Some("no"),
        shell: environment.variable("SHELL").unwrap_or("/bin/sh").into(),
        ignored: std::mem::take(&mut values.ignored),
        settings: values.into_map(),
    })
}

fn token_table(
    environment: &Environment,
    destination: &Destination,
    host: &str,
    port: u16,
    user: &str,
    alias: Option<&str>,
    jump: &str,
) -> Vec<(char, String)> {
    let local = &environment.local_host;
    let identifying = Sha1::digest(format!("{local}{host}{port}{user}{jump}"));
    let identifying = identifying
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    vec![
        ('C', identifying),
        ('L', local.split('.').next().unwrap_or(local).to_owned()),
        ('d', environment.home.display().to_string()),
        ('h', host.to_owned()),
        ('i', environment.uid.to_string()),
        ('j', jump.to_owned()),
        ('k', alias.unwrap_or(&destination.host).to_owned()),
        ('l', local.clone()),
        ('n', destination.host.clone()),
        ('p', port.to_string()),
        ('r', user.to_owned()),
        ('u', environment.user.clone()),
    ]
}

fn files(
    values: &Values,
    name: &'static str,
    tokens: &Tokens<'_>,
) -> Result<Vec<PathBuf>, ConfigError> {
    values
        .all(name)
        .iter()
        .filter(|file| !file.eq_ignore_ascii_case("none"))
        .map(|file| tokens.path(name, file))
        .collect()
}

fn identity_agent(values: &Values, tokens: &Tokens<'_>) -> Result<Option<PathBuf>, ConfigError> {
    let variable = |name: &str| tokens.environment.variable(name).map(PathBuf::from);
    match values.first("identityagent") {
        None | Some("SSH_AUTH_SOCK") => Ok(variable("SSH_AUTH_SOCK")),
        Some("none") => Ok(None),
        Some(agent) => match agent
            .strip_prefix('$')
            .filter(|name| !name.starts_with('{'))
        {
            Some(name) => Ok(variable(name)),
            None => tokens.path("IdentityAgent", agent).map(Some),
        },
    }
}

fn proxy(
    values: &Values,
    destination: &Destination,
    tokens: &Tokens<'_>,
    options: &SshOptions,
    depth: usize,
) -> Result<Proxy, ConfigError> {
    if let Some(command) = values
        .first("proxycommand")
        .filter(|command| *command != "none")
    {
        return Ok(Proxy::Command(tokens.percent("ProxyCommand", command)?));
    }
    let Some(jump) = values.first("proxyjump").filter(|jump| *jump != "none") else {
        return Ok(Proxy::None);
    };
    let jump = tokens.percent("ProxyJump", jump)?;
    // As in ssh, only the file to read applies to the jump hosts.
    let options = SshOptions {
        config_file: options.config_file.clone(),
        ..SshOptions::default()
    };
    let mut chain = Vec::new();
    for hop in jump.split(',') {
        let hop: Destination = hop.trim().parse().map_err(|error| ConfigError::Expansion {
            option: "ProxyJump",
            value: jump.clone(),
            reason: format!("{error}"),
        })?;
        if hop.host == destination.host && hop.port == destination.port {
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
