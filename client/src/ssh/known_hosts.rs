//! What the known_hosts files say about one host.
//!
//! `russh::keys::check_known_hosts` is no policy: it accepts `@revoked` keys, ignores
//! `@cert-authority` and patterns, and fails on one bad line. Here its parser's parts are used and
//! the decisions are ours.

use std::fs::OpenOptions;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use russh::keys::ssh_key::known_hosts::{HostPatterns, Marker};
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, PublicKey};
use sha1::Sha1;

use super::config::matches_list;

/// The names under which a host may be recorded.
#[derive(Clone, Debug)]
pub(super) struct RecordedName {
    /// `host`, or `[host]:port` where the port is not 22.
    pub(super) own: String,
    /// The bare name of a host on another port: a matching key there is believed, as in ssh, but
    /// a differing one says nothing.
    bare: Option<String>,
}

impl RecordedName {
    pub(super) fn new(host: &str, port: u16) -> Self {
        let host = host.to_ascii_lowercase();
        match port {
            22 => Self {
                own: host,
                bare: None,
            },
            _ => Self {
                own: format!("[{host}]:{port}"),
                bare: Some(host),
            },
        }
    }
}

/// A line about the host in question.
#[derive(Debug)]
struct Entry {
    marker: Option<Marker>,
    key: KeyData,
    /// Whether the line matched the host's own name, not just its bare one.
    own: bool,
    place: Place,
}

/// Where a line stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Place {
    pub(super) file: PathBuf,
    pub(super) line: usize,
}

/// The lines about one host, from all files.
#[derive(Debug)]
pub(super) struct KnownHosts {
    entries: Vec<Entry>,
}

#[derive(Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    Known,
    Revoked(Place),
    /// Another key of this type is recorded.
    Changed(Place),
    /// Only keys of other types are recorded.
    OtherType(Place),
    Unknown,
}

impl KnownHosts {
    /// Reads the files. One that is absent or cannot be read says nothing, which can only make a
    /// host unknown, never known. They are small and local: no need for another thread.
    pub(super) fn read<'a>(
        files: impl IntoIterator<Item = &'a PathBuf>,
        name: &RecordedName,
    ) -> Self {
        let mut entries = Vec::new();
        for file in files {
            let Ok(bytes) = std::fs::read(file) else {
                continue;
            };
            let text = String::from_utf8_lossy(&bytes);
            for (index, line) in text.lines().enumerate() {
                let place = || Place {
                    file: file.clone(),
                    line: index + 1,
                };
                entries.extend(parse(line, name).map(|(marker, key, own)| Entry {
                    marker,
                    key,
                    own,
                    place: place(),
                }));
            }
        }
        Self { entries }
    }

    /// The key itself, not its comment, is compared.
    pub(super) fn verdict(&self, key: &KeyData) -> Verdict {
        if let Some(place) = self.revocation(key) {
            return Verdict::Revoked(place.clone());
        }
        let plain = || self.entries.iter().filter(|entry| entry.marker.is_none());
        if plain().any(|entry| entry.key == *key) {
            return Verdict::Known;
        }
        let same_type = |entry: &&Entry| entry.key.algorithm() == key.algorithm();
        if let Some(entry) = plain().filter(|entry| entry.own).find(same_type) {
            return Verdict::Changed(entry.place.clone());
        }
        match plain().find(|entry| entry.own) {
            Some(entry) => Verdict::OtherType(entry.place.clone()),
            None => Verdict::Unknown,
        }
    }

    pub(super) fn revocation(&self, key: &KeyData) -> Option<&Place> {
        let mut revoked = self
            .entries
            .iter()
            .filter(|e| matches!(e.marker, Some(Marker::Revoked)));
        revoked
            .find(|entry| entry.key == *key)
            .map(|entry| &entry.place)
    }

    pub(super) fn has_authorities(&self) -> bool {
        self.authorities().next().is_some()
    }

    pub(super) fn is_authority(&self, key: &KeyData) -> bool {
        self.authorities().any(|authority| authority == key)
    }

    fn authorities(&self) -> impl Iterator<Item = &KeyData> {
        let authority = |e: &&Entry| matches!(e.marker, Some(Marker::CertAuthority));
        self.entries
            .iter()
            .filter(authority)
            .map(|entry| &entry.key)
    }

    /// The types of key recorded for the host, to be offered first: otherwise a server with several
    /// keys might present one we have never seen.
    pub(super) fn key_types(&self) -> Vec<Algorithm> {
        let plain = self.entries.iter().filter(|entry| entry.marker.is_none());
        plain.map(|entry| entry.key.algorithm()).collect()
    }
}

/// A line, if it is about the host; anything unintelligible is not.
fn parse(line: &str, name: &RecordedName) -> Option<(Option<Marker>, KeyData, bool)> {
    let mut fields = line.split_whitespace();
    let first = fields.next().filter(|first| !first.starts_with('#'))?;
    let (marker, hosts) = match first.starts_with('@') {
        true => (Some(first.parse::<Marker>().ok()?), fields.next()?),
        false => (None, first),
    };
    let patterns: HostPatterns = hosts.parse().ok()?;
    let own = matches_name(&patterns, &name.own);
    if !own
        && !name
            .bare
            .as_deref()
            .is_some_and(|bare| matches_name(&patterns, bare))
    {
        return None;
    }
    let key = PublicKey::from_openssh(&format!("{} {}", fields.next()?, fields.next()?)).ok()?;
    Some((marker, key.key_data().clone(), own))
}

fn matches_name(patterns: &HostPatterns, name: &str) -> bool {
    match patterns {
        HostPatterns::Patterns(patterns) => {
            let patterns: Vec<String> = patterns.iter().map(|p| p.to_ascii_lowercase()).collect();
            matches_list(name, patterns.iter().map(String::as_str))
        }
        HostPatterns::HashedName { salt, hash } => hashed(salt, name).is_some_and(|h| h == *hash),
    }
}

fn hashed(salt: &[u8], name: &str) -> Option<[u8; 20]> {
    let mut mac = Hmac::<Sha1>::new_from_slice(salt).ok()?;
    mac.update(name.as_bytes());
    Some(mac.finalize().into_bytes().into())
}

/// Records a key, as one append: two processes that learn hosts at once both keep their line.
pub(super) fn remember(
    file: &Path,
    name: &RecordedName,
    key: &PublicKey,
    hash: bool,
) -> io::Result<()> {
    let host = match hash {
        false => name.own.clone(),
        true => {
            let mut salt = [0; 20];
            rustix::rand::getrandom(&mut salt, rustix::rand::GetRandomFlags::empty())?;
            let hash = hashed(&salt, &name.own).ok_or(io::ErrorKind::InvalidInput)?;
            format!("|1|{}|{}", BASE64.encode(salt), BASE64.encode(hash))
        }
    };
    // Without its comment: that is the server's text.
    let key = PublicKey::from(key.key_data().clone())
        .to_openssh()
        .map_err(io::Error::other)?;
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
    let separator = if ends_within_line(&mut opened)? {
        "\n"
    } else {
        ""
    };
    opened.write_all(format!("{separator}{host} {}\n", key.trim()).as_bytes())
}

/// Whether somebody's editor left the last line without its end.
fn ends_within_line(file: &mut std::fs::File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

#[cfg(test)]
mod tests;
