//! Records: what a session's log is made of.

use bytes::Bytes;
use outlast_protocol::id::{InvocationId, Seq};
use outlast_protocol::outcome::Outcome;
use serde::{Deserialize, Serialize};

/// One entry of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number. A gap carries the number of the last record it stands for.
    pub seq: Seq,
    /// When it was made, in milliseconds of Unix time.
    pub time_ms: u64,
    /// The invocation it belongs to; none for what the session itself says.
    pub invocation: Option<InvocationId>,
    /// What it says.
    pub kind: RecordKind,
    /// The output; empty for every other kind.
    pub bytes: Bytes,
}

/// Which stream a piece of output came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stream {
    /// The command's standard output.
    Stdout,
    /// The command's standard error.
    Stderr,
    /// The session's terminal.
    Pty,
}

/// What a record says. Output bytes travel behind it, raw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecordKind {
    /// The invocation was handed to the shell.
    Started,
    /// Bytes of one stream.
    Output(Stream),
    /// The invocation is over. Background children may still write: output can follow.
    Completed(Outcome),
    /// Records that are gone.
    Gap(Gap),
}

/// Exactly what is missing: every record from `first` to the gap's own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The first missing record. The gap record carries the number of the last one.
    pub first: Seq,
    /// Output bytes in the missing records.
    pub bytes: u64,
    /// Why.
    pub cause: GapCause,
}

/// Why records are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GapCause {
    /// The buffering mode's quota was reached and the oldest were dropped.
    Quota,
    /// They could not be written: disk full or failing.
    Storage,
    /// They were damaged or removed after writing.
    Damaged,
}
