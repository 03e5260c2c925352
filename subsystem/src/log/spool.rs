//! The segment files of one log.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};

use outlast_protocol::id::Seq;
use outlast_rendezvous::{DirectoryError, PrivateDirectory};

use super::header::{Header, file_name};
use super::position::Position;
use super::room::Room;
use super::segment::{Mark, Segment};

/// The spool's directory in its session's.
pub(super) const DIRECTORY: &str = "spool";

pub(super) struct Spool {
    session: PrivateDirectory,
    directory: PrivateDirectory,
    epoch: u64,
    /// Whether the files are another's, that is a dead host's, and stay as they are.
    read_only: bool,
    pub(super) segments: VecDeque<Segment>,
    /// The file of the last segment, while it is being written.
    active: Option<File>,
}

impl Spool {
    pub(super) fn create(session: &PrivateDirectory, epoch: u64) -> Result<Self, DirectoryError> {
        Ok(Self {
            session: session.try_clone()?,
            directory: session.create_dir(DIRECTORY)?,
            epoch,
            read_only: false,
            segments: VecDeque::new(),
            active: None,
        })
    }

    pub(super) fn open(session: &PrivateDirectory) -> Result<Self, DirectoryError> {
        Ok(Self {
            session: session.try_clone()?,
            directory: session.open_dir(DIRECTORY)?,
            epoch: 0,
            read_only: true,
            segments: VecDeque::new(),
            active: None,
        })
    }

    pub(super) fn directory(&self) -> &PrivateDirectory {
        &self.directory
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Bytes on disk.
    pub(super) fn size(&self) -> u64 {
        self.segments.iter().map(|segment| segment.size).sum()
    }

    /// The segment being written, if there is one.
    pub(super) fn active(&self) -> Option<&Segment> {
        self.active.as_ref().and(self.segments.back())
    }

    /// Starts a new segment at `start`.
    pub(super) fn begin(&mut self, start: Position) -> io::Result<()> {
        let header = Header {
            epoch: self.epoch,
            first: start.seq,
            offset: start.offset,
        };
        self.active = None;
        let name = file_name(start.seq);
        let mut file = self.create_file(&name)?;
        if let Err(error) = file.write_all(&header.encode()) {
            // A segment without a header would only puzzle recovery.
            let _ = self.directory.remove_file(&name);
            return Err(error);
        }
        self.segments.push_back(Segment::new(header));
        self.active = Some(file);
        Ok(())
    }

    fn create_file(&mut self, name: &str) -> io::Result<File> {
        match self.directory.create_file(name) {
            // A cleaner of temporary files took the directory from under us.
            Err(error) if error.is_absent() => {
                self.directory = self.session.create_dir(DIRECTORY)?;
            }
            // Left by an attempt that could not even remove it.
            Err(error) if is_kind(&error, io::ErrorKind::AlreadyExists) => {
                self.directory.remove_file(name)?;
            }
            other => return Ok(other?),
        }
        Ok(self.directory.create_file(name)?)
    }

    /// Writes `bytes`, records up to `end`, to the active segment. When that fails, the segment
    /// ends before them.
    pub(super) fn write(&mut self, bytes: &[u8], end: Position) -> io::Result<()> {
        let (Some(file), Some(segment)) = (&mut self.active, self.segments.back_mut()) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        if let Err(error) = file.write_all(bytes) {
            // Where this fails too, recovery finds the torn record by its checksum.
            let _ = file.set_len(segment.length);
            self.seal();
            return Err(error);
        }
        segment.extend(end, bytes.len());
        Ok(())
    }

    /// Whether the active segment's file still has a name; without one, nobody can recover it.
    pub(super) fn check_active(&self) -> io::Result<()> {
        match &self.active {
            Some(file) if rustix::fs::fstat(file)?.st_nlink == 0 => {
                Err(io::Error::new(io::ErrorKind::NotFound, "it was removed"))
            }
            _ => Ok(()),
        }
    }

    /// Ends the active segment.
    pub(super) fn seal(&mut self) {
        let last = self.segments.back().filter(|segment| segment.is_empty());
        if let Some(empty) = self.active.take().and(last) {
            // It holds nothing: left behind, it only takes a name.
            let _ = self.directory.remove_file(&file_name(empty.start.seq));
            self.segments.pop_back();
        }
    }

    /// Removes a segment and returns what it held. The active one is ended for that.
    pub(super) fn drop_at(&mut self, at: usize) -> Option<Segment> {
        if at + 1 == self.segments.len() {
            self.seal();
        }
        let segment = self.segments.remove(at)?;
        // What cannot be removed is no longer read; the session's removal will try again.
        let _ = self.directory.remove_file(&file_name(segment.start.seq));
        Some(segment)
    }

    /// Whether another `bytes` would eat into what is left to others of the file system.
    pub(super) fn is_disk_low(&self, bytes: u64) -> bool {
        Room::of(self.directory.fd()).is_ok_and(|room| room.is_low(bytes))
    }

    /// The segment that holds `seq`.
    pub(super) fn find(&self, seq: Seq) -> Option<&Segment> {
        let after = self
            .segments
            .partition_point(|segment| segment.start.seq <= seq);
        let segment = self.segments.get(after.checked_sub(1)?)?;
        segment.contains(seq).then_some(segment)
    }

    /// The start of the first segment behind `seq`.
    pub(super) fn after(&self, seq: Seq) -> Option<Position> {
        let after = self
            .segments
            .partition_point(|segment| segment.start.seq <= seq);
        Some(self.segments.get(after)?.start)
    }

    /// Opens the segment that starts at `first` for reading.
    pub(super) fn open_segment(&self, first: Seq) -> io::Result<File> {
        let last = self.segments.back().map(|segment| segment.start.seq);
        match &self.active {
            Some(file) if last == Some(first) => file.try_clone(),
            _ => Ok(self.directory.open_file(&file_name(first))?),
        }
    }

    /// Gives up what the segment that starts at `first` holds from `mark` on; returns the range.
    pub(super) fn cut(&mut self, first: Seq, mark: Mark) -> Option<(Position, Position)> {
        let at = self
            .segments
            .binary_search_by_key(&first, |segment| segment.start.seq)
            .ok()?;
        if at + 1 == self.segments.len() {
            self.active = None;
        }
        let segment = self.segments.get_mut(at)?;
        let end = segment.end;
        segment.cut(mark);
        if segment.is_empty() {
            self.segments.remove(at);
            if !self.read_only {
                let _ = self.directory.remove_file(&file_name(first));
            }
        }
        Some((mark.position, end))
    }
}

fn is_kind(error: &DirectoryError, kind: io::ErrorKind) -> bool {
    error.io().is_some_and(|error| error.kind() == kind)
}
