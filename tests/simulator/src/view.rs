//! What one consumer has got of a log, held against the ledger: nothing twice, nothing out of
//! order, nothing missing without a gap, no gap without a loss.

use outlast_protocol::id::{InvocationId, Seq};
use outlast_protocol::record::{Gap, GapCause, RecordKind};

use crate::ledger::Ledger;
use crate::violation::{Violation, ensure};

/// What the log may lose, in this world and so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Losses {
    /// Records below this number may be gone for want of room.
    pub dropped_below: Seq,
    /// But not what nobody has received: the command waits instead.
    pub keeps_unread: bool,
    /// The disk has failed or lost something.
    pub disk_failed: bool,
}

/// A consumer's view.
#[derive(Clone, Debug)]
pub struct View {
    only: Option<InvocationId>,
    /// Everything up to here was delivered, is a gap, or is not for this consumer.
    covered: Seq,
    /// Output bytes that gaps told as lost.
    pub missing: u64,
}

impl View {
    /// A consumer of all records behind `covered`, or only of those of one invocation.
    #[must_use]
    pub fn new(covered: Seq, only: Option<InvocationId>) -> Self {
        Self {
            only,
            covered,
            missing: 0,
        }
    }

    /// Up to where it has got everything.
    #[must_use]
    pub fn covered(&self) -> Seq {
        self.covered
    }

    /// It got a record. `known` says what it need not get.
    pub fn deliver(
        &mut self,
        ledger: &Ledger,
        losses: Losses,
        record: (Seq, Option<InvocationId>, &RecordKind, &[u8]),
        known: &dyn Fn(Seq) -> bool,
    ) -> Result<(), Violation> {
        let (seq, invocation, kind, bytes) = record;
        ensure(seq > self.covered, || {
            format!(
                "no duplicate, no reorder: {seq:?} came behind {:?}",
                self.covered
            )
        })?;
        let first = match kind {
            RecordKind::Gap(gap) => gap.first,
            _ => seq,
        };
        self.missed_none(ledger, first, known)?;
        if let RecordKind::Gap(gap) = kind {
            self.gap(ledger, losses, gap, seq)?;
        } else {
            if let Some(only) = self.only {
                ensure(invocation == Some(only), || {
                    format!("{seq:?} is of another command than was asked for")
                })?;
            }
            ledger.verify(seq, invocation, kind, bytes)?;
        }
        self.covered = seq;
        Ok(())
    }

    /// There is nothing more up to `last`.
    pub fn finish(
        &mut self,
        ledger: &Ledger,
        last: Seq,
        known: &dyn Fn(Seq) -> bool,
    ) -> Result<(), Violation> {
        self.missed_none(ledger, last.next(), known)?;
        self.covered = self.covered.max(last);
        Ok(())
    }

    fn missed_none(
        &self,
        ledger: &Ledger,
        before: Seq,
        known: &dyn Fn(Seq) -> bool,
    ) -> Result<(), Violation> {
        let mut at = self.covered;
        while let Some(due) = ledger.due_after(at, self.only).filter(|due| *due < before) {
            ensure(known(due), || {
                format!("prefix: {due:?} never came, {before:?} did, and no gap tells of it")
            })?;
            at = due;
        }
        Ok(())
    }

    fn gap(
        &mut self,
        ledger: &Ledger,
        losses: Losses,
        gap: &Gap,
        last: Seq,
    ) -> Result<(), Violation> {
        ensure(
            self.covered < gap.first && gap.first <= last && last < ledger.next(),
            || {
                format!(
                    "a gap from {:?} to {last:?} behind {:?}",
                    gap.first, self.covered
                )
            },
        )?;
        let bytes = ledger.bytes_in(gap.first, last);
        ensure(gap.bytes == bytes, || {
            format!(
                "gap ⇔ loss: {:?} to {last:?} is told as {} bytes and has {bytes}",
                gap.first, gap.bytes
            )
        })?;
        let mut range = (gap.first.0..=last.0).map(Seq);
        let unread = losses.keeps_unread && range.any(|seq| !ledger.is_consumed(seq));
        let lawful = match gap.cause {
            GapCause::Quota if losses.keeps_unread => !unread || losses.disk_failed,
            GapCause::Quota => last < losses.dropped_below,
            GapCause::Storage | GapCause::Damaged => losses.disk_failed,
        };
        ensure(lawful, || {
            format!("gap ⇔ loss: {gap:?} to {last:?}, but nothing was lost ({losses:?})")
        })?;
        self.missing = self.missing.saturating_add(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use outlast_protocol::record::Stream;
    use outlast_subsystem::log::Record;
    use uuid::Uuid;

    use super::*;
    use crate::pattern::Pattern;

    fn ledger() -> (Ledger, InvocationId) {
        let id = InvocationId(Uuid::from_u128(1));
        let mut ledger = Ledger::default();
        ledger.asked(id, 7, 0);
        let output = RecordKind::Output(Stream::Stdout);
        let pattern = Pattern::new(7, 1);
        let records = [
            (RecordKind::Started, Bytes::new()),
            (output.clone(), Bytes::from(pattern.bytes(0, 5))),
            (output, Bytes::from(pattern.bytes(5, 5))),
        ];
        for (kind, bytes) in records {
            let record = Record {
                seq: ledger.next(),
                time_ms: 0,
                invocation: Some(id),
                kind,
                bytes,
            };
            assert_eq!(ledger.see(&record), Ok(()));
        }
        (ledger, id)
    }

    fn output(view: &mut View, seq: u64, offset: u64) -> Result<(), Violation> {
        let (ledger, id) = ledger();
        let kind = RecordKind::Output(Stream::Stdout);
        let bytes = Pattern::new(7, 1).bytes(offset, 5);
        let record = (Seq(seq), Some(id), &kind, &bytes[..]);
        view.deliver(&ledger, Losses::default(), record, &|_| false)
    }

    #[test]
    fn repeated_missing_reordered_and_altered_records_are_seen() {
        let mut view = View::new(Seq(1), None);
        assert!(output(&mut view.clone(), 3, 5).is_err(), "2 is missing");
        assert!(output(&mut view.clone(), 2, 5).is_err(), "not its bytes");
        assert_eq!(output(&mut view, 2, 0), Ok(()));
        assert!(output(&mut view.clone(), 2, 0).is_err(), "twice");
        assert_eq!(output(&mut view, 3, 5), Ok(()));
        assert!(output(&mut view.clone(), 4, 10).is_err(), "invented");
    }

    #[test]
    fn a_gap_must_be_exact_and_lawful() {
        let (ledger, _) = ledger();
        let gap = |bytes, cause| {
            let gap = Gap {
                first: Seq(2),
                bytes,
                cause,
            };
            let losses = Losses {
                dropped_below: Seq(3),
                keeps_unread: false,
                disk_failed: false,
            };
            let kind = RecordKind::Gap(gap);
            let mut view = View::new(Seq(1), None);
            view.deliver(&ledger, losses, (Seq(2), None, &kind, b""), &|_| false)
        };
        assert_eq!(gap(5, GapCause::Quota), Ok(()));
        assert!(gap(4, GapCause::Quota).is_err());
        assert!(gap(5, GapCause::Damaged).is_err());
    }
}
