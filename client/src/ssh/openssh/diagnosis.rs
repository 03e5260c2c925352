//! Why `ssh` did not connect, from what it said: the same kinds of error as of our own SSH, so
//! that exit codes and hints are the same too.

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use super::ask::Asking;
use super::words::Words;
use crate::ssh::host_key::HostKeyError;
use crate::ssh::{ConnectError, ConnectErrorKind};

/// The failure of a connection to that host.
pub(super) fn diagnose(
    words: &Words,
    asking: Asking,
    host: &str,
    port: u16,
    timeout: u64,
) -> ConnectError {
    let said = &words.complaints;
    // The first complaint has caused the others: behind a jump host there are two.
    let found = said
        .lines()
        .find_map(|line| of_line(line.trim(), words, asking, timeout));
    let (at, kind) = found.unwrap_or_else(|| (None, of_unknown(words)));
    let (host, port) = at.unwrap_or_else(|| (host.to_owned(), port));
    let kind = match kind {
        ConnectErrorKind::HostKey(_) => {
            ConnectErrorKind::HostKey(host_key(words, asking, &host, port))
        }
        other => other,
    };
    ConnectError { host, port, kind }
}

/// What another version of ssh says in words that are not known here is told whole. How far it got
/// says which kind of failure it is.
fn of_unknown(words: &Words) -> ConnectErrorKind {
    let detail = match words.complaints.trim() {
        "" => "ssh ended without a word".to_owned(),
        said => said.replace('\n', "; "),
    };
    match words.leg.description.server.is_empty() {
        true => ConnectErrorKind::Unreachable { detail },
        false => ConnectErrorKind::Disconnected { reason: detail },
    }
}

type Found = (Option<(String, u16)>, ConnectErrorKind);

/// What a line complains of, and the host and port it names.
fn of_line(line: &str, words: &Words, asking: Asking, timeout: u64) -> Option<Found> {
    use ConnectErrorKind as Kind;
    let text = line.strip_prefix("ssh: ").unwrap_or(line);
    if let Some(rest) = text.strip_prefix("Could not resolve hostname ") {
        let detail = rest.split_once(": ").map_or(rest, |(_, detail)| detail);
        let detail = detail.to_owned();
        return Some((None, Kind::NameNotFound { detail }));
    }
    if let Some(rest) = text.strip_prefix("connect to host ") {
        return Some(not_connected(rest, words, timeout));
    }
    if let Some((who, allowed)) = text.split_once(": Permission denied (") {
        let allowed = allowed.trim_end_matches(['.', ')']).split(',');
        let allowed = allowed.map(str::to_owned).collect();
        let refused = refused(words, asking, allowed, about_keys(&words.complaints));
        // Another host than ours is a jump host.
        let host = who.rsplit_once('@').map_or(who, |(_, host)| host);
        let dialled = (words.dialled.0 == host).then(|| words.dialled.clone());
        return Some((dialled, refused));
    }
    let kind = if text.contains("Too many authentication failures") {
        refused(words, asking, Vec::new(), Some(text.to_owned()))
    } else if text.starts_with("Unable to negotiate") {
        let detail = text.split_once(": ").map_or(text, |(_, detail)| detail);
        let detail = detail.to_owned();
        Kind::Negotiation { detail }
    } else if is_host_key(text) {
        let host = String::new();
        Kind::HostKey(HostKeyError::Declined { host })
    } else if text.contains("timed out during banner exchange") {
        let (phase, seconds) = ("key exchange", timeout);
        Kind::TimedOut { phase, seconds }
    } else if is_disconnect(text) {
        let reason = text.to_owned();
        Kind::Disconnected { reason }
    } else {
        return None;
    };
    Some((None, kind))
}

fn not_connected(rest: &str, words: &Words, timeout: u64) -> Found {
    let (target, reason) = rest.split_once(": ").unwrap_or((rest, rest));
    let at = target
        .split_once(" port ")
        .and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
    let kind = if reason.contains("refused") {
        ConnectErrorKind::Refused {
            address: words.address.clone(),
        }
    } else if reason.contains("timed out") {
        ConnectErrorKind::TimedOut {
            phase: "connecting",
            seconds: timeout,
        }
    } else {
        ConnectErrorKind::Unreachable {
            detail: reason.to_owned(),
        }
    };
    (at, kind)
}

/// Why a key could not be used: without it nobody would guess why it did not help.
fn about_keys(complaints: &str) -> Option<String> {
    const BEGINS: [&str; 4] = [
        "Load key ",
        "no such identity: ",
        "sign_and_send_pubkey: ",
        "identity_sign: ",
    ];
    let lines = complaints.lines().map(str::trim);
    let lines: Vec<_> = lines
        .filter(|line| BEGINS.iter().any(|begin| line.starts_with(begin)))
        .collect();
    (!lines.is_empty()).then(|| lines.join("; "))
}

fn refused(
    words: &Words,
    asking: Asking,
    allowed: Vec<String>,
    detail: Option<String>,
) -> ConnectErrorKind {
    ConnectErrorKind::AuthenticationRefused {
        tried: words.tried.clone(),
        accepted: words.accepted.clone(),
        allowed,
        detail,
        no_terminal: asking.no_terminal,
    }
}

fn is_host_key(text: &str) -> bool {
    text.contains("HOST IDENTIFICATION HAS CHANGED")
        || text.contains("REVOKED HOST KEY")
        || text.contains("host key is known for")
        || text.starts_with("Host key verification failed")
}

fn is_disconnect(text: &str) -> bool {
    const BEGINS: [&str; 7] = [
        "Connection closed",
        "Connection reset",
        "Connection to ",
        "Received disconnect",
        "Disconnected from",
        "kex_exchange_identification",
        // Before 8.0.
        "ssh_exchange_identification",
    ];
    const CONTAINS: [&str; 2] = ["Broken pipe", ": Connection to "];
    BEGINS.iter().any(|begin| text.starts_with(begin))
        || CONTAINS.iter().any(|part| text.contains(part))
}

/// What is the matter with the host key.
fn host_key(words: &Words, asking: Asking, host: &str, port: u16) -> HostKeyError {
    let said = &words.complaints;
    let host = match port {
        22 => host.to_owned(),
        port => format!("[{host}]:{port}"),
    };
    let (key_type, fingerprint) = (words.key_type.clone(), words.fingerprint.clone());
    let offending = said.lines().find_map(|line| {
        let place = line
            .trim()
            .strip_prefix("Offending ")?
            .split_once(" in ")?
            .1;
        let (file, line) = place.rsplit_once(':')?;
        Some((PathBuf::from(file), line.trim().parse().ok()?))
    });
    match offending {
        Some((file, line)) if said.contains("HOST IDENTIFICATION HAS CHANGED") => {
            HostKeyError::Changed {
                host,
                key_type,
                fingerprint,
                file,
                line,
            }
        }
        place if said.contains("REVOKED HOST KEY") => {
            let (file, line) = place.unwrap_or_default();
            HostKeyError::Revoked { host, file, line }
        }
        _ if asking.declined => HostKeyError::Declined { host },
        _ => HostKeyError::Unknown {
            host,
            key_type,
            fingerprint,
            askable: asking.no_terminal,
        },
    }
}
