//! A user who may do everything with sudo, and has to say a password for it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The user of a server with [`super::Builder::sudoer`]. Nobody can log in as this user; a session
/// becomes it by `setpriv`.
pub struct Sudoer;

impl Sudoer {
    pub const NAME: &str = "ada";
    pub const PASSWORD: &str = "open sesame";
    pub const ID: u32 = 54321;

    /// A command line of this user, for a session of root's.
    pub fn command(line: &str) -> String {
        let id = Self::ID;
        format!("setpriv --reuid {id} --regid {id} --clear-groups {line}")
    }

    /// Files that make the user, and the places that they are to be mounted on.
    pub(super) fn files(directory: &Path) -> Vec<(PathBuf, PathBuf)> {
        let (name, id) = (Self::NAME, Self::ID);
        // crypt(3) of the password, made by `openssl passwd -6 -salt outlast`.
        let hash = "$6$outlast$RJJymfKJW6mfLnpscFzxtCqzbAHtEWZkvYsfFhns2F6RbqJdIejxg7rjiJzizJ3FXMGs2z2Is0oF9NVgeZTiK/";
        let added = [
            (
                "passwd",
                format!("{name}:x:{id}:{id}::/tmp:/bin/sh\n"),
                0o644,
            ),
            (
                "shadow",
                format!("{name}:{hash}:19000:0:99999:7:::\n"),
                0o600,
            ),
        ];
        let mut mounts = Vec::new();
        for (file, line, mode) in added {
            let real = Path::new("/etc").join(file);
            let text = fs::read_to_string(&real).unwrap() + &line;
            mounts.push((write(&directory.join(file), &text, mode), real));
        }
        let rules = format!("Defaults !lecture, passwd_tries=2\n{name} ALL=(ALL) ALL\n");
        let sudoers = write(&directory.join("sudoers"), &rules, 0o440);
        mounts.push((sudoers, PathBuf::from("/etc/sudoers")));
        mounts
    }
}

fn write(path: &Path, text: &str, mode: u32) -> PathBuf {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    path.to_owned()
}
