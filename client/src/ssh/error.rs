//! Why a connection or a channel did not come about, and what to do about it.

use std::fmt;

use super::host_key::HostKeyError;

/// A failure to connect, naming the host it concerns: with jump hosts, the one that failed.
#[derive(Debug)]
pub struct ConnectError {
    pub host: String,
    pub port: u16,
    pub kind: ConnectErrorKind,
}

#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectErrorKind {
    NameNotFound {
        detail: String,
    },
    Refused {
        address: String,
    },
    /// No route, no network, the proxy command failed and the like.
    Unreachable {
        detail: String,
    },
    TimedOut {
        phase: &'static str,
        seconds: u64,
    },
    /// No algorithm in common.
    Negotiation {
        detail: String,
    },
    HostKey(HostKeyError),
    AuthenticationRefused {
        /// The keys and methods tried, and those left out with the reason.
        tried: Vec<String>,
        /// The methods that were accepted, without being enough.
        accepted: Vec<String>,
        /// The methods the server would still take.
        allowed: Vec<String>,
        /// What the server said on parting, if it did.
        detail: Option<String>,
        /// Whether a person could have helped and there was no terminal.
        no_terminal: bool,
    },
    /// The connection ended during the handshake.
    Disconnected {
        reason: String,
    },
    /// A jump host did not connect on.
    JumpRefused {
        jump: String,
        detail: String,
    },
}

impl ConnectError {
    /// The host cannot be reached now; it may be later.
    pub fn is_unreachable(&self) -> bool {
        use ConnectErrorKind as Kind;
        matches!(
            self.kind,
            Kind::NameNotFound { .. }
                | Kind::Refused { .. }
                | Kind::Unreachable { .. }
                | Kind::TimedOut { .. }
                | Kind::Disconnected { .. }
                | Kind::JumpRefused { .. }
        )
    }

    /// The host was reached and does not let us in.
    pub fn is_auth_refused(&self) -> bool {
        matches!(self.kind, ConnectErrorKind::AuthenticationRefused { .. })
    }

    /// Whether trying again, unchanged, can help. Never after a refused authentication: newer sshd
    /// penalises the source address for each.
    pub fn may_retry(&self) -> bool {
        self.is_unreachable()
    }

    /// What the person can do.
    pub fn hint(&self) -> Option<String> {
        use ConnectErrorKind as Kind;
        let host = &self.host;
        Some(match &self.kind {
            Kind::NameNotFound { .. } => "check the spelling, or `Host` in ssh_config".into(),
            Kind::Refused { .. } => format!("is sshd running on {host}, and on this port?"),
            Kind::TimedOut { .. } => {
                "a firewall may drop the packets; -o ConnectTimeout=SECONDS waits longer".into()
            }
            Kind::Negotiation { .. } => {
                "-o KexAlgorithms=, Ciphers=, MACs= or HostKeyAlgorithms= can allow more; \
                 --transport openssh has all that the ssh here has"
                    .into()
            }
            Kind::HostKey(HostKeyError::Changed { host, file, .. }) => format!(
                "if the change is expected, remove the old key: ssh-keygen -f {} -R '{host}'",
                file.display()
            ),
            Kind::HostKey(HostKeyError::Unknown { host: name, .. }) => format!(
                "connect once with `ssh {host}`, or record the key with `ssh-keyscan` after \
                 comparing it, or pass -o StrictHostKeyChecking=accept-new (for {name})"
            ),
            Kind::HostKey(_) => return None,
            Kind::AuthenticationRefused {
                detail: Some(detail),
                ..
            } if detail.contains("Too many authentication failures") => {
                "too many keys were tried before the right one: name it with -i FILE -o \
                 IdentitiesOnly=yes"
                    .into()
            }
            Kind::AuthenticationRefused {
                no_terminal: true, ..
            } => "run it from a terminal, set SSH_ASKPASS, or load a key with ssh-add".into(),
            Kind::AuthenticationRefused { .. } => {
                "name a key with -i FILE, or load one with ssh-add".into()
            }
            Kind::Unreachable { .. } | Kind::Disconnected { .. } | Kind::JumpRefused { .. } => {
                return None;
            }
        })
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use ConnectErrorKind as Kind;
        let at = match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        };
        match &self.kind {
            Kind::NameNotFound { detail } => write!(f, "no address for {at}: {detail}"),
            Kind::Refused { address } => write!(f, "{at} refused the connection ({address})"),
            Kind::Unreachable { detail } => write!(f, "cannot reach {at}: {detail}"),
            Kind::TimedOut { phase, seconds } => {
                write!(f, "{at} did not answer within {seconds} s ({phase})")
            }
            Kind::Negotiation { detail } => {
                write!(f, "no algorithm in common with {at}: {detail}")
            }
            Kind::HostKey(error) => write!(f, "{error} (connecting to {at})"),
            Kind::AuthenticationRefused {
                tried,
                accepted,
                allowed,
                detail,
                ..
            } => {
                write!(f, "{at} refused the authentication")?;
                if let Some(detail) = detail {
                    write!(f, " ({detail})")?;
                }
                write!(f, "; tried: {}", or_nothing(tried))?;
                if !accepted.is_empty() {
                    write!(f, "; accepted, but not enough: {}", accepted.join(", "))?;
                }
                write!(f, "; it allows: {}", or_nothing(allowed))
            }
            Kind::Disconnected { reason } => {
                write!(
                    f,
                    "{at} closed the connection during the handshake: {reason}"
                )
            }
            Kind::JumpRefused { jump, detail } => {
                write!(
                    f,
                    "the jump host {jump} could not connect to {at}: {detail}"
                )
            }
        }
    }
}

impl std::error::Error for ConnectError {}

fn or_nothing(items: &[String]) -> String {
    if items.is_empty() {
        "nothing".into()
    } else {
        items.join(", ")
    }
}

/// Why a channel did not open on a connection that stands.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// `MaxSessions` is reached or sessions are forbidden: another connection may serve.
    #[error("{host} refuses another channel on this connection ({reason})")]
    ChannelRefused { host: String, reason: String },
    /// Neither the subsystem nor the command was accepted.
    #[error("{host} has no subsystem `{subsystem}` and refuses to run `{command}`")]
    RequestRefused {
        host: String,
        subsystem: String,
        command: String,
    },
    /// A command alone was not accepted.
    #[error("{host} refuses to run commands")]
    CommandRefused { host: String },
    #[error("{host} did not answer the request for a channel in time")]
    TimedOut { host: String },
    #[error("the connection to {host} is closed: {reason}")]
    Disconnected { host: String, reason: String },
}
