//! The keys to try, in ssh's order (`pubkey_prepare` in `sshconnect2.c`).

mod file;

use std::path::{Path, PathBuf};

use russh::keys::agent::AgentIdentity;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKey, load_openssh_certificate};

use super::config::{HostConfig, matches_list};
use super::host_key::type_name;
pub(super) use file::{KeyFile, Locked};

/// A key to try.
#[derive(Clone)]
pub(super) struct Identity {
    /// What is offered; unknown for an encrypted key of an old format without a `.pub` beside it.
    pub(super) offer: Option<Offer>,
    pub(super) signer: SignedBy,
    /// The file it comes from, or the agent's name for it.
    name: String,
}

#[derive(Clone)]
pub(super) enum Offer {
    Plain(PublicKey),
    Certified(Box<Certificate>),
}

/// Who has the private half.
#[derive(Clone)]
pub(super) enum SignedBy {
    Agent(Box<AgentIdentity>),
    File(PathBuf),
}

/// What was found, and notes about what had to be left out.
pub(super) struct Identities {
    pub(super) list: Vec<Identity>,
    pub(super) notes: Vec<String>,
}

impl Offer {
    fn key(&self) -> KeyData {
        match self {
            Self::Plain(key) => key.key_data().clone(),
            Self::Certified(certificate) => certificate.public_key().clone(),
        }
    }

    fn is(&self, identity: &AgentIdentity) -> bool {
        match (self, identity) {
            (Self::Plain(own), AgentIdentity::PublicKey { key, .. }) => {
                own.key_data() == key.key_data()
            }
            (Self::Certified(own), AgentIdentity::Certificate { certificate, .. }) => {
                // Without its comment, which the agent does not have.
                own.to_bytes().ok() == certificate.to_bytes().ok()
            }
            _ => false,
        }
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.key().algorithm()
    }
}

impl Identity {
    fn in_agent(identity: AgentIdentity) -> Self {
        let offer = match &identity {
            AgentIdentity::PublicKey { key, .. } => Offer::Plain(key.clone()),
            AgentIdentity::Certificate { certificate, .. } => {
                Offer::Certified(Box::new(certificate.clone()))
            }
        };
        Self {
            offer: Some(offer),
            name: identity.comment().to_owned(),
            signer: SignedBy::Agent(Box::new(identity)),
        }
    }

    fn in_file(path: &Path, offer: Option<Offer>) -> Self {
        Self {
            offer,
            signer: SignedBy::File(path.to_path_buf()),
            name: path.display().to_string(),
        }
    }

    /// How the key is called in messages, as in ssh's own log.
    pub(super) fn label(&self) -> String {
        let place = match self.signer {
            SignedBy::Agent(_) => " (agent)",
            SignedBy::File(_) => "",
        };
        match &self.offer {
            None => format!("{}{place}", self.name),
            Some(offer) => {
                let kind = match offer {
                    Offer::Plain(_) => "",
                    Offer::Certified(_) => "-CERT",
                };
                let key = offer.key();
                let fingerprint = key.fingerprint(HashAlg::Sha256);
                let of = type_name(&key.algorithm());
                format!("{} {of}{kind} {fingerprint}{place}", self.name)
            }
        }
    }
}

/// Certificates somebody named, then the agent's keys that a key file names, then (unless
/// `IdentitiesOnly`) the agent's others, then the key files, each with the certificate beside it.
pub(super) fn identities(config: &HostConfig, agent: Vec<AgentIdentity>) -> Identities {
    let mut notes = Vec::new();
    let mut files = key_files(config, &mut notes);
    let mut list = named_certificates(config, &mut notes);
    let mut others = Vec::new();
    for identity in agent {
        let is_it = |file: &Identity| file.offer.as_ref().is_some_and(|it| it.is(&identity));
        match files.iter().position(is_it) {
            Some(position) => {
                let mut file = files.remove(position);
                file.signer = SignedBy::Agent(Box::new(identity));
                list.push(file);
            }
            None if config.identities_only => {}
            None => others.push(Identity::in_agent(identity)),
        }
    }
    list.extend(others);
    list.extend(files);
    find_signers(&mut list);
    list.retain(|identity| is_usable(config, identity, &mut notes));
    Identities { list, notes }
}

/// The private half of a certificate from a file may be in the agent, or in a key file.
fn find_signers(list: &mut [Identity]) {
    let plain: Vec<Identity> = list
        .iter()
        .filter(|identity| !matches!(identity.offer, Some(Offer::Certified(_))))
        .cloned()
        .collect();
    for identity in list.iter_mut() {
        let (Some(Offer::Certified(certificate)), SignedBy::File(path)) =
            (&identity.offer, &identity.signer)
        else {
            continue;
        };
        let fits = |other: &&Identity| {
            let key = other.offer.as_ref().map(Offer::key);
            key.as_ref() == Some(certificate.public_key())
        };
        // A key file without a public half is recognised by its name.
        let beside = |other: &&Identity| match &other.signer {
            SignedBy::File(file) => {
                other.offer.is_none() && with_suffix(file, "-cert.pub") == *path
            }
            SignedBy::Agent(_) => false,
        };
        if let Some(owner) = plain.iter().find(fits).or(plain.iter().find(beside)) {
            identity.signer = owner.signer.clone();
        }
    }
}

