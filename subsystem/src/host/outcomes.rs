//! How invocations ended, kept beyond their records: output is dropped at the quota, but whoever
//! comes back for a command must still learn how it ended.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use outlast_protocol::id::{InvocationId, Seq};
use outlast_protocol::limits::MAX_OUTCOMES;
use outlast_protocol::outcome::Outcome;
use outlast_protocol::record::{Gap, RecordKind};

use crate::log::{Position, Record};

#[derive(Debug)]
struct Kept {
    place: Position,
    time_ms: u64,
    invocation: InvocationId,
    outcome: Outcome,
}

/// The latest outcomes, by the numbers of their records.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    kept: BTreeMap<Seq, Kept>,
}

impl Outcomes {
    /// Keeps the outcome whose record is at `place`.
    pub(super) fn keep(
        &mut self,
        place: Position,
        time_ms: u64,
        invocation: InvocationId,
        outcome: Outcome,
    ) {
        let kept = Kept {
            place,
            time_ms,
            invocation,
            outcome,
        };
        self.kept.insert(place.seq, kept);
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
        for kept in inside.filter(|kept| wanted(kept.invocation, kept.place.seq)) {
            // A reader that began in the middle of what was dropped knows its own place only
            // about; the outcome's is exact.
            let place = Position {
                offset: kept
                    .place
                    .offset
                    .clamp(at.offset, behind.offset.max(at.offset)),
                ..kept.place
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
    use outlast_protocol::outcome::ExitStatus;
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

    fn outcome(code: u8) -> Outcome {
        Outcome::Ended(ExitStatus::Code(code))
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
        outcomes.keep(place(5, 400), 0, id(1), outcome(3));
        outcomes.keep(place(9, 900), 0, id(2), outcome(4));
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
            outcomes.keep(place(n, 0), 0, id(n.into()), outcome(0));
        }
        assert_eq!(outcomes.kept.len(), MAX_OUTCOMES);
        assert!(!outcomes.kept.contains_key(&Seq(5)));
    }
}
