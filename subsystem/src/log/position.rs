//! A place in a log: before which record, after how much output.

use outlast_protocol::id::Seq;

/// A record's number together with the output bytes in all records before it, kept or not. The
/// distance of two positions is exact even when everything between them is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The record.
    pub seq: Seq,
    /// Output bytes before it.
    pub offset: u64,
}

impl Position {
    /// Where every log begins.
    pub const START: Self = Self {
        seq: Seq::FIRST,
        offset: 0,
    };

    /// The position behind a record at this one with `bytes` of output.
    pub(super) fn after(self, bytes: usize) -> Self {
        Self {
            seq: self.seq.next(),
            offset: self.offset.saturating_add(bytes as u64),
        }
    }
}
