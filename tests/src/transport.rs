//! Which transport the tests of this run go by.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Environment variable: `openssh` has every client machine use the system's `ssh`.
const TRANSPORT: &str = "OUTLAST_TEST_TRANSPORT";

/// Whether the machines of this run use the system's `ssh`.
pub fn is_openssh() -> bool {
    match std::env::var(TRANSPORT).as_deref() {
        Ok("openssh") => true,
        Err(_) | Ok("" | "native") => false,
        Ok(other) => panic!("{TRANSPORT}={other}: it is native or openssh"),
    }
}

/// Puts an `ssh` into a directory that is the system's own and reads that configuration: ssh looks
/// for its files in the home of the password database, not in `$HOME`. `-F` of a caller still holds,
/// as the last one does.
pub(crate) fn redirect_ssh(programs: &Path, config: &Path) {
    fs::create_dir_all(programs).unwrap();
    let ssh = programs.join("ssh");
    let script = format!(
        "#!/bin/sh\nexec /usr/bin/ssh -F {} \"$@\"\n",
        config.display()
    );
    fs::write(&ssh, script).unwrap();
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
}
