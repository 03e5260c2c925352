//! Proof that nothing is left behind.

use std::path::{Path, PathBuf};

use crate::process;

/// Waits for the processes that have to do with `directory` to end, then insists that no socket, no
/// file and no session's directory is left in it.
#[track_caller]
pub fn wait_none_below(directory: &Path) {
    for process in process::mentioning(directory) {
        process::wait_gone(process.pid);
    }
    let sockets = process::unix_sockets_below(directory);
    assert!(sockets.is_empty(), "sockets were left behind: {sockets:#?}");
    let mut files = Vec::new();
    collect(directory, &mut files);
    assert!(files.is_empty(), "files were left behind: {files:#?}");
}

/// What belongs to no session but to the registry as a whole: removing a lock's file would let two
/// processes hold the lock.
const REGISTRY: &str = "names.lock";

/// Everything but the registry itself.
fn collect(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_directory && is_instance_id(&name) || !is_directory && name != REGISTRY {
            found.push(entry.path());
        }
        if is_directory {
            collect(&entry.path(), found);
        }
    }
}

fn is_instance_id(name: &str) -> bool {
    let groups: Vec<&str> = name.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.concat().bytes().all(|byte| byte.is_ascii_hexdigit())
}
