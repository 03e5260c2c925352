//! What there is to say about a log.

use std::io;

/// A log's state of health.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Why nothing is written to disk at present; none while it is, or is not meant to be.
    pub disk_error: Option<String>,
    /// Segment files.
    pub segments: usize,
    /// Bytes in them.
    pub disk_bytes: u64,
    /// Bytes in memory.
    pub memory_bytes: usize,
    /// Records that were lost otherwise than by the quota.
    pub lost_records: u64,
    /// Output bytes in them.
    pub lost_bytes: u64,
}

/// The disk does not take our records.
pub(super) struct Trouble {
    pub(super) error: io::Error,
    /// When it last failed.
    pub(super) failed_ms: u64,
    /// It is tried again after a while, or when that much output has come.
    pub(super) retry_offset: u64,
}
