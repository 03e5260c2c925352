//! Where the releases' files are.

use std::fs;
use std::path::{Path, PathBuf};

/// Those of this version.
pub(crate) fn own() -> PathBuf {
    root().join(env!("CARGO_PKG_VERSION"))
}

/// The entries of `kind` of every release, in order.
pub(crate) fn all(kind: &str) -> Vec<PathBuf> {
    let releases = entries(&root()).into_iter().filter(|path| path.is_dir());
    let found: Vec<_> = releases
        .flat_map(|release| entries(&release.join(kind)))
        .collect();
    assert!(!found.is_empty(), "no {kind} of any release");
    found
}

pub(crate) fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/releases")
}
