//! Public keys as sshd's own log names them, so that its lines and ours can be brought together.

use base64ct::{Base64, Base64Unpadded, Encoding as _};
use hmac_sha256::Hash;

/// What a public key is known by.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    /// `SHA256:…`, of a certificate that of the key in it.
    pub(super) key: String,
    /// A certificate's serial number and key ID.
    pub(super) certificate: Option<(u64, Vec<u8>)>,
}

/// Of a key in base64, as `authorized_keys` has it.
pub(super) fn of(base64: &[u8]) -> Option<Fingerprint> {
    let blob = Base64::decode_vec(str::from_utf8(base64).ok()?).ok()?;
    let (kind, rest) = string(&blob)?;
    let Some((plain, fields)) = certified(kind) else {
        let key = digest(&blob);
        let certificate = None;
        return Some(Fingerprint { key, certificate });
    };
    let (_nonce, rest) = string(rest)?;
    let mut behind = rest;
    for _ in 0..fields {
        behind = string(behind)?.1;
    }
    let fields = rest.get(..rest.len().checked_sub(behind.len())?)?;
    let (serial, behind) = behind.split_first_chunk::<8>()?;
    let (_type, behind) = behind.split_first_chunk::<4>()?;
    let (id, _) = string(behind)?;
    let length = u32::try_from(plain.len()).ok()?.to_be_bytes();
    let key = [&length[..], plain.as_bytes(), fields].concat();
    Some(Fingerprint {
        key: digest(&key),
        certificate: Some((u64::from_be_bytes(*serial), id.to_vec())),
    })
}

fn digest(blob: &[u8]) -> String {
    format!(
        "SHA256:{}",
        Base64Unpadded::encode_string(&Hash::hash(blob))
    )
}

fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// The type of the key in a certificate of that type, and how many fields it has.
fn certified(kind: &[u8]) -> Option<(&'static str, usize)> {
    Some(match kind {
        b"ssh-ed25519-cert-v01@openssh.com" => ("ssh-ed25519", 1),
        b"ssh-rsa-cert-v01@openssh.com" => ("ssh-rsa", 2),
        b"ecdsa-sha2-nistp256-cert-v01@openssh.com" => ("ecdsa-sha2-nistp256", 2),
        b"ecdsa-sha2-nistp384-cert-v01@openssh.com" => ("ecdsa-sha2-nistp384", 2),
        b"ecdsa-sha2-nistp521-cert-v01@openssh.com" => ("ecdsa-sha2-nistp521", 2),
        b"sk-ssh-ed25519-cert-v01@openssh.com" => ("sk-ssh-ed25519@openssh.com", 2),
        b"sk-ecdsa-sha2-nistp256-cert-v01@openssh.com" => ("sk-ecdsa-sha2-nistp256@openssh.com", 3),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;

    fn keygen(directory: &Path, arguments: &[&str]) -> String {
        let ran = Command::new("ssh-keygen")
            .args(arguments)
            .current_dir(directory)
            .output()
            .unwrap();
        assert!(ran.status.success(), "{arguments:?}: {ran:?}");
        String::from_utf8(ran.stdout).unwrap()
    }

    fn fingerprint(directory: &Path, file: &str) -> Fingerprint {
        let text = std::fs::read_to_string(directory.join(file)).unwrap();
        of(text.split(' ').nth(1).unwrap().as_bytes()).unwrap()
    }

    #[test]
    fn keys_and_certificates_are_named_as_openssh_names_them() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        keygen(at, &["-q", "-t", "ed25519", "-N", "", "-f", "ca"]);
        for (kind, bits) in [
            ("ed25519", "256"),
            ("rsa", "1024"),
            ("ecdsa", "256"),
            ("ecdsa", "384"),
            ("ecdsa", "521"),
        ] {
            let name = format!("{kind}{bits}");
            let (plain, signed) = (format!("{name}.pub"), format!("{name}-cert.pub"));
            keygen(at, &["-q", "-t", kind, "-b", bits, "-N", "", "-f", &name]);
            keygen(
                at,
                &[
                    "-q", "-s", "ca", "-I", "an id", "-z", "77", "-n", "u", &plain,
                ],
            );
            // "256 SHA256:… comment (ED25519)"
            let listed = keygen(at, &["-l", "-f", &plain]);
            let expected = listed.split(' ').nth(1).unwrap().to_owned();
            let found = fingerprint(at, &plain);
            assert_eq!((found.key, found.certificate), (expected.clone(), None));
            let found = fingerprint(at, &signed);
            let certificate = Some((77, b"an id".to_vec()));
            assert_eq!((found.key, found.certificate), (expected, certificate));
        }
    }

    #[test]
    fn what_is_no_key_has_none() {
        for bad in ["", "%%%", "AAAA", "AAAAIA=="] {
            assert_eq!(of(bad.as_bytes()), None, "{bad}");
        }
        let text = b"\0\0\0\x20ssh-ed25519-cert-v01@openssh.com\0\0\0\x02xy\0\0\0\x01";
        assert_eq!(of(Base64::encode_string(text).as_bytes()), None);
    }
}
