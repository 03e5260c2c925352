//! What carries links to a computer: an SSH connection of our own, or one that an `ssh` holds.

use outlast_protocol::control::session::Hop;

use super::transport::{Diagnose, Stream};
use crate::ssh::{Connection, Description, LastWords, Master, MasterWords, OpenError};

pub(super) const SUBSYSTEM: &str = "outlast";
pub(super) const PROGRAM: &str = "outlast-subsystem";
/// Looks for the program where there is no subsystem: on the PATH, then where `outlast install` puts it,
/// which the PATH of a command without a login need not have. Every login shell takes it, also one
/// that is no POSIX shell.
pub(super) const FALLBACK: &str = "sh -c 'command -v outlast-subsystem >/dev/null && exec outlast-subsystem; \
    for d in \"$HOME/.local/bin\" /usr/lib/outlast; do \
    [ -x \"$d/outlast-subsystem\" ] && exec \"$d/outlast-subsystem\"; done; exec outlast-subsystem'";

/// What a channel is to be for.
#[derive(Clone, Copy)]
pub(super) enum Purpose<'a> {
    /// The remote end.
    Link,
    /// A command.
    Command(&'a str),
}

/// What the other end of a channel says besides its output.
pub(super) enum Words {
    Native(LastWords),
    OpenSsh(MasterWords),
}

impl Words {
    /// In words; empty if there is nothing to tell.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Native(words) => words.text(),
            Self::OpenSsh(words) => words.text(),
        }
    }

    /// The status that it ended with, if it is known.
    pub(super) fn status(&self) -> Option<u32> {
        match self {
            Self::Native(words) => words.status(),
            Self::OpenSsh(words) => words.status(),
        }
    }
}

impl From<Words> for Diagnose {
    fn from(words: Words) -> Self {
        Box::new(move || words.text())
    }
}

pub(super) enum Carrier {
    Native(Connection),
    OpenSsh(Master),
}

impl Carrier {
    /// Opens a channel.
    pub(super) async fn open(&self, purpose: Purpose<'_>) -> Result<(Stream, Words), OpenError> {
        Ok(match self {
            Self::Native(connection) => {
                let link = match purpose {
                    Purpose::Link => connection.open_link(SUBSYSTEM, FALLBACK).await?,
                    Purpose::Command(command) => connection.open_command(command).await?,
                };
                let words = Words::Native(link.last_words());
                (Box::new(link), words)
            }
            Self::OpenSsh(master) => {
                let link = match purpose {
                    Purpose::Link => master.open_link(SUBSYSTEM, FALLBACK).await?,
                    Purpose::Command(command) => master.open_command(command).await?,
                };
                let words = Words::OpenSsh(link.last_words());
                (Box::new(link), words)
            }
        })
    }

    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Native(connection) => connection.is_closed(),
            Self::OpenSsh(master) => master.is_closed(),
        }
    }

    /// Whether the user's own ssh holds it.
    pub(super) fn is_of_user(&self) -> bool {
        matches!(self, Self::OpenSsh(master) if master.is_of_user())
    }

    /// What was negotiated, for people.
    pub(super) fn words(&self) -> String {
        let agreed =
            |about: Description| format!("{} {} {}", about.server, about.kex, about.cipher);
        match self {
            Self::Native(connection) => agreed(connection.description()),
            Self::OpenSsh(master) if master.is_of_user() => {
                "over ssh's own control master".to_owned()
            }
            Self::OpenSsh(master) => format!("over ssh: {}", agreed(master.description())),
        }
    }

    /// The connection and those it goes through, the nearest first. By which way the user's own ssh
    /// goes is not known.
    pub(super) fn route(&self) -> Vec<Hop> {
        match self {
            Self::Native(connection) => route(connection),
            Self::OpenSsh(master) => {
                let legs = master.route().into_iter();
                legs.map(|leg| hop(leg.host, leg.port, leg.user, leg.description))
                    .collect()
            }
        }
    }

    /// Ends what outlives this process otherwise.
    pub(super) async fn end(&self) {
        if let Self::OpenSsh(master) = self {
            master.end().await;
        }
    }
}

/// The connection and those it goes through, the nearest first.
pub(super) fn route(connection: &Connection) -> Vec<Hop> {
    let mut hops = Vec::new();
    let mut next = Some(connection);
    while let Some(connection) = next {
        let (host, user) = (connection.host().to_owned(), connection.user().to_owned());
        hops.push(hop(host, connection.port(), user, connection.description()));
        next = connection.via();
    }
    hops.reverse();
    hops
}

fn hop(host: String, port: u16, user: String, about: Description) -> Hop {
    Hop {
        host,
        port,
        user,
        server: about.server,
        kex: about.kex,
        cipher: about.cipher,
        mac: about.mac,
        host_key: about.host_key,
        strict_kex: about.strict_kex,
        authentication: about.accepted.methods,
        key: about.accepted.key,
        weaker: about.weaker,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::process::Command;

    use super::FALLBACK;

    fn program(directory: &Path, says: &str) {
        fs::create_dir_all(directory).unwrap();
        let path = directory.join("outlast-subsystem");
        fs::write(&path, format!("#!/bin/sh\necho {says}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn the_program_is_found_on_the_path_and_where_it_is_installed() {
        for shell in ["sh", "bash", "dash", "zsh"] {
            let home = tempfile::Builder::new()
                .prefix("a home ")
                .tempdir()
                .unwrap();
            let path = home.path().join("on the path");
            let run = || {
                let mut command = Command::new(shell);
                command.args(["-c", FALLBACK]).env("HOME", home.path());
                command.env("PATH", format!("{}:/usr/bin:/bin", path.display()));
                command.output().unwrap()
            };
            if !Path::new("/usr/lib/outlast/outlast-subsystem").exists() {
                let absent = run();
                assert_eq!(absent.status.code(), Some(127), "{shell}");
                let said = String::from_utf8_lossy(&absent.stderr);
                assert!(said.contains("outlast-subsystem: not found"), "{said}");
            }
            program(&home.path().join(".local/bin"), "installed");
            assert_eq!(run().stdout, b"installed\n", "{shell}");
            program(&path, "on the path");
            assert_eq!(run().stdout, b"on the path\n", "{shell}");
        }
    }
}
