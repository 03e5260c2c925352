//! Private key files, and what can be told of them without a passphrase.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use outlast_protocol::secret::Secret;
use russh::keys::ssh_key::Cipher;
use russh::keys::{PrivateKey, PublicKey, decode_secret_key, load_public_key};
use zeroize::Zeroizing;

use super::with_suffix;

/// A key file as read.
pub(in crate::ssh) enum KeyFile {
    Open(Box<PrivateKey>),
    Locked(Locked),
}

/// One that needs its passphrase.
pub(in crate::ssh) struct Locked(Zeroizing<String>);

impl Locked {
    /// Key derivation takes a second by design: not on this thread.
    pub(in crate::ssh) async fn unlock(&self, passphrase: Secret) -> Option<PrivateKey> {
        let text = self.0.clone();
        let decode = move || decode_secret_key(&text, Some(passphrase.reveal())).ok();
        tokio::task::spawn_blocking(decode).await.ok().flatten()
    }
}

/// The public half of a key file: from the file itself or from the one beside it; none where only
/// the passphrase would show it. As ssh, which trusts what stands beside it.
pub(super) fn public_half(path: &Path) -> io::Result<Option<PublicKey>> {
    let beside = || load_public_key(with_suffix(path, ".pub")).ok();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        // A key that lives in the agent may have only its public half here.
        Err(error) => return beside().map(Some).ok_or(error),
    };
    if !is_private(&text) {
        return load_public_key(path).map(Some).map_err(io::Error::other);
    }
    if let Some(public) = beside() {
        return Ok(Some(public));
    }
    match PrivateKey::from_openssh(text.as_bytes()) {
        Ok(key) => Ok(Some(key.public_key().clone())),
        Err(_) => Ok(decode_secret_key(&text, None)
            .ok()
            .map(|key| key.public_key().clone())),
    }
}

impl KeyFile {
    /// Reads the private half.
    pub(in crate::ssh) fn read(path: &Path) -> io::Result<Self> {
        let metadata = std::fs::metadata(path)?;
        let text = Zeroizing::new(std::fs::read_to_string(path)?);
        if !is_private(&text) {
            return Err(io::Error::other("it has no private half"));
        }
        if metadata.mode() & 0o077 != 0 && metadata.uid() == rustix::process::getuid().as_raw() {
            return Err(io::Error::other("others can read it: chmod 600"));
        }
        let locked = || Ok(Self::Locked(Locked(text.clone())));
        match PrivateKey::from_openssh(text.as_bytes()) {
            Ok(key) if key.cipher() == Cipher::TdesCbc => {
                return Err(io::Error::other(
                    "its cipher 3des-cbc is not known here: ssh-keygen -p gives it a better one",
                ));
            }
            Ok(key) if key.is_encrypted() => return locked(),
            Ok(key) => return Ok(Self::Open(Box::new(key))),
            Err(_) => {}
        }
        match decode_secret_key(&text, None) {
            Ok(key) => Ok(Self::Open(Box::new(key))),
            Err(_) if is_encrypted(&text) => locked(),
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

fn is_private(text: &str) -> bool {
    text.contains("PRIVATE KEY") || text.starts_with("PuTTY-User-Key-File-")
}

/// Whether a key of an older format says it is encrypted.
fn is_encrypted(text: &str) -> bool {
    text.contains("ENCRYPTED") || text.contains("Encryption: aes")
}
