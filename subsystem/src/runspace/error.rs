//! Why a runspace could not be opened, or an invocation not be started.

use std::io;

use outlast_protocol::outcome::ExitStatus;

/// What went wrong while the shell started.
#[derive(Debug, thiserror::Error)]
pub enum OpenFailure {
    #[error("cannot prepare its directory: {0}")]
    Directory(#[source] io::Error),
    #[error("cannot open a terminal: {0}")]
    Terminal(#[source] io::Error),
    #[error("cannot start {shell}: {source}")]
    Spawn {
        shell: &'static str,
        source: io::Error,
    },
    #[error("{shell} is not installed here (package {package})")]
    Missing {
        shell: &'static str,
        package: &'static str,
    },
    #[error("it ended with {0} in the user's own startup files")]
    Ended(ExitStatus),
    #[error(
        "the user's own startup files did not finish within {0} s (do they wait for input, or run another shell?)"
    )]
    TimedOut(u64),
    #[error("lost track of it: {0}")]
    Watch(#[source] io::Error),
}

/// The shell did not open. `terminal` is the tail of what it printed meanwhile, to be shown.
#[derive(Debug, thiserror::Error)]
#[error("the shell did not open: {failure}")]
pub struct OpenError {
    #[source]
    pub failure: OpenFailure,
    pub terminal: Vec<u8>,
}

impl From<OpenFailure> for OpenError {
    fn from(failure: OpenFailure) -> Self {
        Self {
            failure,
            terminal: Vec::new(),
        }
    }
}

/// The invocation did not start. The runspace is as usable as before.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("invocation {0} is still running")]
    Busy(u64),
    #[error("the shell has ended")]
    Ended,
    #[error("a command needs at least one word")]
    NoCommand,
    #[error("a word of a command cannot contain a NUL byte")]
    Nul,
    #[error("{0:?} is not the name of a variable")]
    Name(String),
    #[error("somebody's command has the shell's terminal")]
    Visited,
    #[error("cannot write {what}: {source}")]
    Directory {
        what: &'static str,
        source: io::Error,
    },
}
