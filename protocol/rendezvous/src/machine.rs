//! Which machine this is, and which of its boots. A home directory may be shared by many.

use std::path::Path;

/// Names this machine in paths: its systemd machine ID, or a hash of its host name where there
/// is none. Always 32 hexadecimal digits.
#[must_use]
pub fn machine_id() -> String {
    read_id(Path::new("/etc/machine-id"))
        .or_else(|| read_id(Path::new("/var/lib/dbus/machine-id")))
        .unwrap_or_else(|| from_host_name(rustix::system::uname().nodename().to_bytes()))
}

/// This machine's name for people.
#[must_use]
pub fn host_name() -> String {
    let names = rustix::system::uname();
    names.nodename().to_string_lossy().into_owned()
}

/// The name of the user this process runs as, for people: from the environment, else the uid.
#[must_use]
pub fn user_name() -> String {
    std::env::var("USER")
        .or_else(|_| std::env::var("LOGNAME"))
        .unwrap_or_else(|_| format!("uid {}", rustix::process::geteuid().as_raw()))
}

/// Names the current boot, if the kernel tells.
#[must_use]
pub fn boot_id() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let id = text.trim();
    let plain = !id.is_empty() && id.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    plain.then(|| id.to_owned())
}

/// The ID in `path`, unless it is missing or not yet made ("uninitialized").
fn read_id(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let id = text.trim().to_ascii_lowercase();
    (id.len() == 32 && id.chars().all(|c| c.is_ascii_hexdigit())).then_some(id)
}

/// FNV-1a, 128 bits: it has to be the same for ever, not hard to forge.
fn from_host_name(name: &[u8]) -> String {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let hash = name.iter().fold(OFFSET, |hash, &byte| {
        (hash ^ u128::from(byte)).wrapping_mul(PRIME)
    });
    format!("{hash:032x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_host_name_never_changes() {
        assert_eq!(from_host_name(b""), "6c62272e07bb014262b821756295c58d");
        assert_eq!(from_host_name(b"a"), "d228cb696f1a8caf78912b704e4a8964");
    }

    #[test]
    fn an_id_is_stable_and_fit_for_a_path() {
        let id = machine_id();
        assert_eq!(id, machine_id());
        assert_eq!(id.len(), 32);
        assert!(id.chars().all(|c| c.is_ascii_hexdigit()));
    }

    #[test]
    fn an_uninitialized_machine_has_no_id_of_its_own() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("machine-id");
        std::fs::write(&path, "uninitialized\n").expect("write");
        assert_eq!(read_id(&path), None);
        std::fs::write(&path, "0123456789ABCDEF0123456789abcdef\n").expect("write");
        assert_eq!(
            read_id(&path).as_deref(),
            Some("0123456789abcdef0123456789abcdef")
        );
    }
}
