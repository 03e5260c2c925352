//! What can be wrong with a per-user directory or a file in it.

use std::io;
use std::path::PathBuf;

/// Why a directory cannot be trusted or used. Each text says what was found and what to do there;
/// how to name another directory is told by whoever asked for this one.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Somebody put a symbolic link where the directory belongs.
    #[error(
        "{} is a symbolic link, and following it could lead anywhere: remove it",
        .path.display()
    )]
    Symlink { path: PathBuf },
    /// A file, a device, a socket is in the way.
    #[error(
        "{} is not a directory: remove it",
        .path.display()
    )]
    NotADirectory { path: PathBuf },
    /// The directory is another user's.
    #[error(
        "{} belongs to uid {owner}, not to you (uid {own}): remove it",
        .path.display()
    )]
    Owner { path: PathBuf, owner: u32, own: u32 },
    /// Others may look into the directory or change it.
    #[error(
        "{} has mode {mode:04o}, which lets other users in: run `chmod 700 {}`",
        .path.display(), .path.display()
    )]
    Mode { path: PathBuf, mode: u32 },
    /// A name that is not one plain component.
    #[error("{name:?} cannot be the name of a file in {}", .path.display())]
    Name { path: PathBuf, name: String },
    /// A directory, a link, a device where a file belongs.
    #[error("{} is not a regular file: remove it", .path.display())]
    NotAFile { path: PathBuf },
    /// A file longer than its reader is ready for.
    #[error("{} is longer than the {limit} bytes it may have", .path.display())]
    TooLong { path: PathBuf, limit: usize },
    /// The system refused.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

impl DirectoryError {
    /// The system's error, where the system refused.
    #[must_use]
    pub fn io(&self) -> Option<&io::Error> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }

    /// Whether the file or directory is simply not there.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.io()
            .is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
    }
}

impl From<DirectoryError> for io::Error {
    fn from(error: DirectoryError) -> Self {
        let kind = error.io().map_or(io::ErrorKind::Other, Self::kind);
        Self::new(kind, error)
    }
}
