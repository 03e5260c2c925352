//! A computer without the remote end, and programs to put there.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use outlast_tests::{Sshd, Subsystem, binaries};

use crate::stage::{Stage, run};

pub(super) struct Site {
    pub(super) stage: Stage,
    /// Where it is to be.
    pub(super) program: PathBuf,
    scratch: tempfile::TempDir,
}

impl Site {
    /// Where nothing is installed.
    pub(super) fn bare() -> Self {
        let sshd = Sshd::builder().subsystem(Subsystem::Absent).start();
        let stage = Stage::before(sshd);
        let program = stage.sshd.home().join(".local/bin/outlast-subsystem");
        Self {
            stage,
            program,
            scratch: tempfile::tempdir().unwrap(),
        }
    }

    /// Where the built program is, for the user.
    pub(super) fn installed() -> Self {
        let site = Self::bare();
        run(&site.stage.machine, &["install", "server"]).success();
        site
    }

    /// A file here.
    pub(super) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.scratch.path().join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// The built program with something behind it that nothing reads.
    pub(super) fn variant(&self, name: &str) -> PathBuf {
        let mut bytes = fs::read(binaries::outlast_subsystem()).unwrap();
        bytes.extend(name.as_bytes());
        self.file(name, &bytes)
    }

    /// What is in the program's directory.
    pub(super) fn beside(&self) -> Vec<String> {
        let directory = self.program.parent().unwrap();
        let entries = fs::read_dir(directory).unwrap();
        let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
        names.collect()
    }
}

/// Every file below a directory: its bytes, its mode and when it was changed last; and every directory.
pub(super) fn tree(directory: &Path) -> BTreeMap<PathBuf, (u32, std::time::SystemTime, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        let about = path.symlink_metadata().unwrap();
        if about.is_dir() {
            found.extend(tree(&path));
        }
        let bytes = match about.is_file() {
            true => fs::read(&path).unwrap(),
            false => Vec::new(),
        };
        let changed = match about.is_dir() {
            // Something may have come and gone.
            true => std::time::UNIX_EPOCH,
            false => about.modified().unwrap(),
        };
        found.insert(path, (about.permissions().mode(), changed, bytes));
    }
    found
}
