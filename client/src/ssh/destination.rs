//! A destination as typed: `[user@]host[:port]`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Where to connect, before any configuration has been read.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Destination {
    pub user: Option<String>,
    /// A name, an alias of the configuration or an address, without brackets.
    pub host: String,
    pub port: Option<u16>,
}

#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum DestinationError {
    #[error("the destination `{0}` names no host")]
    NoHost(String),
    #[error("the destination `{0}` names an empty user")]
    NoUser(String),
    #[error("the destination `{destination}` has no valid port: `{port}`")]
    Port { destination: String, port: String },
    #[error("the destination `{0}` has an unclosed or misplaced bracket")]
    Bracket(String),
    /// Such a name would be taken for an option or for shell text by a `ProxyCommand`.
    #[error("the destination `{0}` contains characters that no host or user name has")]
    Forbidden(String),
}

impl FromStr for Destination {
    type Err = DestinationError;

    fn from_str(text: &str) -> Result<Self, DestinationError> {
        let body = text
            .strip_prefix("ssh://")
            .map_or(text, |uri| uri.trim_end_matches('/'));
        // The last `@` separates: a user name may contain one, a host name may not.
        let (user, rest) = match body.rsplit_once('@') {
            Some(("", _)) => return Err(DestinationError::NoUser(text.to_owned())),
            Some((user, rest)) => (Some(user.to_owned()), rest),
            None => (None, body),
        };
        let (host, port) = split_port(text, rest)?;
        if host.is_empty() {
            return Err(DestinationError::NoHost(text.to_owned()));
        }
        if !is_valid_host(host) || user.as_deref().is_some_and(|user| !is_valid_user(user)) {
            return Err(DestinationError::Forbidden(text.to_owned()));
        }
        let port = port.map(|port| parse_port(text, port)).transpose()?;
        Ok(Self {
            user,
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match (self.host.contains(':'), self.port) {
            (true, Some(port)) => write!(f, "[{}]:{port}", self.host),
            (true, None) => write!(f, "[{}]", self.host),
            (false, Some(port)) => write!(f, "{}:{port}", self.host),
            (false, None) => f.write_str(&self.host),
        }
    }
}

fn split_port<'a>(
    text: &str,
    rest: &'a str,
) -> Result<(&'a str, Option<&'a str>), DestinationError> {
    if let Some(bracketed) = rest.strip_prefix('[') {
        let (host, after) = bracketed
            .split_once(']')
            .ok_or_else(|| DestinationError::Bracket(text.to_owned()))?;
        return match (after, after.strip_prefix(':')) {
            ("", _) => Ok((host, None)),
            (_, Some(port)) => Ok((host, Some(port))),
            _ => Err(DestinationError::Bracket(text.to_owned())),
        };
    }
    match rest.split_once(':') {
        // More than one colon without brackets is a bare IPv6 address, as ssh takes it.
        Some((_, after)) if after.contains(':') => Ok((rest, None)),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((rest, None)),
    }
}

fn parse_port(text: &str, port: &str) -> Result<u16, DestinationError> {
    port.parse()
        .ok()
        .filter(|port| *port != 0)
        .ok_or_else(|| DestinationError::Port {
            destination: text.to_owned(),
            port: port.to_owned(),
        })
}

/// The rules of ssh's `valid_hostname`: these names reach shell commands through `%h` and `%n`.
pub(super) fn is_valid_host(host: &str) -> bool {
    !host.starts_with('-')
        && host
            .chars()
            .all(|c| !c.is_whitespace() && !c.is_control() && !"'`\"$\\;&<>|(){},".contains(c))
}

/// The rules of ssh's `valid_ruser`.
pub(super) fn is_valid_user(user: &str) -> bool {
    !user.starts_with('-')
        && !user.ends_with('\\')
        && user
            .chars()
            .all(|c| !c.is_control() && !"'`\";&<>|(){}".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Option<String>, String, Option<u16>) {
        let destination: Destination = text.parse().unwrap();
        (destination.user, destination.host, destination.port)
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn every_form_is_understood() {
        assert_eq!(parsed("web"), (None, "web".into(), None));
        assert_eq!(
            parsed("me@web:2222"),
            (some("me"), "web".into(), Some(2222))
        );
        assert_eq!(parsed("me@corp@web"), (some("me@corp"), "web".into(), None));
        assert_eq!(parsed("[::1]:22"), (None, "::1".into(), Some(22)));
        assert_eq!(
            parsed("a@[fe80::1%eth0]"),
            (some("a"), "fe80::1%eth0".into(), None)
        );
        assert_eq!(parsed("fe80::1"), (None, "fe80::1".into(), None));
        assert_eq!(
            parsed("ssh://me@web:7/"),
            (some("me"), "web".into(), Some(7))
        );
    }

    #[test]
    fn what_is_displayed_parses_to_the_same() {
        for text in ["web", "me@web:2222", "[::1]:22", "a@[fe80::1%eth0]"] {
            let destination: Destination = text.parse().unwrap();
            assert_eq!(destination.to_string(), text);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "@web",
            "me@",
            "web:",
            "web:0",
            "web:65536",
            "web:x",
            "[::1",
            "[::1]x",
        ] {
            assert!(text.parse::<Destination>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_cannot_carry_an_option_or_shell_text() {
        for text in [
            "-oProxyCommand=x",
            "a;b",
            "`id`",
            "$(id)",
            "a b",
            "-l@web",
            "a|b@web",
        ] {
            assert!(text.parse::<Destination>().is_err(), "{text}");
        }
    }
}
