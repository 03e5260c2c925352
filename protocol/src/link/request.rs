//! The words requests are made of.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::id::Seq;

/// The size of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    /// Characters in a line.
    pub columns: u16,
    /// Lines.
    pub rows: u16,
}

/// Which of a session's two logs a reader reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// What invocations were and said.
    Log,
    /// What the session's terminal showed lately, and visits to it.
    Terminal,
}

/// How a client wants to hold a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttachMode {
    /// As its only writer; refused while another client holds it.
    Connect,
    /// As its only writer, taking it from whoever holds it.
    Steal,
    /// Only to look.
    ReadOnly,
}

/// What the body of a [`crate::link::to_host::Submit`] is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Script text, evaluated in the shell's own scope.
    Script,
    /// The text of a script file with this name, evaluated with the arguments as `$1…`.
    File(String),
    /// An argument vector that no shell reinterprets.
    Argv,
    /// No command but a visit to the shell's own prompt, until it is left.
    Visit,
}

/// Where a reader starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum From {
    /// At the first record there ever was; if it is gone, a gap comes first.
    Start,
    /// At this record; if it is gone, a gap comes first.
    Seq(Seq),
    /// This many records before the end.
    Tail(u64),
    /// At the record that has this many bytes of output from its begin to the end, as far as they
    /// are in memory.
    Bytes(u64),
}

/// How hard to stop an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Level {
    /// As Ctrl-C does.
    Interrupt,
    /// SIGTERM to everything it runs.
    Terminate,
    /// SIGKILL to everything it runs.
    Kill,
}
