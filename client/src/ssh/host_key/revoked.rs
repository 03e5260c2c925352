//! `RevokedHostKeys`: a list of public keys, or a key revocation list of ssh-keygen's.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use russh::keys::{PublicKey, PublicKeyOrCertificate};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::{HostKeyError, HostKeyPolicy};

/// What a binary list begins with.
const KRL_MAGIC: &[u8] = b"SSHKRL\n\0";

impl HostKeyPolicy<'_> {
    /// Fails if a file says so, and if one cannot be used: a list that is not read protects nobody.
    pub(super) async fn check_revoked(
        &self,
        presented: &PublicKeyOrCertificate,
        key: &PublicKey,
    ) -> Result<(), HostKeyError> {
        for file in &self.config.revoked_host_keys {
            let checked = is_revoked(file, presented, key).await;
            let revoked = checked.map_err(|reason| HostKeyError::RevokedFileUnusable {
                file: file.clone(),
                reason,
            })?;
            if revoked {
                return Err(HostKeyError::InRevokedFile {
                    host: self.known.name().own.clone(),
                    file: file.clone(),
                });
            }
        }
        Ok(())
    }
}

async fn is_revoked(
    file: &Path,
    presented: &PublicKeyOrCertificate,
    key: &PublicKey,
) -> Result<bool, String> {
    let bytes = std::fs::read(file).map_err(|error| error.to_string())?;
    if bytes.starts_with(KRL_MAGIC) {
        let presented = match presented.certificate() {
            Some(certificate) => certificate.to_openssh(),
            None => key.to_openssh(),
        };
        return ask_keygen(file, presented.map_err(|error| error.to_string())?).await;
    }
    let authority = presented
        .certificate()
        .map(|certificate| certificate.signature_key().clone());
    let text = String::from_utf8(bytes).map_err(|_| "it is not text".to_owned())?;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let listed = PublicKey::from_openssh(line)
            .map_err(|error| format!("line {}: {error}", index + 1))?;
        let listed = listed.key_data();
        if listed == key.key_data() || authority.as_ref() == Some(listed) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Only ssh-keygen reads these lists in full.
async fn ask_keygen(file: &Path, key: String) -> Result<bool, String> {
    let lacking = |error: std::io::Error| format!("ssh-keygen is needed to read it: {error}");
    let mut child = Command::new("ssh-keygen")
        .arg("-Qf")
        .arg(file)
        .arg(PathBuf::from("/dev/stdin"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(lacking)?;
    if let Some(mut input) = child.stdin.take() {
        // A program that does not read is judged by what it says.
        let _ = input.write_all(format!("{key}\n").as_bytes()).await;
    }
    let output = child.wait_with_output().await.map_err(lacking)?;
    let said = String::from_utf8_lossy(&output.stdout);
    match (output.status.success(), said.contains("REVOKED")) {
        (true, false) => Ok(false),
        (false, true) => Ok(true),
        _ => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}
