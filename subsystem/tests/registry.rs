//! The directory of all sessions, with things in it that are none.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use outlast_protocol::id::InstanceId;
use outlast_subsystem::registry::{HostState, Registry};
use uuid::Uuid;

fn mkdir(path: &Path, name: &str) {
    let directory = path.join(name);
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_session_is_listed_once_under_the_name_we_give_it() {
    let root = tempfile::tempdir().unwrap();
    let registry = Registry::at(root.path().join("sessions")).unwrap();
    let place = root.path().join("sessions");
    let uuid = Uuid::from_u128(0xabc_def0);
    for name in [
        uuid.hyphenated().to_string(),
        uuid.hyphenated().to_string().to_uppercase(),
        uuid.simple().to_string(),
        uuid.braced().to_string(),
        uuid.urn().to_string(),
        "names.lock.d".to_owned(),
    ] {
        mkdir(&place, &name);
    }
    assert_eq!(registry.instances().unwrap(), [InstanceId(uuid)]);
}

/// A FIFO or a link in the place of a session's own files holds nobody up and leads nowhere.
#[test]
fn what_is_in_the_place_of_a_sessions_files_is_not_followed() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let root = tempfile::tempdir().unwrap();
    let place = root.path().join("sessions");
    let registry = Registry::at(&place).unwrap();
    let outside = root.path().join("outside");
    fs::write(&outside, "{}").unwrap();
    for (number, file) in ["meta", "lock", "sock", "spool"].into_iter().enumerate() {
        for (kind, put) in [
            (
                "fifo",
                Box::new(|path: &Path| {
                    mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap();
                }) as Box<dyn Fn(&Path)>,
            ),
            (
                "link",
                Box::new(|path: &Path| symlink(&outside, path).unwrap()),
            ),
            (
                "directory",
                Box::new(|path: &Path| fs::create_dir(path).unwrap()),
            ),
            (
                "socket",
                Box::new(|path: &Path| {
                    drop(std::os::unix::net::UnixListener::bind(path).unwrap());
                }),
            ),
        ] {
            let instance = InstanceId(Uuid::from_u128(1 + number as u128));
            mkdir(&place, &instance.to_string());
            put(&place.join(instance.to_string()).join(file));
            let entry = registry.entry(instance).unwrap();
            assert_eq!(entry.host(), HostState::Gone, "{kind} {file}");
            let error = entry.meta().unwrap_err().to_string();
            let path = place.join(instance.to_string()).join("meta");
            assert!(
                error.contains(path.to_str().unwrap()),
                "{kind} {file}: {error}"
            );
            entry.delete().unwrap();
            assert_eq!(fs::read_to_string(&outside).unwrap(), "{}");
        }
    }
    assert_eq!(registry.instances().unwrap(), []);
}
