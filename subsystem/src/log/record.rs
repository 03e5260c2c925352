//! Records: what a session's log is made of.

use bytes::Bytes;
use outlast_protocol::id::{InvocationId, Seq};
pub use outlast_protocol::record::{Gap, GapCause, RecordKind, Stream};

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
