//! The SSH connection: key exchange, host key, authentication.

use outlast_protocol::finding::{Finding, Verdict};

use super::Layer;
use crate::ssh::{ConnectError, ConnectErrorKind, Connection, Description, HostConfig, Prompt};

/// Connects, as a session would; `prompt` is asked where a person must decide.
pub(super) async fn connect(config: &HostConfig, prompt: &dyn Prompt) -> Layer<Connection> {
    match Connection::connect(config, prompt).await {
        Ok(connection) => Layer::passed(findings(&connection), connection),
        Err(error) => Layer::stopped(Vec::new(), stopped(&error)),
    }
}

/// Of every connection on the way, the first that was made first.
fn findings(connection: &Connection) -> Vec<Finding> {
    let mut findings = connection.via().map(findings).unwrap_or_default();
    findings.extend(met(
        connection.host(),
        &connection.description(),
        connection.warnings(),
    ));
    findings
}

/// What a connection to that host that stands has agreed on.
pub(super) fn met(host: &str, about: &Description, warnings: &[String]) -> Vec<Finding> {
    let key_exchange = Finding::new(
        "key-exchange",
        Verdict::Good,
        format!(
            "{host}: {}, {} with {}",
            about.server, about.kex, about.cipher
        ),
    )
    .value("server", &about.server)
    .value("kex", &about.kex)
    .value("cipher", &about.cipher);
    let key = Finding::new(
        "host-key",
        Verdict::Good,
        format!("{host}: {} is known", about.host_key),
    );
    let key = match warnings {
        [] => key,
        some => Finding {
            verdict: Verdict::Doubtful,
            text: some.join("; "),
            ..key
        },
    };
    let accepted = &about.accepted;
    let mut text = format!("{host} lets us in");
    if !accepted.methods.is_empty() {
        text.push_str(&format!(" by {}", accepted.methods.join(" and ")));
    }
    if !accepted.key.is_empty() {
        text.push_str(&format!(", with {}", accepted.key));
    }
    let authentication = Finding::new("authentication", Verdict::Good, text)
        .value("methods", accepted.methods.join(","))
        .value("key", &accepted.key);
    vec![key_exchange, key, authentication]
}

/// The layer in which a connection failed, and why.
pub(super) fn stopped(error: &ConnectError) -> Finding {
    let layer = match &error.kind {
        ConnectErrorKind::NameNotFound { .. } => "name",
        ConnectErrorKind::Refused { .. } | ConnectErrorKind::Unreachable { .. } => "tcp",
        ConnectErrorKind::TimedOut { phase, .. } if *phase == "connecting" => "tcp",
        ConnectErrorKind::TimedOut { phase, .. } if *phase == "authentication" => "authentication",
        ConnectErrorKind::HostKey(_) => "host-key",
        ConnectErrorKind::AuthenticationRefused { .. } => "authentication",
        ConnectErrorKind::JumpRefused { .. } => "jump",
        _ => "key-exchange",
    };
    let hint = match &error.kind {
        ConnectErrorKind::Disconnected { .. } => Some(DROPPED.to_owned()),
        _ => error.hint(),
    };
    Finding::new(layer, Verdict::Bad, error.to_string()).hint(hint.unwrap_or_default())
}

/// What to do where a server lets go during the key exchange.
const DROPPED: &str = "it may have too many unauthenticated connections (MaxStartups), refuse this \
    address for a while (PerSourcePenalties, fail2ban), or not be an SSH server; sshd's log says";
