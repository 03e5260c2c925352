//! Throw-away keys: made for one demo, gone with its directory.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use russh::keys::key::safe_rng;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey};

use crate::failure::{Context as _, Failure};

pub(super) fn generate() -> Result<PrivateKey, Failure> {
    PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).context("making a key")
}

/// Writes a private key that nobody else can read.
pub(super) fn write(key: &PrivateKey, path: &Path) -> Result<(), Failure> {
    let text = key.to_openssh(LineEnding::LF).context("encoding a key")?;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .context("writing a key")?;
    std::io::Write::write_all(&mut file, text.as_bytes()).context("writing a key")
}
