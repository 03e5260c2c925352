//! A lock that lives as long as a process keeps its descriptor: held means alive.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::directory::PrivateDirectory;
use crate::error::DirectoryError;

/// How often an attempt is repeated that failed only because somebody was looking.
const LOOKED_AT_RETRIES: u32 = 64;

/// An exclusive `flock`. It is released when the last descriptor of it is closed, also by death:
/// a process that inherits the descriptor keeps the lock.
#[derive(Debug)]
pub struct Lock {
    fd: OwnedFd,
}

impl Lock {
    /// Takes the lock `name` in `directory`, or tells with `None` that somebody has it.
    pub fn try_acquire(
        directory: &PrivateDirectory,
        name: &str,
    ) -> Result<Option<Self>, DirectoryError> {
        for _ in 0..LOOKED_AT_RETRIES {
            let fd = open(directory, name, OFlags::CREATE)?;
            if try_flock(
                directory,
                name,
                &fd,
                FlockOperation::NonBlockingLockExclusive,
            )? {
                if is_current(directory, name, &fd)? {
                    return Ok(Some(Self { fd }));
                }
            } else if !try_flock(directory, name, &fd, FlockOperation::NonBlockingLockShared)? {
                return Ok(None);
            } else {
                // Only `is_held` takes it shared, for an instant.
                std::thread::yield_now();
            }
        }
        Ok(None)
    }

    /// Takes the lock `name` in `directory`, waiting for whoever has it.
    pub fn acquire(directory: &PrivateDirectory, name: &str) -> Result<Self, DirectoryError> {
        loop {
            let fd = open(directory, name, OFlags::CREATE)?;
            match rustix::fs::flock(&fd, FlockOperation::LockExclusive) {
                Ok(()) if is_current(directory, name, &fd)? => return Ok(Self { fd }),
                Ok(()) | Err(Errno::INTR) => {}
                Err(errno) => return Err(directory.refused("lock", name, errno)),
            }
        }
    }

    /// Whether somebody has the lock `name` in `directory`. Does not disturb who wants to take it.
    pub fn is_held(directory: &PrivateDirectory, name: &str) -> Result<bool, DirectoryError> {
        match open(directory, name, OFlags::empty()) {
            Ok(fd) => {
                try_flock(directory, name, &fd, FlockOperation::NonBlockingLockShared).map(|ok| !ok)
            }
            Err(error) if error.is_absent() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The lock behind a descriptor that another process took and handed over.
    #[must_use]
    pub fn from_inherited(fd: OwnedFd) -> Self {
        Self { fd }
    }
}

impl AsFd for Lock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<Lock> for OwnedFd {
    fn from(lock: Lock) -> Self {
        lock.fd
    }
}

fn open(
    directory: &PrivateDirectory,
    name: &str,
    extra: OFlags,
) -> Result<OwnedFd, DirectoryError> {
    directory.check_name(name)?;
    // RDWR: a file system that emulates flock by byte-range locks wants it for an exclusive one.
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | extra;
    rustix::fs::openat(directory.fd(), name, flags, Mode::RUSR | Mode::WUSR)
        .map_err(|errno| directory.refused("open the lock", name, errno))
}

fn try_flock(
    directory: &PrivateDirectory,
    name: &str,
    fd: &OwnedFd,
    operation: FlockOperation,
) -> Result<bool, DirectoryError> {
    match rustix::io::retry_on_intr(|| rustix::fs::flock(fd, operation)) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(directory.refused("lock", name, errno)),
    }
}

/// Whether the locked file is still the one with that name: its owner may have removed it between
/// our open and our lock, and then the lock protects nothing.
fn is_current(
    directory: &PrivateDirectory,
    name: &str,
    fd: &OwnedFd,
) -> Result<bool, DirectoryError> {
    let ours = rustix::fs::fstat(fd).map_err(|errno| directory.refused("examine", name, errno))?;
    match rustix::fs::statat(directory.fd(), name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(named) => Ok((named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino)),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(directory.refused("examine", name, errno)),
    }
}
