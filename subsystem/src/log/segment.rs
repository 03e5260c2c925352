//! What is known of one segment file without opening it.

use outlast_protocol::id::Seq;

use super::header::{HEADER, Header};
use super::position::Position;

/// Distance of the marks in a segment: how much is read at most to find a record.
pub(super) const MARK_EVERY: u64 = 64 * 1024;

/// A segment file: consecutive records from `start` up to `end`.
pub(super) struct Segment {
    pub(super) start: Position,
    pub(super) end: Position,
    /// Bytes of the file that are good.
    pub(super) length: u64,
    /// Bytes of the file that count against the quota.
    pub(super) size: u64,
    marks: Vec<Mark>,
}

/// A place in a segment's file.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    pub(super) position: Position,
    pub(super) at: u64,
}

impl Segment {
    pub(super) fn new(header: Header) -> Self {
        let start = Position {
            seq: header.first,
            offset: header.offset,
        };
        let length = HEADER as u64;
        Self {
            start,
            end: start,
            length,
            size: length,
            marks: vec![Mark {
                position: start,
                at: length,
            }],
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.end.seq == self.start.seq
    }

    pub(super) fn contains(&self, seq: Seq) -> bool {
        self.start.seq <= seq && seq < self.end.seq
    }

    /// Notes that records up to `end`, `bytes` in the file, were written.
    pub(super) fn extend(&mut self, end: Position, bytes: usize) {
        let last = self.marks.last().map_or(0, |mark| mark.at);
        if self.length - last >= MARK_EVERY {
            self.marks.push(Mark {
                position: self.end,
                at: self.length,
            });
        }
        self.end = end;
        self.length += bytes as u64;
        self.size = self.length;
    }

    /// The last mark that is not behind `seq`.
    pub(super) fn mark(&self, seq: Seq) -> Option<Mark> {
        let after = self.marks.partition_point(|mark| mark.position.seq <= seq);
        self.marks.get(after.checked_sub(1)?).copied()
    }

    /// Gives up everything from `mark` on.
    pub(super) fn cut(&mut self, mark: Mark) {
        self.end = mark.position;
        self.length = mark.at;
        self.marks.retain(|kept| kept.at <= mark.at);
    }
}
