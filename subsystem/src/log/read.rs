//! Reading: from memory where the record is there, else from disk, else a gap.

use std::io;

use bytes::Bytes;
use outlast_protocol::id::Seq;

use super::cursor::{Cursor, From};
use super::journal::Log;
use super::position::Position;
use super::reader::{SegmentError, SegmentReader};
use super::record::{Gap, GapCause, Record, RecordKind};
use super::segment::Mark;

/// What a segment gave a reader.
enum Found {
    Record(Record),
    /// It is longer than the reader can take now.
    TooLong,
    /// It is not there any more.
    Missing,
}

impl Log {
    /// A reader that begins at `from`.
    #[must_use]
    pub fn cursor(&self, from: From) -> Cursor {
        let end = self.tail.end();
        Cursor::new(match from {
            From::Start => Position::START,
            From::Position(position) if position.seq < end.seq => position,
            From::Seq(seq) if seq < end.seq => self.approach(seq),
            From::Position(_) | From::Seq(_) => end,
            From::Bytes(bytes) => self.tail.back(bytes),
            From::Tail(count) => {
                let seq = Seq(end.seq.0.saturating_sub(count)).max(self.first());
                self.approach(seq)
            }
        })
    }

    /// The exact position of the record `seq`, while it is there to be read. To be kept by who
    /// wants an exact gap later, should it be gone by then.
    #[must_use]
    pub fn locate(&self, seq: Seq) -> Option<Position> {
        if seq == Seq::FIRST {
            return Some(Position::START);
        }
        if let Some(position) = self.tail.locate(seq) {
            return Some(position);
        }
        let spool = self.spool.as_ref()?;
        let segment = spool.find(seq)?;
        let mark = segment.mark(seq)?;
        if mark.position.seq == seq {
            // Known without the file, which may be gone.
            return Some(mark.position);
        }
        let file = spool.open_segment(segment.start.seq).ok()?;
        let mut reader = SegmentReader::new(file, segment.start.seq, mark);
        reader.skip_to(seq, segment).ok()?;
        Some(reader.next.position)
    }

    /// Where `seq` is, or was, or, when nothing is known of it, where the next known is.
    fn approach(&self, seq: Seq) -> Position {
        let seq = seq.max(Seq::FIRST);
        let unreadable = || {
            let segment = self.spool.as_ref()?.find(seq)?;
            Some(segment.start.share(segment.end, seq))
        };
        let known = self
            .locate(seq)
            .or_else(|| self.lost.locate(seq))
            .or_else(unreadable);
        known.unwrap_or_else(|| Position {
            seq,
            offset: self.resume(seq).offset,
        })
    }

    /// The next record for this reader; none when there is none yet, or none with at most
    /// `max_bytes` of output. `max_bytes` of [`super::MAX_PAYLOAD`] fits every record. Fails
    /// only for want of descriptors or memory; what disk trouble took is a gap.
    pub fn read(&mut self, cursor: &mut Cursor, max_bytes: usize) -> io::Result<Option<Record>> {
        loop {
            if let Some(record) = self.tail.get(cursor.position.seq) {
                cursor.segment = None;
                if record.bytes.len() > max_bytes {
                    return Ok(None);
                }
                cursor.position = cursor.position.after(record.bytes.len());
                return Ok(Some(record.clone()));
            }
            if cursor.position.seq >= self.next() {
                return Ok(None);
            }
            match self.read_disk(cursor, max_bytes) {
                Ok(Found::Record(record)) => return Ok(Some(record)),
                Ok(Found::TooLong) => return Ok(None),
                Ok(Found::Missing) => return Ok(Some(self.gap(cursor))),
                Err(SegmentError::Shortage(error)) => return Err(error),
                Err(SegmentError::Damaged) => self.cut(cursor),
            }
        }
    }

    fn read_disk(&self, cursor: &mut Cursor, max_bytes: usize) -> Result<Found, SegmentError> {
        let seq = cursor.position.seq;
        let spool = self.spool.as_ref();
        let Some((spool, segment)) = spool.and_then(|it| Some((it, it.find(seq)?))) else {
            return Ok(Found::Missing);
        };
        let first = segment.start.seq;
        let at_hand =
            |reader: &SegmentReader| reader.first == first && reader.next.position.seq == seq;
        if !cursor.segment.as_ref().is_some_and(at_hand) {
            let mark = segment.mark(seq).ok_or(SegmentError::Damaged)?;
            let file = spool.open_segment(first)?;
            cursor.segment = Some(SegmentReader::new(file, first, mark));
        }
        let reader = cursor.segment.as_mut().ok_or(SegmentError::Damaged)?;
        reader.skip_to(seq, segment)?;
        let (record, length) = reader.peek(segment)?;
        if record.bytes.len() > max_bytes {
            return Ok(Found::TooLong);
        }
        reader.advance(&record, length);
        cursor.position = cursor.position.after(record.bytes.len());
        Ok(Found::Record(record))
    }

    /// Gives up what this reader found damaged: the rest of the segment it is in.
    fn cut(&mut self, cursor: &mut Cursor) {
        let seq = cursor.position.seq;
        let Some(spool) = &mut self.spool else {
            return;
        };
        let Some(segment) = spool.find(seq) else {
            return;
        };
        let first = segment.start.seq;
        let start = Mark {
            position: segment.start,
            at: 0,
        };
        let reader = cursor.segment.take().filter(|it| it.first == first);
        let good = reader.map_or(start, |reader| reader.next);
        if let Some((start, end)) = spool.cut(first, good) {
            self.lost.push(start, end, GapCause::Damaged);
        }
    }

    /// One record that stands for everything from the reader's place to where it can go on.
    fn gap(&mut self, cursor: &mut Cursor) -> Record {
        let first = cursor.position.seq;
        let resume = self.resume_sound(first);
        let bytes = resume.offset.saturating_sub(cursor.position.offset);
        cursor.position = resume;
        cursor.segment = None;
        Record {
            seq: Seq(resume.seq.0.saturating_sub(1)),
            time_ms: self.now_ms,
            invocation: None,
            kind: RecordKind::Gap(Gap {
                first,
                bytes,
                cause: self.lost.cause(first, resume.seq),
            }),
            bytes: Bytes::new(),
        }
    }

    /// Where a reader at the missing record `seq` can really go on: what lies there is looked
    /// at, so that damage side by side makes one gap.
    fn resume_sound(&mut self, seq: Seq) -> Position {
        loop {
            let mut probe = Cursor::new(self.resume(seq));
            if probe.position == self.tail.start() {
                return probe.position;
            }
            let resume = probe.position;
            match self.read_disk(&mut probe, 0) {
                Err(SegmentError::Damaged) => self.cut(&mut probe),
                Ok(_) | Err(SegmentError::Shortage(_)) => return resume,
            }
        }
    }

    /// Where, by what is known, a reader at the missing record `seq` can go on.
    fn resume(&self, seq: Seq) -> Position {
        let in_memory = self.tail.start();
        match self.spool.as_ref().and_then(|spool| spool.after(seq)) {
            Some(segment) if segment.seq < in_memory.seq => segment,
            _ => in_memory,
        }
    }
}
