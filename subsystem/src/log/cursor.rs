//! A reader's place in a log.

use outlast_protocol::id::Seq;

use super::position::Position;
use super::reader::SegmentReader;

/// Where a reader begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// At the first record ever; a gap tells what is no longer there.
    Start,
    /// At this record; a gap tells what is no longer there. Beyond the end means at the end.
    ///
    /// Inside a range that was dropped at once, the gap's bytes are in proportion: the exact
    /// place is known only to who kept the [`Position`].
    Seq(Seq),
    /// At this position, as [`Cursor::position`] or [`super::Log::locate`] gave it.
    Position(Position),
    /// At the last so many records, or as many as there are.
    Tail(u64),
    /// At the record that has this many bytes of output from its begin to the end, as far as they
    /// are in memory.
    Bytes(u64),
}

/// A reader's place. It holds a file open while it reads old records.
pub struct Cursor {
    pub(super) position: Position,
    pub(super) segment: Option<SegmentReader>,
}

impl Cursor {
    pub(super) fn new(position: Position) -> Self {
        Self {
            position,
            segment: None,
        }
    }

    /// The next record to be read.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }
}
