//! Reading what a host left behind that died without saying so.

use std::io;

use outlast_protocol::id::Seq;
use outlast_rendezvous::{DirectoryError, PrivateDirectory};

use super::encoding::{DecodeError, MAX_PAYLOAD, decode_record};
use super::header::{HEADER, Header, HeaderError, VERSION, file_name, parse_file_name};
use super::journal::Log;
use super::lost::Lost;
use super::policy::{MAX_SEGMENT, Policy};
use super::position::Position;
use super::record::GapCause;
use super::segment::Segment;
use super::spool::Spool;
use super::tail::Tail;

/// Why nothing can be recovered.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The directory is not there, or not to be trusted.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A newer Outlast wrote it.
    #[error(
        "{file} has format {found}; this version reads {VERSION}: a newer Outlast wrote it, use \
         that to read it"
    )]
    Version { file: String, found: u16 },
}

/// A segment that did not end where its file does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The file in the spool.
    pub file: String,
    /// Bytes of it that are good.
    pub kept: u64,
    /// Bytes of it that are not.
    pub dropped: u64,
}

impl Log {
    /// Opens the log in `session` for reading. Every checksum is verified; where one is wrong or
    /// a record is torn, its segment ends, and what later segments prove to be missing becomes a
    /// gap. The files are left as they are. What is appended to the result stays in memory.
    pub fn recover(session: &PrivateDirectory) -> Result<(Self, Vec<Cut>), RecoverError> {
        let mut recovery = Recovery {
            spool: Spool::open(session)?,
            lost: Lost::default(),
            end: Position::START,
            epoch: None,
            cuts: Vec::new(),
            newer: None,
        };
        let names = recovery.spool.directory().names()?;
        let mut firsts: Vec<_> = names
            .iter()
            .filter_map(|name| parse_file_name(name))
            .collect();
        firsts.sort_unstable();
        for first in firsts {
            recovery.add(first);
        }
        if let Some(newer) = recovery
            .newer
            .filter(|_| recovery.spool.segments.is_empty())
        {
            return Err(newer);
        }
        let mut log = Self::new(Policy::default(), Some(recovery.spool), recovery.end);
        log.lost = recovery.lost;
        Ok((log, recovery.cuts))
    }

    /// Takes note that there were records up to `end` that recovery did not find: they become a
    /// gap, and what is appended comes behind them. To be called before anything is.
    pub fn lose(&mut self, end: Position, cause: GapCause) {
        let start = self.tail.end();
        if start.seq < end.seq && self.tail.start() == start {
            let end = Position {
                offset: end.offset.max(start.offset),
                ..end
            };
            self.lost.push(start, end, cause);
            self.tail = Tail::new(end);
            self.unwritten = end.seq;
        }
    }
}

struct Recovery {
    spool: Spool,
    lost: Lost,
    end: Position,
    epoch: Option<u64>,
    cuts: Vec<Cut>,
    /// A file that seems to be of a newer format. One host writes one format, so beside readable
    /// segments it is damage.
    newer: Option<RecoverError>,
}

impl Recovery {
    fn add(&mut self, first: Seq) {
        let file = file_name(first);
        let limit = usize::try_from(MAX_SEGMENT).unwrap_or(usize::MAX);
        // Without this file there is a gap, no more.
        let Ok(bytes) = self.spool.directory().read(&file, limit) else {
            return;
        };
        let header = match Header::decode(&bytes) {
            Ok(header) => Some(header),
            Err(HeaderError::Version(found)) => {
                let file = file.clone();
                self.newer = Some(RecoverError::Version { file, found });
                None
            }
            Err(HeaderError::Damaged) => None,
        };
        let segment = header
            .filter(|header| self.continues(*header, first))
            .map(|header| scan(header, &bytes));
        let kept = segment.as_ref().map_or(0, |segment| segment.length);
        let dropped = (bytes.len() as u64).saturating_sub(kept);
        if dropped > 0 {
            self.cuts.push(Cut {
                file,
                kept,
                dropped,
            });
        }
        if let Some(segment) = segment.filter(|segment| !segment.is_empty()) {
            let cause = if self.spool.segments.is_empty() {
                GapCause::Quota
            } else {
                GapCause::Damaged
            };
            self.lost.push(self.end, segment.start, cause);
            self.end = segment.end;
            self.spool.segments.push_back(segment);
        }
    }

    /// Whether a segment with this header belongs behind what there is: a file that was copied,
    /// renamed or left over must not bring records twice, nor claim that more is missing than the
    /// missing records can have had.
    fn continues(&mut self, header: Header, first: Seq) -> bool {
        let missing = (
            header.first.0.checked_sub(self.end.seq.0),
            header.offset.checked_sub(self.end.offset),
        );
        let (Some(records), Some(bytes)) = missing else {
            return false;
        };
        header.first == first
            && bytes <= records.saturating_mul(MAX_PAYLOAD as u64)
            && *self.epoch.get_or_insert(header.epoch) == header.epoch
    }
}

/// The good records of a segment file.
fn scan(header: Header, bytes: &[u8]) -> Segment {
    let mut segment = Segment::new(header);
    let mut rest = bytes.get(HEADER..).unwrap_or_default();
    while let Ok((length, end)) = next(rest, segment.end) {
        segment.extend(end, length);
        rest = rest.get(length..).unwrap_or_default();
    }
    segment
}

fn next(bytes: &[u8], at: Position) -> Result<(usize, Position), DecodeError> {
    let (record, length) = decode_record(bytes)?;
    if record.seq != at.seq {
        return Err(DecodeError::Corrupt);
    }
    Ok((length, at.after(record.bytes.len())))
}

impl From<RecoverError> for io::Error {
    fn from(error: RecoverError) -> Self {
        match error {
            RecoverError::Directory(error) => error.into(),
            RecoverError::Version { .. } => Self::new(io::ErrorKind::Unsupported, error),
        }
    }
}
