//! The most recent records, in memory: what live readers are served from.

use std::collections::VecDeque;

use outlast_protocol::id::Seq;

use super::position::Position;
use super::record::Record;

/// Records with consecutive numbers, up to the end of the log.
pub(super) struct Tail {
    entries: VecDeque<Entry>,
    cost: usize,
    end: Position,
}

struct Entry {
    record: Record,
    offset: u64,
}

impl Tail {
    pub(super) fn new(end: Position) -> Self {
        Self {
            entries: VecDeque::new(),
            cost: 0,
            end,
        }
    }

    /// The position behind the last record.
    pub(super) fn end(&self) -> Position {
        self.end
    }

    /// The position of the first record here; the end if there is none.
    pub(super) fn start(&self) -> Position {
        self.entries.front().map_or(self.end, Entry::position)
    }

    /// Memory taken.
    pub(super) fn cost(&self) -> usize {
        self.cost
    }

    pub(super) fn push(&mut self, record: Record) {
        let offset = self.end.offset;
        self.end = self.end.after(record.bytes.len());
        let entry = Entry { record, offset };
        self.cost += entry.cost();
        self.entries.push_back(entry);
    }

    /// Drops the first record.
    pub(super) fn pop(&mut self) -> Option<Record> {
        let entry = self.entries.pop_front()?;
        self.cost -= entry.cost();
        Some(entry.record)
    }

    /// Gives back the room of dropped records.
    pub(super) fn shrink(&mut self) {
        self.entries.shrink_to_fit();
    }

    pub(super) fn get(&self, seq: Seq) -> Option<&Record> {
        Some(&self.entry(seq)?.record)
    }

    /// Where the record `seq` begins, if it is here or is the next to come.
    pub(super) fn locate(&self, seq: Seq) -> Option<Position> {
        if seq == self.end.seq {
            return Some(self.end);
        }
        Some(self.entry(seq)?.position())
    }

    /// Where the last `bytes` of output begin, in whole records; those without output which stand
    /// there are part of it.
    pub(super) fn back(&self, bytes: u64) -> Position {
        let wanted = self.end.offset.saturating_sub(bytes);
        let first = self.entries.partition_point(|entry| {
            let end = entry.offset.saturating_add(entry.record.bytes.len() as u64);
            entry.offset < wanted && end <= wanted
        });
        self.entries.get(first).map_or(self.end, Entry::position)
    }

    /// The records from `seq` on.
    pub(super) fn from(&self, seq: Seq) -> impl Iterator<Item = &Record> {
        let skip = self.index(seq).unwrap_or(0).min(self.entries.len());
        self.entries.range(skip..).map(|entry| &entry.record)
    }

    /// Memory taken by those of the records from `seq` on that are meant.
    pub(super) fn cost_of(&self, seq: Seq, meant: impl Fn(Seq) -> bool) -> usize {
        let skip = self.index(seq).unwrap_or(0).min(self.entries.len());
        let entries = self.entries.range(skip..);
        let meant = entries.filter(|entry| meant(entry.record.seq));
        meant.map(Entry::cost).sum()
    }

    fn entry(&self, seq: Seq) -> Option<&Entry> {
        self.entries.get(self.index(seq)?)
    }

    fn index(&self, seq: Seq) -> Option<usize> {
        let index = seq.0.checked_sub(self.start().seq.0)?;
        usize::try_from(index).ok()
    }
}

impl Entry {
    fn position(&self) -> Position {
        Position {
            seq: self.record.seq,
            offset: self.offset,
        }
    }

    fn cost(&self) -> usize {
        size_of::<Self>() + self.record.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use outlast_protocol::record::RecordKind;

    use super::*;

    #[test]
    fn what_stands_right_before_the_output_is_part_of_it() {
        let mut tail = Tail::new(Position::START);
        for (bytes, seq) in ["", "", "abc", "", "de", ""].into_iter().zip(1..) {
            tail.push(Record {
                seq: Seq(seq),
                time_ms: 0,
                invocation: None,
                kind: RecordKind::Started,
                bytes: Bytes::from_static(bytes.as_bytes()),
            });
        }
        for (bytes, first) in [(0, 6), (1, 5), (2, 4), (3, 3), (5, 1), (9, 1)] {
            assert_eq!(tail.back(bytes).seq, Seq(first), "the last {bytes} bytes");
        }
    }
}
