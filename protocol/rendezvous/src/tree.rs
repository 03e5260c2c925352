//! Removal of a private directory with all that is in it.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags};
use rustix::io::Errno;

use crate::directory::PrivateDirectory;
use crate::error::DirectoryError;

/// Deepest tree removed: ours have three levels, and each level holds a descriptor.
const MAX_DEPTH: u32 = 32;

impl PrivateDirectory {
    /// Removes everything in the directory and then the directory itself. Symbolic links are
    /// removed, never followed.
    pub fn remove_tree(self) -> Result<(), DirectoryError> {
        let removed = empty(self.fd(), MAX_DEPTH)
            .and_then(|()| rustix::fs::unlinkat(CWD, self.path(), AtFlags::REMOVEDIR));
        match removed {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(DirectoryError::Io {
                action: "remove",
                path: self.path().to_path_buf(),
                source: errno.into(),
            }),
        }
    }
}

fn empty(directory: BorrowedFd<'_>, depth: u32) -> rustix::io::Result<()> {
    let entries: Vec<_> = Dir::read_from(directory)?.collect::<Result<_, _>>()?;
    for entry in entries {
        let name = entry.file_name();
        if name != c"." && name != c".." {
            remove(directory, name, depth)?;
        }
    }
    Ok(())
}

fn remove(parent: BorrowedFd<'_>, name: &CStr, depth: u32) -> rustix::io::Result<()> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        // EPERM is what POSIX says for a directory, EISDIR what Linux does.
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(Errno::NOENT) => return Ok(()),
        other => return other,
    }
    let depth = depth.checked_sub(1).ok_or(Errno::LOOP)?;
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    let child = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    empty(child.as_fd(), depth)?;
    rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)
}
