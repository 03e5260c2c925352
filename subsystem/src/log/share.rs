//! What all logs of a user together may keep on disk.

use outlast_rendezvous::PrivateDirectory;
use rustix::fs::{AtFlags, statat};

use super::header::parse_file_name;
use super::spool::DIRECTORY;

/// Logs look at each other's files only now and then. Of what they find free they take one part
/// in this many before they look again, so that several that write at once do not all take it.
const PART: u64 = 8;

/// A log's share in the space of all logs beside it.
pub struct Share {
    sessions: PrivateDirectory,
    limit: u64,
    taken: u64,
}

impl Share {
    /// The sessions in the directory `sessions` keep at most `limit` bytes of output on disk.
    #[must_use]
    pub fn new(sessions: PrivateDirectory, limit: u64) -> Self {
        Self {
            sessions,
            limit,
            taken: 0,
        }
    }

    /// Takes `bytes`; false if they are not to be had.
    pub(super) fn take(&mut self, bytes: u64) -> bool {
        if let Some(left) = self.taken.checked_sub(bytes) {
            self.taken = left;
            return true;
        }
        let free = self.limit.saturating_sub(self.used());
        if free < bytes {
            return false;
        }
        self.taken = (free / PART).saturating_sub(bytes);
        true
    }

    /// Bytes in the segments of all sessions. What cannot be looked at does not count.
    #[must_use]
    pub fn used(&self) -> u64 {
        let sessions = self.sessions.names().unwrap_or_default();
        let spools = sessions
            .iter()
            .filter_map(|name| self.sessions.open_dir(name).ok()?.open_dir(DIRECTORY).ok());
        spools.map(|spool| size(&spool)).sum()
    }
}

fn size(spool: &PrivateDirectory) -> u64 {
    let names = spool.names().unwrap_or_default();
    let segments = names.iter().filter(|name| parse_file_name(name).is_some());
    segments
        .filter_map(|name| statat(spool.fd(), name.as_str(), AtFlags::SYMLINK_NOFOLLOW).ok())
        .map(|found| u64::try_from(found.st_size).unwrap_or(0))
        .sum()
}
