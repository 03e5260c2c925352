//! Writing a host's key down.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use russh::keys::PublicKey;
use sha1::Sha1;

pub(super) fn hashed(salt: &[u8], name: &str) -> Option<[u8; 20]> {
    let mut mac = Hmac::<Sha1>::new_from_slice(salt).ok()?;
    mac.update(name.as_bytes());
    Some(mac.finalize().into_bytes().into())
}

/// Records a key under the names, as one append: two processes that learn hosts at once both keep
/// their line.
pub(in crate::ssh) fn remember(
    file: &Path,
    names: &[&str],
    key: &PublicKey,
    hash: bool,
) -> io::Result<()> {
    // Without its comment: that is the server's text.
    let key = PublicKey::from(key.key_data().clone())
        .to_openssh()
        .map_err(io::Error::other)?;
    let mut lines = String::new();
    if hash {
        for name in names {
            lines.push_str(&format!("{} {}\n", hidden(name)?, key.trim()));
        }
    } else {
        lines = format!("{} {}\n", names.join(","), key.trim());
    }
    if let Some(parent) = file.parent() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)?;
    }
    let mut opened = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(file)?;
    if ends_within_line(&mut opened)? {
        lines.insert(0, '\n');
    }
    append(&mut opened, lines.as_bytes())
}

/// A name nobody can read out of the file.
fn hidden(name: &str) -> io::Result<String> {
    let mut salt = [0; 20];
    rustix::rand::getrandom(&mut salt, rustix::rand::GetRandomFlags::empty())?;
    let hash = hashed(&salt, name).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(format!(
        "|1|{}|{}",
        BASE64.encode(salt),
        BASE64.encode(hash)
    ))
}

/// All of it or nothing: half a key on a full disk would be in the way of the next line.
fn append(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    let before = file.metadata()?.len();
    let written = file.write(bytes)?;
    if written == bytes.len() {
        return Ok(());
    }
    let ours = before.saturating_add(u64::try_from(written).unwrap_or_default());
    if file.metadata()?.len() == ours {
        file.set_len(before)?;
    }
    Err(io::ErrorKind::StorageFull.into())
}

/// Whether somebody's editor left the last line without its end.
fn ends_within_line(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}
