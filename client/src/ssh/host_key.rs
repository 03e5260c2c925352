//! Whether to believe that the host is who it should be: decided as OpenSSH decides it
//! (`check_host_key` in `sshconnect.c`), but a changed or revoked key is refused whatever
//! `StrictHostKeyChecking` says.

mod command;
mod error;
mod revoked;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKey, PublicKeyOrCertificate};

use super::config::{HostConfig, StrictHostKeyChecking, matches_list, matches_pattern};
use super::known_hosts::{KnownHosts, Place, RecordedName, Verdict, other_names, remember};
use super::prompt::{Answer, Prompt, Question};
pub use error::HostKeyError;

/// The policy for one connection.
pub(super) struct HostKeyPolicy<'a> {
    config: &'a HostConfig,
    /// Where the connection goes to, if that is known.
    address: Option<IpAddr>,
    known: KnownHosts,
    /// The same under the address, where `CheckHostIP` wants it.
    of_address: Option<KnownHosts>,
}

/// What the person should hear, in order.
type Notes = Vec<String>;

impl<'a> HostKeyPolicy<'a> {
    pub(super) async fn read(
        config: &'a HostConfig,
        address: Option<IpAddr>,
    ) -> Result<Self, HostKeyError> {
        let name = match &config.host_key_alias {
            Some(alias) => RecordedName::alias(alias),
            None => RecordedName::new(&config.host, config.port),
        };
        let checked = address.filter(|address| {
            config.check_host_ip && !address.is_loopback() && config.host != address.to_string()
        });
        let of_address = checked.map(|address| {
            let name = RecordedName::new(&address.to_string(), config.port);
            KnownHosts::read(files(config), RecordedName::alias(&name.own))
        });
        let mut policy = Self {
            config,
            address,
            known: KnownHosts::read(files(config), name),
            of_address,
        };
        policy.ask_command("ORDER", None).await?;
        Ok(policy)
    }

    pub(super) fn known(&self) -> &KnownHosts {
        &self.known
    }

