//! The `ssh` on the PATH, and what every call of it begins with.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::ssh::Environment;
use crate::ssh::config::existing;

/// The longest name of a socket that a master makes: it adds 17 bytes while it does, and the whole
/// has to fit into the address of a socket (108 bytes with the zero behind it).
const LONGEST: usize = 107 - 17;

/// How to call it.
#[derive(Clone, Debug)]
pub(super) struct Program {
    path: PathBuf,
    environment: Environment,
    /// Where our control sockets are: the place a call to a master works in, so that their names
    /// are short enough for a socket however long the path is.
    directory: PathBuf,
}

impl Program {
    /// None where there is no `ssh`.
    pub(super) fn find(environment: &Environment, directory: &Path) -> Option<Self> {
        Some(Self {
            path: environment.program("ssh")?,
            environment: environment.clone(),
            directory: directory.to_owned(),
        })
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// A call that reads the configuration: relative names start from where the command was typed.
    pub(super) fn call_for_caller(&self) -> Command {
        let mut command = self.call();
        command.current_dir(existing(&self.environment.directory));
        command
    }

    /// The call of an ssh that listens on a socket of ours. Where the directory's name is too long,
    /// it works there and not where the command was typed.
    pub(super) fn call_to_listen(&self, socket: &str) -> Command {
        let whole = self.directory.join(socket);
        match whole.to_str().filter(|whole| whole.len() <= LONGEST) {
            Some(whole) => {
                let mut command = self.call_for_caller();
                command.args(["-S", &literal(whole)]);
                command
            }
            None => {
                let mut command = self.call();
                command.args(["-S", socket]);
                command
            }
        }
    }

    /// A call with nothing to read and nothing to say. It ends with whoever waits for it, and has
    /// no terminal: the mux has none, and is the leader of its session.
    pub(super) fn call(&self) -> Command {
        let mut command = Command::new(&self.path);
        command
            .env_clear()
            .envs(&self.environment.variables)
            .current_dir(&self.directory)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// A call that only speaks to a master: no configuration, no keys, no network.
    pub(super) fn call_master(&self, socket: &str) -> Command {
        let mut command = self.call();
        command
            .args(["-F", "none", "-T", "-S", &literal(socket)])
            .args(["-o", "ControlMaster=no"])
            // Without the master it would dial, and ask.
            .args(["-o", "ProxyCommand=false"])
            .env("SHELL", "/bin/sh");
        command
    }
}

/// The name of a socket for an option that has tokens replaced in it.
fn literal(socket: &str) -> String {
    socket.replace('%', "%%")
}
