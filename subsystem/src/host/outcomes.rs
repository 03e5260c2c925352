//! How invocations ended, kept beyond their records: output is dropped at the quota, but whoever
//! comes back for a command must still learn how it ended.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use outlast_protocol::id::{InvocationId, Seq};
use outlast_protocol::limits::MAX_OUTCOMES;
use outlast_protocol::record::{Gap, RecordKind};

use super::ledger::Completed;
use crate::log::{Position, Record};

/// The latest outcomes, by the numbers of their records.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    kept: BTreeMap<Seq, Completed>,
}

impl Outcomes {
    /// Keeps an outcome.
    pub(super) fn keep(&mut self, completed: Completed) {
        self.kept.insert(completed.seq, completed);
        if self.kept.len() > MAX_OUTCOMES {
            self.kept.pop_first();
        }
    }

    /// What a reader at `before` gets that read `record` and is at `behind` then, each with the
    /// place behind it: the record, or in place of a gap the outcomes in it that are `wanted`,
    /// with the gaps around them.
    pub(super) fn restore(
        &self,
        record: Record,
        before: Position,
        behind: Position,
        wanted: impl Fn(InvocationId, Seq) -> bool,
    ) -> VecDeque<(Record, Position)> {
        let RecordKind::Gap(gap) = record.kind else {
            return VecDeque::from([(record, behind)]);
        };
        let mut pieces = VecDeque::new();
        let mut at = before;
        let inside = self.kept.range(gap.first..=record.seq).map(|(_, it)| it);
        for kept in inside.filter(|kept| wanted(kept.invocation, kept.seq)) {
            // A reader that began in the middle of what was dropped knows its own place only
            // about; the outcome's is exact.
            let place = Position {
                seq: kept.seq,
                offset: kept.offset.clamp(at.offset, behind.offset.max(at.offset)),
            };
            pieces.extend(missing(&record, gap, at, place));
            at = Position {
                seq: place.seq.next(),
                ..place
            };
            let completed = Record {
                seq: place.seq,
                time_ms: kept.time_ms,
                invocation: Some(kept.invocation),
                kind: RecordKind::Completed(kept.outcome.clone()),
                bytes: Bytes::new(),
            };
            pieces.push_back((completed, at));
        }
        pieces.extend(missing(&record, gap, at, behind));
        pieces
    }
}

/// The part of a gap from `start` up to `end`, if there is anything in it.
fn missing(
    record: &Record,
    gap: Gap,
    start: Position,
    end: Position,
) -> Option<(Record, Position)> {
    (start.seq < end.seq).then(|| {
        let gap = Gap {
            first: start.seq,
            bytes: end.offset.saturating_sub(start.offset),
            ..gap
        };
        let part = Record {
            seq: Seq(end.seq.0.saturating_sub(1)),
            kind: RecordKind::Gap(gap),
            ..record.clone()
        };
        (part, end)
    })
}

#[cfg(test)]
mod tests {
    use outlast_protocol::outcome::{ExitStatus, Outcome};
    use outlast_protocol::record::GapCause;

    use super::*;

    fn id(number: u128) -> InvocationId {
        InvocationId(uuid::Uuid::from_u128(number))
    }

    fn place(seq: u64, offset: u64) -> Position {
        let seq = Seq(seq);
        Position { seq, offset }
    }

    fn gap(first: u64, last: u64, bytes: u64) -> Record {
        Record {
            seq: Seq(last),
            time_ms: 0,
            invocation: None,
            kind: RecordKind::Gap(Gap {
                first: Seq(first),
                bytes,
                cause: GapCause::Quota,
            }),
            bytes: Bytes::new(),
        }
    }

    fn completed(seq: u64, offset: u64, number: u128, code: u8) -> Completed {
        Completed {
            invocation: id(number),
            seq: Seq(seq),
            offset,
            time_ms: 0,
            outcome: Outcome::Ended(ExitStatus::Code(code)),
        }
    }

    fn shown(pieces: VecDeque<(Record, Position)>) -> Vec<String> {
        let show = |(record, behind): (Record, Position)| match record.kind {
            RecordKind::Gap(gap) => {
                assert_eq!(record.seq.next(), behind.seq);
                format!("{}-{} {}", gap.first.0, record.seq.0, gap.bytes)
            }
            RecordKind::Completed(outcome) => format!("{} {outcome:?}", record.seq.0),
            other => format!("{other:?}"),
        };
        pieces.into_iter().map(show).collect()
    }

    #[test]
    fn an_outcome_comes_out_of_a_gap_and_the_gaps_around_it_are_exact() {
        let mut outcomes = Outcomes::default();
        outcomes.keep(completed(5, 400, 1, 3));
        outcomes.keep(completed(9, 900, 2, 4));
        let of = |only: u128| {
            let record = gap(2, 9, 800);
            let wanted = move |invocation, _| invocation == id(only);
            shown(outcomes.restore(record, place(2, 100), place(10, 900), wanted))
        };
        assert_eq!(
            of(1),
            ["2-4 300", "5 Ended(Code(3))", "6-9 500"],
            "in the middle"
        );
        assert_eq!(of(2), ["2-8 800", "9 Ended(Code(4))"], "at the end");
        assert_eq!(of(3), ["2-9 800"], "not wanted");
    }

    #[test]
    fn outcomes_are_bounded() {
        let mut outcomes = Outcomes::default();
        for n in 1..=MAX_OUTCOMES as u64 + 5 {
            outcomes.keep(completed(n, 0, n.into(), 0));
        }
        assert_eq!(outcomes.kept.len(), MAX_OUTCOMES);
        assert!(!outcomes.kept.contains_key(&Seq(5)));
    }
}
