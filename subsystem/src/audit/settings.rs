//! What is written down and where to, as sshd's `Subsystem` line says: users cannot change that.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

const POLICY: &[u8] = b"--audit=";
const SOCKET: &[u8] = b"--audit-socket=";
/// Where every syslog listens.
const DEV_LOG: &str = "/dev/log";

/// What is written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Nothing.
    Off,
    /// What happened, and not which commands.
    #[default]
    Events,
    /// The text of commands too.
    Commands,
}

/// What is written down, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What is written down.
    pub policy: Policy,
    /// The socket that takes the lines.
    pub socket: PathBuf,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            socket: DEV_LOG.into(),
        }
    }
}

impl Settings {
    /// Those that write nothing.
    #[must_use]
    pub fn off() -> Self {
        Self {
            policy: Policy::Off,
            ..Self::default()
        }
    }

    /// Takes its options out of a command line.
    ///
    /// # Errors
    ///
    /// In words, if one of them has no meaning.
    pub fn take(arguments: &mut Vec<OsString>) -> Result<Self, String> {
        let mut settings = Self::default();
        let mut wrong = None;
        arguments.retain(|argument| {
            let bytes = argument.as_bytes();
            let meant = if let Some(policy) = bytes.strip_prefix(POLICY) {
                settings.set_policy(policy)
            } else if let Some(path) = bytes.strip_prefix(SOCKET) {
                settings.socket = OsStr::from_bytes(path).into();
                let absolute = settings.socket.is_absolute();
                absolute.then_some(()).ok_or("an absolute path")
            } else {
                return true;
            };
            if let Err(needed) = meant {
                wrong = Some(format!("{}: {needed} is needed", argument.display()));
            }
            false
        });
        wrong.map_or(Ok(settings), Err)
    }

    fn set_policy(&mut self, name: &[u8]) -> Result<(), &'static str> {
        self.policy = match name {
            b"off" => Policy::Off,
            b"events" => Policy::Events,
            b"commands" => Policy::Commands,
            _ => return Err("one of off, events and commands"),
        };
        Ok(())
    }

    /// The same as options, for a process that is started.
    #[must_use]
    pub fn options(&self) -> [OsString; 2] {
        let policy: &[u8] = match self.policy {
            Policy::Off => b"off",
            Policy::Events => b"events",
            Policy::Commands => b"commands",
        };
        let socket = self.socket.as_os_str().as_bytes();
        [
            OsString::from_vec([POLICY, policy].concat()),
            OsString::from_vec([SOCKET, socket].concat()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(words: &[&str]) -> (Result<Settings, String>, Vec<OsString>) {
        let mut arguments = words.iter().map(OsString::from).collect();
        let settings = Settings::take(&mut arguments);
        (settings, arguments)
    }

    #[test]
    fn options_are_found_wherever_they_stand_and_the_rest_stays() {
        let (settings, rest) = taken(&["host", "--audit=commands", "x", "--audit-socket=/a b"]);
        let settings = settings.unwrap();
        assert_eq!(settings.policy, Policy::Commands);
        assert_eq!(settings.socket, PathBuf::from("/a b"));
        assert_eq!(rest, ["host", "x"]);
        let mut again = settings.options().to_vec();
        assert_eq!(Settings::take(&mut again), Ok(settings));
        assert!(again.is_empty());
    }

    #[test]
    fn without_options_events_go_to_the_systems_log() {
        let (settings, rest) = taken(&["--help"]);
        let expected = Settings {
            policy: Policy::Events,
            socket: "/dev/log".into(),
        };
        assert_eq!(settings, Ok(expected));
        assert_eq!(rest, ["--help"]);
    }

    #[test]
    fn what_has_no_meaning_is_named() {
        for (word, said) in [
            ("--audit=all", "off, events and commands"),
            ("--audit=", "off, events and commands"),
            ("--audit-socket=log", "an absolute path"),
        ] {
            let error = taken(&[word]).0.unwrap_err();
            assert!(error.contains(word) && error.contains(said), "{error}");
        }
    }
}
