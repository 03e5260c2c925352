//! Sequential reading of one segment file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use outlast_protocol::id::Seq;

use super::encoding::{DecodeError, decode_record};
use super::record::Record;
use super::segment::{Mark, Segment};

/// Bytes read at once; more than a record can have.
const READ: usize = 128 * 1024;

/// An open segment and the next record in it.
pub(super) struct SegmentReader {
    file: File,
    /// The segment's first number, its name.
    pub(super) first: Seq,
    /// The next record: where everything before it was good.
    pub(super) next: Mark,
    /// Bytes of the file from `next.at` on, behind the ones already used.
    buffer: Vec<u8>,
    used: usize,
}

/// Why a segment gives no record.
#[derive(Debug)]
pub(super) enum SegmentError {
    /// The rest of the segment is not what was written, or not there.
    Damaged,
    /// We are short of something; another time it may work.
    Shortage(io::Error),
}

impl SegmentReader {
    pub(super) fn new(file: File, first: Seq, next: Mark) -> Self {
        Self {
            file,
            first,
            next,
            buffer: Vec::new(),
            used: 0,
        }
    }

    /// Skips to the record `seq`, which `segment` has.
    pub(super) fn skip_to(&mut self, seq: Seq, segment: &Segment) -> Result<(), SegmentError> {
        while self.next.position.seq < seq {
            let (record, length) = self.peek(segment)?;
            self.advance(&record, length);
        }
        Ok(())
    }

    /// The next record and its length in the file.
    pub(super) fn peek(&mut self, segment: &Segment) -> Result<(Record, usize), SegmentError> {
        loop {
            match decode_record(self.buffer.get(self.used..).unwrap_or_default()) {
                Ok((record, _)) if record.seq != self.next.position.seq => {
                    return Err(SegmentError::Damaged);
                }
                Ok(found) => return Ok(found),
                Err(DecodeError::Corrupt) => return Err(SegmentError::Damaged),
                Err(DecodeError::Torn) => self.fill(segment)?,
            }
        }
    }

    /// Goes behind the record `peek` gave.
    pub(super) fn advance(&mut self, record: &Record, length: usize) {
        self.used += length;
        self.next.at += length as u64;
        self.next.position = self.next.position.after(record.bytes.len());
    }

    fn fill(&mut self, segment: &Segment) -> Result<(), SegmentError> {
        self.buffer.drain(..self.used.min(self.buffer.len()));
        self.used = 0;
        let have = self.buffer.len();
        let at = self.next.at + have as u64;
        let left = usize::try_from(segment.length.saturating_sub(at)).unwrap_or(READ);
        self.buffer.resize(have + left.min(READ), 0);
        let space = self.buffer.get_mut(have..).unwrap_or_default();
        let read = match self.file.read_at(space, at) {
            Ok(0) => Err(SegmentError::Damaged),
            Ok(read) => Ok(read),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(SegmentError::from(error)),
        };
        self.buffer.truncate(have + *read.as_ref().unwrap_or(&0));
        read.map(|_| ())
    }
}

impl From<io::Error> for SegmentError {
    fn from(error: io::Error) -> Self {
        use rustix::io::Errno;
        match Errno::from_io_error(&error) {
            Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::INTR) => Self::Shortage(error),
            _ => Self::Damaged,
        }
    }
}
