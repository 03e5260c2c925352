//! Whether a `Host` or `Match` line applies.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::error::{ConfigError, Location};
use super::pattern::{matches_list, matches_pattern};
use super::tokens::Tokens;
use super::values::Values;
use crate::ssh::{Destination, Environment};

/// Whom a configuration is read for.
pub(super) struct Subject<'a> {
    pub(super) destination: &'a Destination,
    /// In the second reading, the host that came out of the first.
    pub(super) found: Option<&'a str>,
    pub(super) environment: &'a Environment,
}

impl Subject<'_> {
    /// What `Host` looks at.
    fn named(&self) -> &str {
        self.found.unwrap_or(&self.destination.host)
    }

    /// The host as far as it is known at this line.
    pub(super) fn host(&self, values: &Values) -> String {
        match (self.found, values.first("hostname")) {
            (Some(found), _) => found.to_owned(),
            (None, None) => self.destination.host.clone(),
            (None, Some(name)) => Tokens::of_host(self.environment, &self.destination.host)
                .percent(name)
                .unwrap_or_else(|_| name.to_owned()),
        }
    }

    pub(super) fn tokens(&self, values: &Values) -> Tokens<'_> {
        let host = self.host(values);
        Tokens::new(self.environment, self.destination, &host, values)
    }
}

/// `Host a b !c`: unlike in a `Match` list, each word is its own pattern.
pub(super) fn host_applies(patterns: &[String], subject: &Subject<'_>) -> bool {
    let mut applies = false;
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(negated) if matches_pattern(subject.named(), negated) => return false,
            Some(_) => {}
            None => applies |= matches_pattern(subject.named(), pattern),
        }
    }
    applies
}

/// A `Match` line: every condition must hold.
#[derive(Default)]
pub(super) struct Conditions {
    list: Vec<Condition>,
}

struct Condition {
    negated: bool,
    name: String,
    argument: String,
}

/// Conditions with an argument.
const WITH_ARGUMENT: [&str; 10] = [
    "host",
    "originalhost",
    "user",
    "localuser",
    "localnetwork",
    "version",
    "tagged",
    "command",
    "exec",
    "sessiontype",
];

impl Conditions {
    pub(super) fn parse(words: Vec<String>) -> Result<Self, String> {
        let mut list: Vec<Condition> = Vec::new();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let (negated, rest) = match word.strip_prefix('!') {
                Some(rest) => (true, rest),
                None => (false, word.as_str()),
            };
            let (name, given) = match rest.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (rest, None),
            };
            let name = name.to_ascii_lowercase();
            let argument = match name.as_str() {
                "all" if list.len() > 1 || words.len() > 0 => {
                    return Err("Match all is combined with other conditions".into());
                }
                "all" | "canonical" | "final" => String::new(),
                known if WITH_ARGUMENT.contains(&known) => given
                    .or_else(|| words.next())
                    .filter(|word| !word.is_empty() || matches!(known, "tagged" | "command"))
                    .ok_or_else(|| format!("Match {name} needs a value"))?,
                _ => return Err(format!("Match does not know the condition `{name}`")),
            };
            list.push(Condition {
                negated,
                name,
                argument,
            });
        }
        match list.is_empty() {
            true => Err("Match names no condition".into()),
            false => Ok(Self { list }),
        }
    }

    /// Whether the line asks for a second reading.
    pub(super) fn want_final(&self) -> bool {
        let is_final = |condition: &Condition| condition.name == "final" && !condition.negated;
        self.list.iter().any(is_final)
    }

    /// Whether all hold. Nothing is run where an earlier condition already fails, as in ssh.
    pub(super) fn apply(
        &self,
        subject: &Subject<'_>,
        values: &Values,
        location: &Location,
    ) -> Result<bool, ConfigError> {
        for condition in &self.list {
            if condition.holds(subject, values, location)? == condition.negated {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Condition {
    fn holds(
        &self,
        subject: &Subject<'_>,
        values: &Values,
        location: &Location,
    ) -> Result<bool, ConfigError> {
        let patterns = self.argument.as_str();
        let lower = patterns.to_ascii_lowercase();
        let local_user = subject.environment.user.as_str();
        Ok(match self.name.as_str() {
            "all" => true,
            "canonical" | "final" => subject.found.is_some(),
            "host" => {
                let host = subject.host(values).to_ascii_lowercase();
                matches_list(&host, lower.split(','))
            }
            "originalhost" => {
                let host = subject.destination.host.to_ascii_lowercase();
                matches_list(&host, lower.split(','))
            }
            "user" => {
                let user = values.first("user").unwrap_or(local_user);
                matches_list(user, patterns.split(','))
            }
            "localuser" => matches_list(local_user, patterns.split(',')),
            "tagged" => or_empty(values.first("tag"), patterns),
            // A session is what `ssh HOST` gives: a shell, and no command.
            "command" => or_empty(None, patterns),
            "sessiontype" => matches_list("shell", patterns.split(',')),
            "exec" => self.runs(subject, values, location)?,
            // They depend on the ssh that is installed, and on its view of the network.
            other => {
                return Err(ConfigError::needs_openssh(
                    format!("Match {other}"),
                    location,
                ));
            }
        })
    }

    fn runs(
        &self,
        subject: &Subject<'_>,
        values: &Values,
        location: &Location,
    ) -> Result<bool, ConfigError> {
        let invalid = |reason| ConfigError::invalid(location, format!("Match exec: {reason}"));
        let tokens = subject.tokens(values);
        let command = tokens.percent(&self.argument).map_err(invalid)?;
        let environment = subject.environment;
        let status = Command::new(environment.shell())
            .arg("-c")
            .arg(&command)
            .env_clear()
            .envs(&environment.variables)
            .current_dir(existing(&environment.directory))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .map_err(|error| invalid(format!("`{command}` cannot be run: {error}")))?;
        Ok(status.success())
    }
}

/// A directory that may be gone by the time of a reconnect.
pub(in crate::ssh) fn existing(directory: &std::path::Path) -> PathBuf {
    match directory.is_dir() {
        true => directory.to_path_buf(),
        false => PathBuf::from("/"),
    }
}

/// An empty pattern means that nothing is set.
fn or_empty(text: Option<&str>, patterns: &str) -> bool {
    match text.unwrap_or_default() {
        "" => patterns.is_empty(),
        text => matches_list(text, patterns.split(',')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Conditions, String> {
        Conditions::parse(words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[test]
    fn conditions_are_checked_before_any_is_tried() {
        assert!(parsed(&["host", "a", "exec", "true"]).is_ok());
        assert!(parsed(&["exec", "FOO=bar true", "!user=x"]).is_ok());
        assert!(parsed(&["canonical", "all"]).is_ok());
        for words in [
            &[][..],
            &["host"],
            &["host", ""],
            &["nonsense", "x"],
            &["all", "host", "a"],
        ] {
            assert!(parsed(words).is_err(), "{words:?}");
        }
        assert!(parsed(&["final"]).unwrap().want_final());
        assert!(!parsed(&["!final", "canonical"]).unwrap().want_final());
    }
}
