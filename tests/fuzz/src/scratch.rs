//! A private directory that is gone after the input.

use std::path::{Path, PathBuf};

use outlast_rendezvous::PrivateDirectory;
use tempfile::TempDir;

/// Memory, where there is a file system in it: an input takes some hundred system calls.
const FAST: &str = "/dev/shm";

pub struct Scratch {
    root: TempDir,
}

impl Scratch {
    #[allow(
        clippy::new_without_default,
        reason = "making a directory is no default"
    )]
    pub fn new() -> Self {
        let place = if Path::new(FAST).is_dir() {
            PathBuf::from(FAST)
        } else {
            std::env::temp_dir()
        };
        let root = tempfile::Builder::new()
            .prefix("outlast-fuzz.")
            .tempdir_in(place)
            .expect("a place for temporary files");
        Self { root }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The private directory `name` in it.
    pub fn directory(&self, name: &str) -> PrivateDirectory {
        PrivateDirectory::open_or_create(self.path(name)).expect("nothing is in the way")
    }
}
