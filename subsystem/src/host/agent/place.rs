//! Where an invocation's agent socket is.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use outlast_protocol::id::InstanceId;
use outlast_rendezvous::PrivateDirectory;
use outlast_rendezvous::listener::bind;

/// Bytes that the address of a Unix socket has room for. Programs connect by it, so that a
/// detour by a descriptor is of no use.
const LONGEST: usize = 107;

/// A name in a directory that is ours alone.
pub(super) struct Place {
    directory: PrivateDirectory,
    name: String,
    path: PathBuf,
    /// Whether the directory is there for this and nothing else.
    borrowed: bool,
}

impl Place {
    /// In the runspace's directory. Where that lies too deep, in one of the session's under
    /// `/tmp`, where programs have been looking for agents since there are any.
    pub(super) fn choose(runspace: &Path, instance: InstanceId, name: &str) -> io::Result<Self> {
        let path = runspace.join(name);
        if fits(&path) {
            let directory = PrivateDirectory::open(runspace)?;
            return Self::of(directory, name, false);
        }
        let short = Path::new("/tmp").join(format!("outlast-{}", instance.0.simple()));
        Self::of(PrivateDirectory::open_or_create(short)?, name, true)
    }

    fn of(directory: PrivateDirectory, name: &str, borrowed: bool) -> io::Result<Self> {
        let path = directory.path().join(name);
        if !fits(&path) {
            let text = format!(
                "the address of a socket has at most {LONGEST} bytes, and {} has more",
                path.display()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidFilename, text));
        }
        Ok(Self {
            directory,
            name: name.to_owned(),
            path,
            borrowed,
        })
    }

    pub(super) fn address(&self) -> &[u8] {
        self.path.as_os_str().as_bytes()
    }

    pub(super) fn listen(&self) -> io::Result<UnixListener> {
        Ok(bind(&self.directory, &self.name)?)
    }

    /// Removes what is there. What cannot be removed is a dead socket in a directory of ours.
    pub(super) fn clear(&self) {
        let _ = self.directory.remove_file(&self.name);
        if self.borrowed {
            let _ = std::fs::remove_dir(self.directory.path());
        }
    }
}

fn fits(path: &Path) -> bool {
    path.as_os_str().len() <= LONGEST
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::DirBuilderExt as _;
    use std::os::unix::net::UnixStream;

    /// One that no test beside this one has at the same time.
    fn instance() -> InstanceId {
        let home = tempfile::tempdir().unwrap();
        let name = home.path().as_os_str().as_bytes();
        let number = name
            .iter()
            .fold(0, |all: u128, byte| (all << 7) ^ u128::from(*byte));
        InstanceId(uuid::Uuid::from_u128(number))
    }

    fn private(path: &Path) {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(path).unwrap();
    }

    #[test]
    fn a_directory_that_lies_too_deep_is_gone_around_and_nothing_is_left() {
        let home = tempfile::tempdir().unwrap();
        let instance = instance();
        let deep = home.path().join("d".repeat(60)).join("e".repeat(60));
        let near = home.path().join("near");
        for (runspace, borrowed) in [(&near, false), (&deep, true)] {
            private(runspace);
            let place = Place::choose(runspace, instance, "agent.1").unwrap();
            assert_eq!(place.borrowed, borrowed);
            assert_eq!(place.path.starts_with(runspace), !borrowed);
            let _listener = place.listen().unwrap();
            UnixStream::connect(&place.path).unwrap();
            place.clear();
            assert!(!place.path.exists());
            assert_eq!(place.directory.path().exists(), !borrowed);
        }
    }

    #[test]
    fn the_longest_address_is_one_that_can_be_connected_to() {
        let home = tempfile::tempdir().unwrap();
        let runspace = home.path().join("r");
        private(&runspace);
        let room = LONGEST - runspace.as_os_str().len() - 1;
        let name = "n".repeat(room);
        let instance = instance();
        let place = Place::choose(&runspace, instance, &name).unwrap();
        assert!(!place.borrowed);
        let _listener = place.listen().unwrap();
        UnixStream::connect(&place.path).unwrap();
        let error = Place::choose(&runspace, instance, &"n".repeat(100))
            .err()
            .unwrap();
        assert!(error.to_string().contains("at most 107 bytes"), "{error}");
        std::fs::remove_dir(format!("/tmp/outlast-{}", instance.0.simple())).unwrap();
    }
}
