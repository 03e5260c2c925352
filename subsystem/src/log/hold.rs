//! What must not be dropped because it is still to be consumed.

use outlast_protocol::id::Seq;

use super::position::Position;

/// Ranges of records, and everything from a record on.
pub(super) struct Hold {
    /// First and last records.
    ranges: Vec<(Seq, Seq)>,
    from: Seq,
}

impl Hold {
    /// Everything.
    pub(super) const ALL: Self = Self {
        ranges: Vec::new(),
        from: Seq::FIRST,
    };

    /// These ranges, and what is yet to come, from `next` on.
    pub(super) fn new(ranges: impl IntoIterator<Item = (Seq, Seq)>, next: Seq) -> Self {
        Self {
            ranges: ranges.into_iter().collect(),
            from: next,
        }
    }

    /// Whether it has the record.
    pub(super) fn has(&self, seq: Seq) -> bool {
        let within = |&(first, last): &(Seq, Seq)| first <= seq && seq <= last;
        seq >= self.from || self.ranges.iter().any(within)
    }

    /// Whether it has any of the records from `start` up to `end`.
    pub(super) fn overlaps(&self, start: Position, end: Position) -> bool {
        let (start, end) = (start.seq, end.seq);
        let within = |&(first, last): &(Seq, Seq)| first < end && start <= last;
        end > self.from || self.ranges.iter().any(within)
    }
}
