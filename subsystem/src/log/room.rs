//! How much room for output a file system has.

use std::io;

use rustix::fd::AsFd;

/// One part in this many of a file system is left to others.
const RESERVE: u64 = 20;

/// The room of a file system, in bytes. A file system without a size has no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// What this user could still write.
    pub free: u64,
    /// What of it is left to others.
    pub reserve: u64,
    /// Files that could still be made; none if the file system does not count them.
    pub files: Option<u64>,
    bounded: bool,
}

impl Room {
    /// Of the file system on which that directory is.
    pub fn of(directory: impl AsFd) -> io::Result<Self> {
        let space = rustix::fs::fstatvfs(directory)?;
        Ok(Self {
            free: space.f_bavail.saturating_mul(space.f_frsize),
            reserve: (space.f_blocks / RESERVE).saturating_mul(space.f_frsize),
            files: (space.f_files > 0).then_some(space.f_favail),
            bounded: space.f_blocks > 0,
        })
    }

    /// Of a file system with that much.
    #[cfg(test)]
    pub(crate) fn new(free: u64, reserve: u64, files: Option<u64>) -> Self {
        Self {
            free,
            reserve,
            files,
            bounded: true,
        }
    }

    /// Whether another `bytes` would eat into what is left to others.
    #[must_use]
    pub fn is_low(&self, bytes: u64) -> bool {
        self.bounded && self.free < self.reserve.saturating_add(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_not_touched() {
        let room = Room::new(100, 50, None);
        assert!(!room.is_low(50));
        assert!(room.is_low(51));
        let boundless = Room {
            bounded: false,
            ..room
        };
        assert!(!boundless.is_low(51));
    }
}
