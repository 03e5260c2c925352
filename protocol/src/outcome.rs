//! How an invocation, or the shell of a session, ended.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

/// How a process ended. Death by signal is kept apart from an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitStatus {
    /// It ended by itself with this code, 0 to 255.
    Code(u8),
    /// It was killed by this signal.
    Signal(u8),
}

impl ExitStatus {
    /// The shell's number for it: the code, or 128 plus the signal.
    #[must_use]
    pub fn shell_code(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128u8.saturating_add(signal),
        }
    }

    /// Whether it is a success.
    #[must_use]
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// How an invocation ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The command ended by itself or was killed by somebody else's signal.
    Ended(ExitStatus),
    /// Its `--timeout` passed and it was stopped; what the shell then reported.
    TimedOut(ExitStatus),
    /// A client cancelled it; what the shell then reported.
    Cancelled(ExitStatus),
    /// It was cancelled while it was still queued and never ran.
    NeverRan,
    /// The shell went away under it: `exec`, `kill -9 $$`, removal of the session.
    SessionEnded(String),
    /// It could not be started: the reason.
    Failed(String),
}
