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

    /// Where `seq`, between this position and `end`, lies if every record between has the same
    /// share of the output.
    pub(super) fn share(self, end: Self, seq: Seq) -> Self {
        let records = u128::from(end.seq.0.saturating_sub(self.seq.0));
        let before = u128::from(seq.0.saturating_sub(self.seq.0));
        let bytes = u128::from(end.offset.saturating_sub(self.offset));
        let share = u64::try_from(bytes * before / records.max(1)).unwrap_or(u64::MAX);
        Self {
            seq,
            offset: self.offset.saturating_add(share).min(end.offset),
        }
    }
}
