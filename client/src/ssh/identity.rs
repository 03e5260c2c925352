//! The keys to try, in order.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::keys::agent::AgentIdentity;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{
    Certificate, HashAlg, PrivateKey, PublicKey, decode_secret_key, load_openssh_certificate,
    load_public_key,
};

use super::config::HostConfig;

/// A key to try.
pub(super) enum Candidate {
    Agent(AgentIdentity),
    File {
        file: IdentityFile,
        certificate: Option<Certificate>,
    },
}

/// A private key file as far as it can be read without a passphrase.
#[derive(Clone)]
pub(super) struct IdentityFile {
    pub(super) path: PathBuf,
    /// Unknown for an encrypted key of an old format without a `.pub` beside it.
    pub(super) public: Option<PublicKey>,
    pub(super) secret: Secret,
}

#[derive(Clone)]
pub(super) enum Secret {
    Open(Arc<PrivateKey>),
    /// The text, to be decrypted.
    Locked(String),
    /// Only the public key is here; the agent may have the rest.
    Absent,
}

/// What was found, and notes about what had to be left out.
pub(super) struct Candidates {
    pub(super) list: Vec<Candidate>,
    pub(super) notes: Vec<String>,
}

/// The order: agent keys that a key file names; key files somebody named; the agent's other keys
/// (unless `IdentitiesOnly`); the usual key files. ssh tries the agent's other keys before a named
/// file, and so runs into `MaxAuthTries` with a full agent.
pub(super) fn candidates(config: &HostConfig, agent: Vec<AgentIdentity>) -> Candidates {
    let mut notes = Vec::new();
    let mut files = Vec::new();
    for path in &config.identity_files {
        match load(path) {
            Ok(file) => files.push(file),
            Err(error)
                if error.kind() == io::ErrorKind::NotFound && !config.identity_files_named => {}
            Err(error) => notes.push(format!("{} (left out: {error})", path.display())),
        }
    }
    let position = |identity: &AgentIdentity| {
        let key = agent_key(identity);
        files
            .iter()
            .position(|file| file.public.as_ref().is_some_and(|p| *p.key_data() == key))
    };
    let (mut named, others): (Vec<_>, Vec<_>) = agent
        .into_iter()
        .partition(|identity| position(identity).is_some());
    named.sort_by_key(position);
    let in_agent: Vec<KeyData> = named.iter().map(agent_key).collect();
    let is_in_agent = |file: &IdentityFile| {
        file.public
            .as_ref()
            .is_some_and(|public| in_agent.contains(public.key_data()))
    };
    let certificates = certificates(config);
    let from_files: Vec<Candidate> = files
        .iter()
        .filter(|file| !matches!(file.secret, Secret::Absent))
        .flat_map(|file| {
            let belongs = |certificate: &&Certificate| {
                file.public
                    .as_ref()
                    .is_some_and(|p| p.key_data() == certificate.public_key())
            };
            let certified =
                certificates
                    .iter()
                    .filter(belongs)
                    .map(|certificate| Candidate::File {
                        file: file.clone(),
                        certificate: Some(certificate.clone()),
                    });
            let plain = (!is_in_agent(file)).then(|| Candidate::File {
                file: file.clone(),
                certificate: None,
            });
            certified.chain(plain).collect::<Vec<_>>()
        })
        .collect();
    let others = others
        .into_iter()
        .filter(|_| !config.identities_only)
        .map(Candidate::Agent);
    let named = named.into_iter().map(Candidate::Agent);
    let list = match config.identity_files_named {
        true => named.chain(from_files).chain(others).collect(),
        false => named.chain(others).chain(from_files).collect(),
    };
    Candidates { list, notes }
}

fn agent_key(identity: &AgentIdentity) -> KeyData {
    identity.public_key().key_data().clone()
}

fn certificates(config: &HostConfig) -> Vec<Certificate> {
    let beside = config
        .identity_files
        .iter()
        .map(|path| with_suffix(path, "-cert.pub"));
    let paths = config.certificate_files.iter().cloned().chain(beside);
    paths
        .filter_map(|path| load_openssh_certificate(path).ok())
        .collect()
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn load(path: &Path) -> io::Result<IdentityFile> {
    let beside = || load_public_key(with_suffix(path, ".pub")).ok();
    let with = |public, secret| IdentityFile {
        path: path.to_path_buf(),
        public,
        secret,
    };
    let metadata = match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A key that lives in the agent may have only its public half here.
            return beside()
                .map(|public| with(Some(public), Secret::Absent))
                .ok_or(error);
        }
        other => other?,
    };
    let text = std::fs::read_to_string(path)?;
    if !text.contains("PRIVATE KEY") && !text.starts_with("PuTTY-User-Key-File-") {
        let public = load_public_key(path).map_err(io::Error::other)?;
        return Ok(with(Some(public), Secret::Absent));
    }
    if metadata.mode() & 0o077 != 0 && metadata.uid() == rustix::process::getuid().as_raw() {
        return Err(io::Error::other("others can read it: chmod 600"));
    }
    if let Ok(key) = PrivateKey::from_openssh(&text) {
        let public = Some(key.public_key().clone());
        return Ok(match key.is_encrypted() {
            true => with(public, Secret::Locked(text)),
            false => with(public, Secret::Open(Arc::new(key))),
        });
    }
    match decode_secret_key(&text, None) {
        Ok(key) => Ok(with(
            Some(key.public_key().clone()),
            Secret::Open(Arc::new(key)),
        )),
        Err(_) if is_encrypted(&text) => Ok(with(beside(), Secret::Locked(text))),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// Whether a key of an older format says it is encrypted.
fn is_encrypted(text: &str) -> bool {
    text.contains("ENCRYPTED") || text.contains("Encryption: aes")
}

impl Candidate {
    /// How the key is called in messages.
    pub(super) fn label(&self) -> String {
        match self {
            Self::Agent(identity) => {
                let key = identity.public_key();
                let fingerprint = key.fingerprint(HashAlg::Sha256);
                format!("agent key {} {fingerprint}", identity.comment())
            }
            Self::File { file, certificate } => {
                let path = file.path.display();
                match certificate {
                    Some(certificate) => {
                        format!("{path} with certificate `{}`", certificate.key_id())
                    }
                    None => path.to_string(),
                }
            }
        }
    }
}