/// Each key file, and behind it the certificate beside it unless certificates are named.
fn key_files(config: &HostConfig, notes: &mut Vec<String>) -> Vec<Identity> {
    let mut files = Vec::new();
    for path in &config.identity_files {
        match file::public_half(path) {
            Ok(public) => files.push(Identity::in_file(path, public.map(Offer::Plain))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if config.identity_files_named {
                    notes.push(format!("{} (there is no such file)", path.display()));
                }
            }
            Err(error) => notes.push(format!("{} (left out: {error})", path.display())),
        }
        let certificate = load_openssh_certificate(with_suffix(path, "-cert.pub"));
        if let (true, Ok(certificate)) = (config.certificate_files.is_empty(), certificate)
            && certificate.cert_type() == CertType::User
        {
            let offer = Offer::Certified(Box::new(certificate));
            files.push(Identity::in_file(path, Some(offer)));
        }
    }
    files
}

fn named_certificates(config: &HostConfig, notes: &mut Vec<String>) -> Vec<Identity> {
    let mut certificates = Vec::new();
    for path in &config.certificate_files {
        match load_openssh_certificate(path) {
            Ok(certificate) if certificate.cert_type() == CertType::User => {
                let offer = Offer::Certified(Box::new(certificate));
                certificates.push(Identity::in_file(path, Some(offer)));
            }
            Ok(_) => notes.push(format!("{} (not a user's certificate)", path.display())),
            Err(error) => notes.push(format!("{} (left out: {error})", path.display())),
        }
    }
    certificates
}

/// Whether the configuration lets it be used: `PubkeyAcceptedAlgorithms`, `RequiredRSASize`.
fn is_usable(config: &HostConfig, identity: &Identity, notes: &mut Vec<String>) -> bool {
    let Some(offer) = &identity.offer else {
        return true;
    };
    let key = offer.key();
    if let KeyData::Rsa(rsa) = &key
        && rsa.key_size() < config.required_rsa_size
    {
        notes.push(format!("{} (left out: RequiredRSASize)", identity.label()));
        return false;
    }
    let is_sk = matches!(key, KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_));
    if is_sk && matches!(identity.signer, SignedBy::File(_)) {
        notes.push(format!("{} ({SK})", identity.label()));
        return false;
    }
    let accepted = Accepts::new(config.pubkey_accepted_algorithms.as_deref());
    let algorithm = key.algorithm();
    let hashes = match algorithm {
        Algorithm::Rsa { .. } => vec![Some(HashAlg::Sha512), Some(HashAlg::Sha256)],
        _ => vec![None],
    };
    let is_certified = matches!(offer, Offer::Certified(_));
    let usable = hashes
        .into_iter()
        .any(|hash| accepted.takes(&algorithm, hash, is_certified));
    if !usable {
        let label = identity.label();
        notes.push(format!("{label} (left out: PubkeyAcceptedAlgorithms)"));
    }
    usable
}

/// What to do about a key that only a token can use.
const SK: &str = "left out: a security key is used through the agent; load it with ssh-add";

/// `PubkeyAcceptedAlgorithms`.
pub(super) struct Accepts<'a>(Option<&'a str>);

impl<'a> Accepts<'a> {
    pub(super) fn new(list: Option<&'a str>) -> Self {
        Self(list)
    }

    /// Whether a key may be used with that hash.
    pub(super) fn takes(
        &self,
        algorithm: &Algorithm,
        hash: Option<HashAlg>,
        is_certified: bool,
    ) -> bool {
        let name = match (algorithm, is_certified) {
            (Algorithm::Rsa { .. }, _) => Algorithm::Rsa { hash }.to_string(),
            (Algorithm::SkEd25519, true) => "sk-ssh-ed25519".to_owned(),
            (Algorithm::SkEcdsaSha2NistP256, true) => "sk-ecdsa-sha2-nistp256".to_owned(),
            (algorithm, _) => algorithm.to_string(),
        };
        let name = match is_certified {
            true => format!("{name}-cert-v01@openssh.com"),
            false => name,
        };
        match self.0 {
            None => true,
            Some(list) => match list.strip_prefix('-') {
                Some(removed) => !matches_list(&name, removed.split(',')),
                None if list.starts_with(['+', '^']) => true,
                None => matches_list(&name, list.split(',')),
            },
        }
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
