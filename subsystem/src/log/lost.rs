//! What became of the records that are gone.

use std::collections::VecDeque;

use outlast_protocol::id::Seq;

use super::position::Position;
use super::record::GapCause;

/// Ranges remembered one by one; beyond, the oldest are joined.
const MAX_RANGES: usize = 1024;
/// Neighbours are joined up to this much output, so that records dropped one by one do not fill
/// the list.
const JOIN_BYTES: u64 = 64 * 1024;

/// The lost ranges, in order.
#[derive(Default)]
pub(super) struct Lost {
    ranges: VecDeque<Range>,
    /// Records lost for another reason than the quota.
    pub(super) records: u64,
    /// Output bytes in them.
    pub(super) bytes: u64,
}

#[derive(Clone, Copy)]
struct Range {
    start: Position,
    end: Position,
    cause: GapCause,
}

impl Lost {
    pub(super) fn push(&mut self, start: Position, end: Position, cause: GapCause) {
        if end.seq <= start.seq {
            return;
        }
        let range = Range { start, end, cause };
        if cause != GapCause::Quota {
            self.records += range.end.seq.0 - range.start.seq.0;
            self.bytes = self.bytes.saturating_add(range.bytes());
        }
        // Damage may be found anywhere; everything else comes in order.
        let at = self
            .ranges
            .partition_point(|other| other.start.seq < start.seq);
        if let Some(before) = at.checked_sub(1).and_then(|i| self.ranges.get_mut(i))
            && before.end.seq == start.seq
            && before.cause == cause
            && before.bytes() + range.bytes() <= JOIN_BYTES
        {
            before.end = end;
            return;
        }
        self.ranges.insert(at, range);
        if self.ranges.len() > MAX_RANGES {
            self.join_oldest();
        }
    }

    /// Why the records from `first` up to `end` are gone: the quota only if nothing worse.
    pub(super) fn cause(&self, first: Seq, end: Seq) -> GapCause {
        let from = self.ranges.partition_point(|range| range.end.seq <= first);
        self.ranges
            .range(from..)
            .take_while(|range| range.start.seq < end)
            .map(|range| range.cause)
            .find(|&cause| cause != GapCause::Quota)
            .unwrap_or(GapCause::Quota)
    }

    /// Where the lost record `seq` began: exact at the edges of what was lost at once, in between
    /// in proportion.
    pub(super) fn locate(&self, seq: Seq) -> Option<Position> {
        let range = self.find(seq)?;
        Some(range.start.share(range.end, seq))
    }

    fn find(&self, seq: Seq) -> Option<&Range> {
        let after = self.ranges.partition_point(|range| range.start.seq <= seq);
        let range = self.ranges.get(after.checked_sub(1)?)?;
        (seq < range.end.seq).then_some(range)
    }

    fn join_oldest(&mut self) {
        if let Some(first) = self.ranges.pop_front()
            && let Some(second) = self.ranges.front_mut()
            && second.start.seq == first.end.seq
        {
            second.start = first.start;
        }
    }
}

impl Range {
    fn bytes(&self) -> u64 {
        self.end.offset.saturating_sub(self.start.offset)
    }
}
