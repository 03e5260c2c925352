//! Files in a private directory: replaced whole, read within a limit.

use std::fs::File;
use std::io::{Read, Write};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::rand::GetRandomFlags;

use crate::directory::PrivateDirectory;
use crate::error::DirectoryError;

impl PrivateDirectory {
    /// Replaces the file `name` as a whole: a reader sees the old bytes or the new ones, also
    /// when we are killed half-way. Nothing is synced: a power cut may bring the old bytes back.
    pub fn atomic_write(&self, name: &str, bytes: &[u8]) -> Result<(), DirectoryError> {
        self.check_name(name)?;
        let temporary = self.temporary_name()?;
        let mut file = self.create_file(&temporary)?;
        let written = file
            .write_all(bytes)
            .map_err(|error| self.refused("write", name, error))
            .and_then(|()| {
                rustix::fs::renameat(self.fd(), temporary.as_str(), self.fd(), name)
                    .map_err(|errno| self.refused("replace", name, errno))
            });
        if written.is_err() {
            // The first error is the one to tell.
            let _ = self.remove_file(&temporary);
        }
        written
    }

    /// Reads the file `name`, at most `limit` bytes of it; a longer file is an error.
    pub fn read(&self, name: &str, limit: usize) -> Result<Vec<u8>, DirectoryError> {
        let file = self.open_file(name)?;
        let mut bytes = Vec::new();
        let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        file.take(most)
            .read_to_end(&mut bytes)
            .map_err(|error| self.refused("read", name, error))?;
        if bytes.len() > limit {
            return Err(DirectoryError::TooLong {
                path: self.path().join(name),
                limit,
            });
        }
        Ok(bytes)
    }

    /// Opens the regular file `name` for reading.
    pub fn open_file(&self, name: &str) -> Result<File, DirectoryError> {
        self.open_regular(name, OFlags::RDONLY)
    }

    fn open_regular(&self, name: &str, flags: OFlags) -> Result<File, DirectoryError> {
        self.check_name(name)?;
        // NONBLOCK: a FIFO in the way must not hold us up.
        let safely = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let mode = Mode::RUSR | Mode::WUSR;
        let fd = match rustix::fs::openat(self.fd(), name, flags | safely, mode) {
            Ok(fd) => fd,
            Err(Errno::LOOP | Errno::NXIO | Errno::ISDIR) => return Err(self.not_a_file(name)),
            Err(errno) => return Err(self.refused("open", name, errno)),
        };
        let stat = rustix::fs::fstat(&fd).map_err(|errno| self.refused("examine", name, errno))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(self.not_a_file(name));
        }
        Ok(File::from(fd))
    }

    /// Makes the file `name` (mode 0600), which must not be there, and opens it for reading and
    /// writing.
    pub fn create_file(&self, name: &str) -> Result<File, DirectoryError> {
        self.check_name(name)?;
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(self.fd(), name, flags, Mode::RUSR | Mode::WUSR)
            .map(File::from)
            .map_err(|errno| self.refused("create", name, errno))
    }

    /// Opens the regular file `name` for writing at its end, and makes it (mode 0600) if it is not
    /// there.
    pub fn append_file(&self, name: &str) -> Result<File, DirectoryError> {
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE;
        self.open_regular(name, flags)
    }

    /// Opens the regular file `name`, which must be there, for writing at its end.
    pub fn open_to_append(&self, name: &str) -> Result<File, DirectoryError> {
        self.open_regular(name, OFlags::WRONLY | OFlags::APPEND)
    }

    /// Removes the file `name`; that it is not there is no error.
    pub fn remove_file(&self, name: &str) -> Result<(), DirectoryError> {
        self.check_name(name)?;
        match rustix::fs::unlinkat(self.fd(), name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(self.refused("remove", name, errno)),
        }
    }

    /// A name nobody else is using, short enough for any limit.
    pub(crate) fn temporary_name(&self) -> Result<String, DirectoryError> {
        let mut random = [0u8; 8];
        rustix::rand::getrandom(&mut random, GetRandomFlags::empty())
            .map_err(|errno| self.refused("find a temporary name in", "", errno))?;
        Ok(format!(".tmp-{:016x}", u64::from_ne_bytes(random)))
    }

    fn not_a_file(&self, name: &str) -> DirectoryError {
        DirectoryError::NotAFile {
            path: self.path().join(name),
        }
    }
}
