//! What the known_hosts files say about one host.
//!
//! `russh::keys::check_known_hosts` is no policy: it accepts `@revoked` keys, ignores
//! `@cert-authority` and patterns, and fails on one bad line. Here its parser's parts are used and
//! the decisions are ours, taken as OpenSSH takes them (`hostfile.c`).

mod record;

use std::path::PathBuf;

use russh::keys::ssh_key::known_hosts::{HostPatterns, Marker};
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, PublicKey};

use super::config::matches_list;
use record::hashed;
pub(super) use record::remember;

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

    /// A name that is looked up as it is, whatever the port.
    pub(super) fn alias(name: &str) -> Self {
        Self {
            own: name.to_owned(),
            bare: None,
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

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// The lines about one host, from all files.
#[derive(Debug)]
pub(super) struct KnownHosts {
    name: RecordedName,
    entries: Vec<Entry>,
}

#[derive(Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    Known(Place),
    Revoked(Place),
    /// Other keys are recorded, of whatever type: ssh makes no difference either.
    Changed(Place),
    Unknown,
}

impl KnownHosts {
    /// Reads the files. One that is absent or cannot be read says nothing, which can only make a
    /// host unknown, never known. They are small and local: no need for another thread.
    pub(super) fn read<'a>(
        files: impl IntoIterator<Item = &'a PathBuf>,
        name: RecordedName,
    ) -> Self {
        let mut known = Self {
            name,
            entries: Vec::new(),
        };
        for file in files {
            if let Ok(bytes) = std::fs::read(file) {
                known.take(file, &String::from_utf8_lossy(&bytes));
            }
        }
        known
    }

    /// Takes in lines as of a file.
    pub(super) fn take(&mut self, file: &std::path::Path, text: &str) {
        for (index, line) in text.lines().enumerate() {
            let place = || Place {
                file: file.to_path_buf(),
                line: index + 1,
            };
            let parsed = parse(line, &self.name);
            self.entries.extend(parsed.map(|(marker, key, own)| Entry {
                marker,
                key,
                own,
                place: place(),
            }));
        }
    }

    /// The name they are about.
    pub(super) fn name(&self) -> &RecordedName {
        &self.name
    }

    /// The key itself, not its comment, is compared.
    pub(super) fn verdict(&self, key: &KeyData) -> Verdict {
        if let Some(place) = self.revocation(key) {
            return Verdict::Revoked(place.clone());
        }
        let plain = || self.entries.iter().filter(|entry| entry.marker.is_none());
        if let Some(entry) = plain().find(|entry| entry.key == *key) {
            return Verdict::Known(entry.place.clone());
        }
        match plain().rfind(|entry| entry.own) {
            Some(entry) => Verdict::Changed(entry.place.clone()),
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

/// The other names under which these files have this key, each with its place.
pub(super) fn other_names<'a>(
    files: impl IntoIterator<Item = &'a PathBuf>,
    key: &KeyData,
) -> Vec<String> {
    let mut names = Vec::new();
    for file in files {
        let Ok(bytes) = std::fs::read(file) else {
            continue;
        };
        for (index, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
            let Some((None, hosts, its_key)) = fields(line) else {
                continue;
            };
            if its_key == *key {
                let hosts = match hosts.starts_with('|') {
                    true => "[hashed name]",
                    false => hosts,
                };
                names.push(format!("{}:{}: {hosts}", file.display(), index + 1));
            }
        }
    }
    names
}

/// A line, if it is about the host; anything unintelligible is not.
fn parse(line: &str, name: &RecordedName) -> Option<(Option<Marker>, KeyData, bool)> {
    let (marker, hosts, key) = fields(line)?;
    let patterns: HostPatterns = hosts.parse().ok()?;
    let own = matches_name(&patterns, &name.own);
    let bare = || {
        let bare = name.bare.as_deref();
        bare.is_some_and(|bare| matches_name(&patterns, bare))
    };
    (own || bare()).then_some((marker, key, own))
}

/// What stands in a line.
fn fields(line: &str) -> Option<(Option<Marker>, &str, KeyData)> {
    let mut fields = line.split_whitespace();
    let first = fields.next().filter(|first| !first.starts_with('#'))?;
    let (marker, hosts) = match first.starts_with('@') {
        true => (Some(first.parse::<Marker>().ok()?), fields.next()?),
        false => (None, first),
    };
    let key = PublicKey::from_openssh(&format!("{} {}", fields.next()?, fields.next()?)).ok()?;
    Some((marker, hosts, key.key_data().clone()))
}

fn matches_name(patterns: &HostPatterns, name: &str) -> bool {
    match patterns {
        HostPatterns::Patterns(patterns) => {
            let patterns: Vec<String> = patterns.iter().map(|p| p.to_ascii_lowercase()).collect();
            let name = name.to_ascii_lowercase();
            matches_list(&name, patterns.iter().map(String::as_str))
        }
        HostPatterns::HashedName { salt, hash } => hashed(salt, name).is_some_and(|h| h == *hash),
    }
}

#[cfg(test)]
mod tests;
