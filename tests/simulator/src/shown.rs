//! What the session's terminal showed, as the witness saw it, and what one visitor got of it:
//! nothing twice, nothing out of order, nothing altered, no gap without a loss.

use outlast_protocol::id::{InvocationId, Seq};
use outlast_protocol::record::RecordKind;
use outlast_subsystem::log::Record;

use crate::random::mix;
use crate::violation::{Violation, ensure};

/// Everything that was shown.
#[derive(Default)]
pub struct Shown {
    entries: Vec<Entry>,
    /// The oldest record that is still kept.
    pub first: Seq,
}

struct Entry {
    invocation: Option<InvocationId>,
    kind: RecordKind,
    length: u64,
    sum: u64,
    /// Output bytes in all records up to this one.
    upto: u64,
}

fn sum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(1, |sum, byte| mix(sum ^ u64::from(*byte)))
}

impl Shown {
    /// The terminal's log got another record.
    pub fn see(&mut self, record: &Record) -> Result<(), Violation> {
        let next = Seq(self.entries.len() as u64).next();
        ensure(record.seq == next, || {
            format!("the terminal's log went from {next:?} to {:?}", record.seq)
        })?;
        let length = record.bytes.len() as u64;
        self.entries.push(Entry {
            invocation: record.invocation,
            kind: record.kind.clone(),
            length,
            sum: sum(&record.bytes),
            upto: self.upto(self.entries.len()).saturating_add(length),
        });
        Ok(())
    }

    /// Output bytes in the first `count` records.
    fn upto(&self, count: usize) -> u64 {
        let last = count.checked_sub(1).and_then(|at| self.entries.get(at));
        last.map_or(0, |entry| entry.upto)
    }

    fn bytes_in(&self, first: Seq, last: Seq) -> u64 {
        let count = |seq: u64| usize::try_from(seq).unwrap_or(usize::MAX);
        self.upto(count(last.0))
            .saturating_sub(self.upto(count(first.0.saturating_sub(1))))
    }

    fn verify(
        &self,
        seq: Seq,
        invocation: Option<InvocationId>,
        kind: &RecordKind,
        bytes: &[u8],
    ) -> Result<(), Violation> {
        let at = seq.0.checked_sub(1).and_then(|at| usize::try_from(at).ok());
        let same = at.and_then(|at| self.entries.get(at)).is_some_and(|entry| {
            entry.invocation == invocation
                && entry.kind == *kind
                && entry.length == bytes.len() as u64
                && entry.sum == sum(bytes)
        });
        ensure(same, || {
            format!("{seq:?} of the terminal came as another: {kind:?}")
        })
    }
}

/// What one visitor got.
#[derive(Debug, Default)]
pub struct Screen {
    covered: Option<Seq>,
}

impl Screen {
    /// It got a record. `again` is whether it lost a mux: what comes again then is passed over.
    /// Returns whether it is new.
    pub fn deliver(
        &mut self,
        shown: &Shown,
        record: (Seq, Option<InvocationId>, &RecordKind, &[u8]),
        again: bool,
    ) -> Result<bool, Violation> {
        let (seq, invocation, kind, bytes) = record;
        let Some(covered) = self.covered.replace(seq) else {
            // It begins somewhere before the end.
            return match kind {
                RecordKind::Gap(_) => Ok(true),
                _ => shown.verify(seq, invocation, kind, bytes).map(|()| true),
            };
        };
        if seq <= covered && again {
            self.covered = Some(covered);
            return Ok(false);
        }
        let first = match kind {
            RecordKind::Gap(gap) => gap.first,
            _ => seq,
        };
        ensure(first == covered.next(), || {
            format!("no duplicate, prefix: {first:?} of the terminal came behind {covered:?}")
        })?;
        if let RecordKind::Gap(gap) = kind {
            let bytes = shown.bytes_in(first, seq);
            ensure(seq < shown.first && gap.bytes == bytes, || {
                format!("gap ⇔ loss: {gap:?} to {seq:?} of the terminal, where {bytes} are lost")
            })?;
        } else {
            shown.verify(seq, invocation, kind, bytes)?;
        }
        Ok(true)
    }
}
