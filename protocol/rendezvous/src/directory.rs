//! A directory that is ours alone, held by its descriptor.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::error::DirectoryError;

/// A directory that belongs to us and that no other user can enter.
///
/// The check is made on the descriptor, so it stays true whatever becomes of the path.
#[derive(Debug)]
pub struct PrivateDirectory {
    path: PathBuf,
    fd: OwnedFd,
}

const OPEN: OFlags = OFlags::DIRECTORY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::RDONLY)
    .union(OFlags::CLOEXEC);

impl PrivateDirectory {
    /// Opens the directory at `path`, making it and its parents (mode 0700) where they lack.
    pub fn open_or_create(path: impl AsRef<Path>) -> Result<Self, DirectoryError> {
        let path = normal(path.as_ref());
        let created = std::fs::DirBuilder::new().mode(0o700).create(&path);
        let created = match created {
            Err(error) if error.kind() == io::ErrorKind::NotFound => create_deep(&path),
            other => other,
        };
        match created {
            // The umask may have taken our own bits away; nobody else can have a file in there.
            Ok(()) => Self::open_at(CWD, path.as_os_str(), path.clone(), true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::open(&path),
            Err(source) => Err(DirectoryError::Io {
                action: "create the directory",
                path,
                source,
            }),
        }
    }

    /// Opens the directory at `path`, which must be there.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DirectoryError> {
        let path = normal(path.as_ref());
        Self::open_at(CWD, path.as_os_str(), path.clone(), false)
    }

    /// Opens the directory `name` in this one, making it where it lacks.
    pub fn create_dir(&self, name: &str) -> Result<Self, DirectoryError> {
        self.check_name(name)?;
        let created = match rustix::fs::mkdirat(&self.fd, name, Mode::RWXU) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(self.refused("create the directory", name, errno)),
        };
        Self::open_at(
            self.fd.as_fd(),
            OsStr::new(name),
            self.path.join(name),
            created,
        )
    }

    /// Opens the directory `name` in this one, which must be there.
    pub fn open_dir(&self, name: &str) -> Result<Self, DirectoryError> {
        self.check_name(name)?;
        Self::open_at(
            self.fd.as_fd(),
            OsStr::new(name),
            self.path.join(name),
            false,
        )
    }

    /// A second handle on the same directory.
    pub fn try_clone(&self) -> Result<Self, DirectoryError> {
        let fd = self.fd.try_clone().map_err(|source| DirectoryError::Io {
            action: "duplicate the descriptor of",
            path: self.path.clone(),
            source,
        })?;
        Ok(Self {
            path: self.path.clone(),
            fd,
        })
    }

    /// Where the directory was when it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The checked descriptor.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The names in the directory, in no order. Names that are not UTF-8 are not ours and are
    /// left out.
    pub fn names(&self) -> Result<Vec<String>, DirectoryError> {
        let listed = Dir::read_from(&self.fd).and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.file_name().to_owned()))
                .collect::<Result<Vec<_>, _>>()
        });
        let names = listed.map_err(|errno| DirectoryError::Io {
            action: "list",
            path: self.path.clone(),
            source: errno.into(),
        })?;
        Ok(names
            .into_iter()
            .filter_map(|name| name.into_string().ok())
            .filter(|name| name != "." && name != "..")
            .collect())
    }

    fn open_at(
        parent: BorrowedFd<'_>,
        name: &OsStr,
        path: PathBuf,
        created: bool,
    ) -> Result<Self, DirectoryError> {
        let fd = match rustix::fs::openat(parent, name, OPEN, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOTDIR | Errno::LOOP) => return Err(in_the_way(parent, name, path)),
            Err(errno) => {
                return Err(DirectoryError::Io {
                    action: "open the directory",
                    path,
                    source: errno.into(),
                });
            }
        };
        let directory = Self { path, fd };
        directory.check(created)?;
        Ok(directory)
    }

    fn check(&self, created: bool) -> Result<(), DirectoryError> {
        let examined = |errno: Errno| DirectoryError::Io {
            action: "examine",
            path: self.path.clone(),
            source: errno.into(),
        };
        let stat = rustix::fs::fstat(&self.fd).map_err(examined)?;
        let own = rustix::process::geteuid().as_raw();
        if stat.st_uid != own {
            return Err(DirectoryError::Owner {
                path: self.path.clone(),
                owner: stat.st_uid,
                own,
            });
        }
        let mode = stat.st_mode & 0o7777;
        if mode & 0o077 != 0 {
            return Err(DirectoryError::Mode {
                path: self.path.clone(),
                mode,
            });
        }
        if created && mode & 0o700 != 0o700 {
            rustix::fs::fchmod(&self.fd, Mode::RWXU).map_err(examined)?;
        }
        Ok(())
    }

    /// Refuses whatever could leave the directory.
    pub(crate) fn check_name(&self, name: &str) -> Result<(), DirectoryError> {
        if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
            return Err(DirectoryError::Name {
                path: self.path.clone(),
                name: name.into(),
            });
        }
        Ok(())
    }

    pub(crate) fn refused(
        &self,
        action: &'static str,
        name: &str,
        source: impl Into<io::Error>,
    ) -> DirectoryError {
        DirectoryError::Io {
            action,
            path: self.path.join(name),
            source: source.into(),
        }
    }
}

impl AsFd for PrivateDirectory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd()
    }
}

/// The path without a trailing slash or dot: either would make O_NOFOLLOW follow a link.
fn normal(path: &Path) -> PathBuf {
    path.components().collect()
}

/// Makes the parents, then the directory itself, each with mode 0700.
fn create_deep(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.mode(0o700);
    if let Some(parent) = path.parent() {
        builder.recursive(true).create(parent)?;
    }
    builder.recursive(false).create(path)
}

/// What stands where a directory was expected.
fn in_the_way(parent: BorrowedFd<'_>, name: &OsStr, path: PathBuf) -> DirectoryError {
    match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink => {
            DirectoryError::Symlink { path }
        }
        _ => DirectoryError::NotADirectory { path },
    }
}
