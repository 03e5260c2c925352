//! Where the registry is.

use std::path::PathBuf;

use outlast_rendezvous::machine::machine_id;
use outlast_rendezvous::{DirectoryError, PrivateDirectory};

/// Environment variable that names the registry's directory.
pub const SESSION_DIRECTORY: &str = "OUTLAST_SESSION_DIR";

/// The registry's directory, made if need be.
///
/// `/run/user/UID` is not used: it vanishes at the last logout. The machine ID keeps computers
/// that share a home directory apart.
pub(super) fn root() -> Result<PrivateDirectory, DirectoryError> {
    if let Some(named) = std::env::var_os(SESSION_DIRECTORY).filter(|value| !value.is_empty()) {
        return PrivateDirectory::open_or_create(PathBuf::from(named));
    }
    let first = match preferred().map(PrivateDirectory::open_or_create) {
        Some(Ok(directory)) => return Ok(directory),
        Some(Err(error)) => Some(error),
        None => None,
    };
    // A home that is absent or read-only must not stop a session from being made.
    let uid = rustix::process::geteuid().as_raw();
    // Anybody may have made this one before us: it has to be ours as much as what is in it.
    let fallback = PrivateDirectory::open_or_create(format!("/var/tmp/outlast-{uid}"))
        .and_then(|shared| shared.create_dir(&machine_id()));
    fallback.map_err(|error| match first {
        // Without a system's error it is somebody else's doing, and has to be told.
        Some(first) if error.io().is_some() => first,
        _ => error,
    })
}

/// Where it is unless something is in the way there.
pub(super) fn preferred() -> Option<PathBuf> {
    state_home().map(|state| state.join("outlast").join(machine_id()))
}

fn state_home() -> Option<PathBuf> {
    let absolute =
        |value: std::ffi::OsString| Some(PathBuf::from(value)).filter(|p| p.is_absolute());
    std::env::var_os("XDG_STATE_HOME")
        .and_then(absolute)
        .or_else(|| {
            std::env::var_os("HOME")
                .and_then(absolute)
                .map(|h| h.join(".local/state"))
        })
}