    /// `Ok` carries what the person should hear of it.
    pub(super) async fn check(
        &mut self,
        presented: &PublicKeyOrCertificate,
        prompt: &dyn Prompt,
    ) -> Result<Notes, HostKeyError> {
        let is_here = self.address.is_some_and(|address| address.is_loopback());
        if self.config.no_host_authentication_for_localhost
            && is_here
            && self.config.host_key_alias.is_none()
        {
            return Ok(Notes::new());
        }
        let key = presented.public_key();
        self.check_revoked(presented, &key).await?;
        self.ask_command("HOSTNAME", Some(&key)).await?;
        if let Some(certificate) = presented.certificate() {
            let keys = [certificate.signature_key(), certificate.public_key()];
            if let Some(place) = keys.iter().find_map(|key| self.known.revocation(key)) {
                return Err(self.revoked(place.clone()));
            }
            if self.known.is_authority(certificate.signature_key()) && self.vouches(certificate) {
                return Ok(Notes::new());
            }
        }
        // A certificate nobody vouches for is worth its bare key, as in ssh.
        let verdict = self.known.verdict(key.key_data());
        let of_address = self
            .of_address
            .as_ref()
            .map(|known| known.verdict(key.key_data()));
        match (verdict, of_address) {
            (Verdict::Revoked(place), _) | (_, Some(Verdict::Revoked(place))) => {
                Err(self.revoked(place))
            }
            (Verdict::Changed(place), _) => Err(self.changed(&key, place)),
            (Verdict::Known(_), None | Some(Verdict::Known(_))) => Ok(Notes::new()),
            (Verdict::Known(_), Some(Verdict::Unknown)) => {
                let name = self.of_address.as_ref().map(|known| &known.name().own);
                Ok(self.record(&key, name.into_iter().map(String::as_str).collect()))
            }
            (Verdict::Known(place), Some(Verdict::Changed(other))) => {
                self.differs(&key, &other, Some(&place), prompt).await
            }
            (Verdict::Unknown, of_address) => self.unknown(&key, of_address, prompt).await,
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
            // Host certificates may hold patterns. One without any principal is for no host at all.
            && principals.iter().any(|principal| matches_pattern(host, principal))
            // None is defined for hosts, and one that is not understood must be refused.
            && certificate.critical_options().is_empty()
            && self.may_sign(&certificate.signature().algorithm())
            && certificate.validate_at(now, [&authority]).is_ok()
    }

    /// Whether an authority may sign by that algorithm (`CASignatureAlgorithms`).
    fn may_sign(&self, algorithm: &Algorithm) -> bool {
        let sha1 = matches!(algorithm, Algorithm::Rsa { hash: None });
        let name = algorithm.to_string();
        match self.config.ca_signature_algorithms.as_deref() {
            None => !sha1,
            Some(list) => match list.strip_prefix(['+', '-', '^']) {
                Some(removed) if list.starts_with('-') => {
                    !sha1 && !matches_list(&name, removed.split(','))
                }
                Some(added) => !sha1 || matches_list(&name, added.split(',')),
                None => matches_list(&name, list.split(',')),
            },
        }
    }

    async fn unknown(
        &self,
        key: &PublicKey,
        of_address: Option<Verdict>,
        prompt: &dyn Prompt,
    ) -> Result<Notes, HostKeyError> {
        match self.config.strict_host_key_checking {
            StrictHostKeyChecking::Yes => return Err(self.not_known(key, false)),
            StrictHostKeyChecking::Ask => self.ask(key, prompt).await?,
            StrictHostKeyChecking::AcceptNew | StrictHostKeyChecking::No => {}
        }
        let own = self.known.name().own.as_str();
        let mut names = vec![own];
        if of_address == Some(Verdict::Unknown) {
            names.extend(
                self.of_address
                    .as_ref()
                    .map(|known| known.name().own.as_str()),
            );
        }
        let mut notes = self.record(key, names);
        if let Some(Verdict::Changed(other)) = of_address {
            notes.extend(self.differs(key, &other, None, prompt).await?);
        }
        Ok(notes)
    }

    /// Writes the key down, and says how that went.
    fn record(&self, key: &PublicKey, names: Vec<&str>) -> Notes {
        let Some(file) = self.config.user_known_hosts.first() else {
            return Notes::new();
        };
        let shown = names.join(",");
        let note = match remember(file, &names, key, self.config.hash_known_hosts) {
            Ok(()) => format!(
                "permanently added '{shown}' ({}) to the list of known hosts",
                type_name(&key.algorithm())
            ),
            Err(error) => format!(
                "the host key of '{shown}' could not be recorded in {} ({error}): it will be asked \
                 about again",
                file.display()
            ),
        };
        vec![note]
    }

    /// The host's key is not the one recorded for its address (`CheckHostIP`).
    async fn differs(
        &self,
        key: &PublicKey,
        other: &Place,
        matching: Option<&Place>,
        prompt: &dyn Prompt,
    ) -> Result<Notes, HostKeyError> {
        let address = self
            .of_address
            .as_ref()
            .map_or("", |known| &known.name().own);
        let mut text = format!(
            "Warning: the {} host key for '{}' differs from the key for the IP address \
             '{address}'\nOffending key for IP in {other}",
            type_name(&key.algorithm()),
            self.known.name().own,
        );
        if let Some(place) = matching {
            text.push_str(&format!("\nMatching host key in {place}"));
        }
        match self.config.strict_host_key_checking {
            StrictHostKeyChecking::No => Ok(vec![text]),
            StrictHostKeyChecking::Ask if !self.config.batch_mode => {
                let mut again = false;
                loop {
                    let question = Question::HostKeyDiffers { text: &text, again };
                    match prompt.ask(question).await {
                        Ok(Answer::Yes) => return Ok(Notes::new()),
                        Ok(Answer::Texts(_)) => again = true,
                        Ok(Answer::No) => return Err(self.declined()),
                        Err(_) => return Err(self.changed(key, other.clone())),
                    }
                }
            }
            _ => Err(self.changed(key, other.clone())),
        }
    }

    async fn ask(&self, key: &PublicKey, prompt: &dyn Prompt) -> Result<(), HostKeyError> {
        if self.config.batch_mode {
            return Err(self.not_known(key, true));
        }
        let fingerprint = fingerprint(key);
        let address = match self.address {
            Some(address) => RecordedName::new(&address.to_string(), self.config.port).own,
            None => "<no hostip for proxy command>".to_owned(),
        };
        let other_names = other_names(files(self.config), key.key_data());
        let mut again = false;
        loop {
            let question = Question::HostKey {
                name: &self.known.name().own,
                address: &address,
                key_type: type_name(&key.algorithm()),
                fingerprint: &fingerprint,
                other_names: &other_names,
                again,
            };
            match prompt.ask(question).await {
                Ok(Answer::Yes) => return Ok(()),
                Ok(Answer::Texts(texts)) => {
                    let is_it = |text: &str| text.trim() == fingerprint;
                    if texts.first().is_some_and(|text| is_it(text.reveal())) {
                        return Ok(());
                    }
                    again = true;
                }
                Ok(Answer::No) => return Err(self.declined()),
                Err(_) => return Err(self.not_known(key, true)),
            }
        }
    }

    fn declined(&self) -> HostKeyError {
        HostKeyError::Declined {
            host: self.known.name().own.clone(),
        }
    }

    fn not_known(&self, key: &PublicKey, askable: bool) -> HostKeyError {
        HostKeyError::Unknown {
            host: self.known.name().own.clone(),
            key_type: key.algorithm().to_string(),
            fingerprint: fingerprint(key),
            askable,
        }
    }

    fn changed(&self, key: &PublicKey, place: Place) -> HostKeyError {
        HostKeyError::Changed {
            host: self.known.name().own.clone(),
            key_type: key.algorithm().to_string(),
            fingerprint: fingerprint(key),
            file: place.file,
            line: place.line,
        }
    }

    fn revoked(&self, place: Place) -> HostKeyError {
        HostKeyError::Revoked {
            host: self.known.name().own.clone(),
            file: place.file,
            line: place.line,
        }
    }
}

/// The files to look into, in order.
fn files(config: &HostConfig) -> impl Iterator<Item = &PathBuf> {
    config
        .user_known_hosts
        .iter()
        .chain(&config.global_known_hosts)
}

pub(super) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// A type of key as ssh calls it when it speaks to people.
pub(super) fn type_name(algorithm: &Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Dsa => "DSA",
        Algorithm::Ecdsa { .. } => "ECDSA",
        Algorithm::Ed25519 => "ED25519",
        Algorithm::Rsa { .. } => "RSA",
        Algorithm::SkEcdsaSha2NistP256 => "ECDSA-SK",
        Algorithm::SkEd25519 => "ED25519-SK",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests;
