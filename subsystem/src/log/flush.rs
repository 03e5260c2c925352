//! Writing what is in memory to the segments, and keeping those within their bounds.

use std::io;

use super::encoding::encode_record;
use super::journal::Log;
use super::policy::{Buffering, MIN_SEGMENTS};
use super::position::Position;
use super::record::GapCause;
use super::segment::Segment;
use super::status::Trouble;

/// Bytes gathered for one write.
const BATCH: usize = 128 * 1024;
/// The disk is tried again after this long, or after a segment's worth of output.
const RETRY_MS: u64 = 10_000;
/// How often the active segment is looked at, in bytes written.
const CHECK_EVERY: usize = 256 * 1024;

impl Log {
    /// Hands what has come to the kernel, as a rule by one write: from then on it outlives this
    /// process, though not a power cut. To be called once per turn of the loop, and before the
    /// log is dropped: dropping writes nothing.
    pub fn flush(&mut self) {
        if !self.writes() || !self.is_disk_due() {
            return;
        }
        while self.unwritten < self.next() {
            if let Err(error) = self.write_batch() {
                self.give_up(error);
                return;
            }
            self.trouble = None;
        }
    }

    /// Gives back the memory of all that is on disk, for a session where nothing happens.
    pub fn shrink(&mut self) {
        self.flush();
        while self.tail.start().seq < self.unwritten.min(self.next()) {
            self.tail.pop();
        }
        self.tail.shrink();
        self.scratch = Vec::new();
    }

    fn is_disk_due(&self) -> bool {
        self.trouble.as_ref().is_none_or(|trouble| {
            // Either way: the clock may have been set back.
            self.now_ms.abs_diff(trouble.failed_ms) >= RETRY_MS
                || self.tail.end().offset >= trouble.retry_offset
        })
    }

    fn give_up(&mut self, error: io::Error) {
        if let Some(spool) = &mut self.spool {
            spool.seal();
        }
        self.trouble = Some(Trouble {
            error,
            failed_ms: self.now_ms,
            retry_offset: self
                .tail
                .end()
                .offset
                .saturating_add(self.policy.segment_bytes()),
        });
    }

    fn write_batch(&mut self) -> io::Result<()> {
        let Some(start) = self.tail.locate(self.unwritten) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let room = self.room(start)?;
        let end = self.encode_batch(start, room);
        let Some(spool) = &mut self.spool else {
            return Ok(());
        };
        if self.scratch.is_empty() {
            spool.seal();
            return Ok(());
        }
        spool.write(&self.scratch, end)?;
        self.unwritten = end.seq;
        self.unchecked += self.scratch.len();
        if self.unchecked >= CHECK_EVERY {
            self.unchecked = 0;
            // Without a name nobody can recover it: the next records go to a new one.
            if spool.check_active().is_err() {
                spool.seal();
            }
        }
        Ok(())
    }

    /// Bytes the active segment may still take; begins one if there is none.
    fn room(&mut self, start: Position) -> io::Result<Option<u64>> {
        let segment_bytes = self.policy.segment_bytes();
        if self.spool.as_ref().is_some_and(|it| it.active().is_none()) {
            self.make_room()?;
            if let Some(spool) = &mut self.spool {
                spool.begin(start)?;
            }
        }
        let active = self.spool.as_ref().and_then(|spool| spool.active());
        // An empty segment takes any record: one may be longer than a segment is meant to be.
        Ok(active
            .filter(|segment| !segment.is_empty())
            .map(|segment| segment_bytes.saturating_sub(segment.length)))
    }

    /// Encodes records from `start` on, up to a batch and to `room`; returns where they end.
    fn encode_batch(&mut self, start: Position, room: Option<u64>) -> Position {
        self.scratch.clear();
        let most = self.policy.segment_bytes();
        let mut end = start;
        for record in self.tail.from(start.seq) {
            let before = self.scratch.len();
            encode_record(record, &mut self.scratch);
            let fits = match room {
                Some(room) => self.scratch.len() as u64 <= room,
                None => before == 0 || self.scratch.len() as u64 <= most,
            };
            if !fits {
                self.scratch.truncate(before);
                break;
            }
            end = end.after(record.bytes.len());
            if self.scratch.len() >= BATCH {
                break;
            }
        }
        end
    }

    /// Makes room for another segment, within the quota and leaving the file system its reserve.
    fn make_room(&mut self) -> io::Result<()> {
        let segment_bytes = self.policy.segment_bytes();
        let most = self.policy.quota_bytes.saturating_sub(segment_bytes);
        while self.spool.as_ref().is_some_and(|spool| spool.size() > most) {
            if !self.drop_oldest() {
                break;
            }
        }
        let low = self
            .spool
            .as_ref()
            .is_some_and(|spool| spool.is_disk_low(segment_bytes));
        // On a disk nearly full the log no longer grows: it gives as much as it takes. The same
        // when the user's logs together are as large as they may be.
        let full = if low {
            "less than 5 % of the file system is free"
        } else if self.is_share_used_up(segment_bytes) {
            "the user's sessions together keep as much output as they may"
        } else {
            return Ok(());
        };
        if self.drop_oldest() {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::StorageFull, full))
    }

    fn is_share_used_up(&mut self, bytes: u64) -> bool {
        let segments = self.spool.as_ref().map_or(0, |spool| spool.segments.len());
        segments as u64 >= MIN_SEGMENTS
            && self.share.as_mut().is_some_and(|share| !share.take(bytes))
    }

    /// Drops the oldest segment that may be dropped, if there is one.
    fn drop_oldest(&mut self) -> bool {
        let block = self.policy.buffering == Buffering::Block;
        let held = &self.held;
        let Some(spool) = &mut self.spool else {
            return false;
        };
        let kept = |segment: &Segment| block && held.overlaps(segment.start, segment.end);
        let Some(at) = spool.segments.iter().position(|segment| !kept(segment)) else {
            return false;
        };
        let Some(segment) = spool.drop_at(at) else {
            return false;
        };
        self.lost.push(segment.start, segment.end, GapCause::Quota);
        true
    }
}
