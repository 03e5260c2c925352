//! Whether to believe that the host is who it should be.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Certificate, HashAlg, PublicKey, PublicKeyOrCertificate};
use thiserror::Error;

use super::config::{HostConfig, StrictHostKeyChecking, matches_pattern};
use super::known_hosts::{KnownHosts, Place, RecordedName, Verdict, remember};
use super::prompt::{Answer, Prompt, Question};

#[derive(Clone, Debug, Error)]
pub enum HostKeyError {
    #[error(
        "the host key of {host} has CHANGED: it presents {key_type} {fingerprint}, \
         which differs from {}:{line}", file.display()
    )]
    Changed {
        host: String,
        key_type: String,
        fingerprint: String,
        file: PathBuf,
        line: usize,
    },
    #[error("the key that {host} presents is revoked by {}:{line}", file.display())]
    Revoked {
        host: String,
        file: PathBuf,
        line: usize,
    },
    #[error("the host {host} is unknown: it presents {key_type} {fingerprint}")]
    Unknown {
        host: String,
        key_type: String,
        fingerprint: String,
        /// Whether it could have been asked about had there been a terminal.
        askable: bool,
    },
    #[error("the host key of {host} was declined")]
    Declined { host: String },
}

/// The policy for one connection.
pub(super) struct HostKeyPolicy<'a> {
    config: &'a HostConfig,
    name: RecordedName,
    known: KnownHosts,
}

impl<'a> HostKeyPolicy<'a> {
    pub(super) fn new(config: &'a HostConfig) -> Self {
        // An alias is looked up as it is, without the port, as in ssh.
        let name = match &config.host_key_alias {
            Some(alias) => RecordedName::new(alias, 22),
            None => RecordedName::new(&config.host, config.port),
        };
        let files = config
            .user_known_hosts
            .iter()
            .chain(&config.global_known_hosts);
        let known = KnownHosts::read(files, &name);
        Self {
            config,
            name,
            known,
        }
    }

    pub(super) fn known(&self) -> &KnownHosts {
        &self.known
    }

    /// `Ok` carries a warning where the key was accepted but could not be recorded.
    pub(super) async fn check(
        &self,
        presented: &PublicKeyOrCertificate,
        address: &str,
        prompt: &dyn Prompt,
    ) -> Result<Option<String>, HostKeyError> {
        if let Some(certificate) = presented.certificate() {
            let keys = [certificate.signature_key(), certificate.public_key()];
            if let Some(place) = keys.iter().find_map(|key| self.known.revocation(key)) {
                return Err(self.revoked(place.clone()));
            }
            if self.known.is_authority(certificate.signature_key()) && self.vouches(certificate) {
                return Ok(None);
            }
        }
        // A certificate nobody vouches for is worth its bare key, as in ssh.
        let key = presented.public_key();
        match self.known.verdict(key.key_data()) {
            Verdict::Known => Ok(None),
            Verdict::Revoked(place) => Err(self.revoked(place)),
            Verdict::Changed(place) => Err(self.changed(&key, place)),
            Verdict::OtherType(place) => self.unknown(&key, Some(place), address, prompt).await,
            Verdict::Unknown => self.unknown(&key, None, address, prompt).await,
        }
    }

    /// Whether a certificate of a trusted authority holds for this host, now.
    fn vouches(&self, certificate: &Certificate) -> bool {
        let host = self
            .config
            .host_key_alias
            .as_deref()
            .unwrap_or(&self.config.host);
        let principals = certificate.valid_principals();
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |now| now.as_secs());
        let authority = certificate.signature_key().fingerprint(HashAlg::Sha256);
        certificate.cert_type() == CertType::Host
            // Empty means any host; host certificates may hold patterns.
            && (principals.is_empty()
                || principals.iter().any(|principal| matches_pattern(host, principal)))
            // None is defined for hosts, and one that is not understood must be refused.
            && certificate.critical_options().is_empty()
            && certificate.validate_at(now, [&authority]).is_ok()
    }

    async fn unknown(
        &self,
        key: &PublicKey,
        other_type: Option<Place>,
        address: &str,
        prompt: &dyn Prompt,
    ) -> Result<Option<String>, HostKeyError> {
        match self.config.strict_host_key_checking {
            StrictHostKeyChecking::Yes => return Err(self.not_known(key, false)),
            StrictHostKeyChecking::Ask => {
                self.ask(key, other_type.as_ref(), address, prompt).await?;
            }
            // Whoever trusts on first use has been here before: another type is not a first use.
            StrictHostKeyChecking::AcceptNew | StrictHostKeyChecking::No => {
                if let Some(place) = other_type {
                    return Err(self.changed(key, place));
                }
            }
        }
        let Some(file) = self.config.user_known_hosts.first() else {
            return Ok(None);
        };
        let recorded = remember(file, &self.name, key, self.config.hash_known_hosts);
        Ok(recorded.err().map(|error| {
            format!(
                "the host key could not be recorded in {}: {error}",
                file.display()
            )
        }))
    }

    async fn ask(
        &self,
        key: &PublicKey,
        other_type: Option<&Place>,
        address: &str,
        prompt: &dyn Prompt,
    ) -> Result<(), HostKeyError> {
        if self.config.batch_mode {
            return Err(self.not_known(key, true));
        }
        let fingerprint = fingerprint(key);
        let key_type = key.algorithm().to_string();
        let other = other_type.map(|place| format!("{}:{}", place.file.display(), place.line));
        let question = Question::HostKey {
            host: &self.config.host,
            port: self.config.port,
            address,
            key_type: &key_type,
            fingerprint: &fingerprint,
            other_type_known: other.as_deref(),
        };
        match prompt.ask(question).await {
            Ok(Answer::Yes) => Ok(()),
            Ok(Answer::Text(text)) if text.trim() == fingerprint => Ok(()),
            Ok(_) => Err(HostKeyError::Declined {
                host: self.name.own.clone(),
            }),
            Err(_) => Err(self.not_known(key, true)),
        }
    }

    fn not_known(&self, key: &PublicKey, askable: bool) -> HostKeyError {
        HostKeyError::Unknown {
            host: self.name.own.clone(),
            key_type: key.algorithm().to_string(),
            fingerprint: fingerprint(key),
            askable,
        }
    }

    fn changed(&self, key: &PublicKey, place: Place) -> HostKeyError {
        HostKeyError::Changed {
            host: self.name.own.clone(),
            key_type: key.algorithm().to_string(),
            fingerprint: fingerprint(key),
            file: place.file,
            line: place.line,
        }
    }

    fn revoked(&self, place: Place) -> HostKeyError {
        HostKeyError::Revoked {
            host: self.name.own.clone(),
            file: place.file,
            line: place.line,
        }
    }
}

fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}
