//! Authentication by keys: the agent's and those of files.

use std::sync::Arc;
use std::time::Duration;

use russh::keys::agent::AgentIdentity;
use russh::keys::{Certificate, HashAlg, PrivateKey, PrivateKeyWithHashAlg, decode_secret_key};
use russh::{SendError, Signer};
use tokio::time::timeout;

use super::agent::Agent;
use super::authenticate::{Attempt, Step, within};
use super::config::Authentication;
use super::identity::{Candidate, IdentityFile, Secret, candidates};
use super::prompt::Question;

/// sshd hangs up after 6 (`MaxAuthTries`), and its own listing of methods is one of them.
const MAX_KEYS: usize = 5;
const MAX_PASSPHRASES: u32 = 3;
/// An agent may wait for a finger on a token, but sshd waits no longer (`LoginGraceTime`).
const SIGNING_TIMEOUT: Duration = Duration::from_secs(120);

impl Attempt<'_> {
    pub(super) async fn public_keys(&mut self) -> Result<Step, russh::Error> {
        let mut agent = None;
        if let Some(socket) = &self.config.identity_agent {
            match Agent::connect(socket).await {
                Ok(connected) => agent = Some(connected),
                Err(reason) => self.tried.push(reason),
            }
        }
        let identities = agent
            .as_mut()
            .map(|agent| std::mem::take(&mut agent.identities));
        let found = candidates(self.config, identities.unwrap_or_default());
        self.tried.extend(found.notes);
        for candidate in found.list {
            if self.keys_tried >= MAX_KEYS {
                self.tried
                    .push(format!("no more than {MAX_KEYS} keys (name one with -i)"));
                break;
            }
            if !self.is_allowed(Authentication::PublicKey) || self.handle.is_closed() {
                break;
            }
            let label = candidate.label();
            let step = match (candidate, &mut agent) {
                (Candidate::Agent(identity), Some(agent)) => self.agent_key(identity, agent).await,
                (Candidate::Agent(_), None) => Ok(Step::Refused),
                (Candidate::File { file, certificate }, _) => {
                    self.key_file(file, certificate).await
                }
            };
            self.tried.push(label);
            match step? {
                Step::Refused => {}
                taken => return Ok(taken),
            }
        }
        Ok(Step::Refused)
    }

    async fn agent_key(
        &mut self,
        identity: AgentIdentity,
        agent: &mut Agent,
    ) -> Result<Step, russh::Error> {
        self.keys_tried += 1;
        let user = self.config.user.as_str();
        let hash = self
            .rsa_hash(identity.public_key().algorithm().is_rsa())
            .await?;
        let signing = async {
            match identity {
                AgentIdentity::PublicKey { key, .. } => {
                    let client = &mut agent.client;
                    self.handle
                        .authenticate_publickey_with(user, key, hash, client)
                        .await
                }
                AgentIdentity::Certificate { certificate, .. } => {
                    let client = &mut agent.client;
                    self.handle
                        .authenticate_certificate_with(user, certificate, hash, client)
                        .await
                }
            }
        };
        let signed = timeout(SIGNING_TIMEOUT, signing).await?;
        match signed {
            Ok(result) => Ok(self.note(result)),
            // The agent declined, or its key needs a confirmation nobody gave.
            Err(error) => {
                self.tried.push(format!("the agent did not sign: {error}"));
                Ok(Step::Refused)
            }
        }
    }

    async fn key_file(
        &mut self,
        file: IdentityFile,
        certificate: Option<Certificate>,
    ) -> Result<Step, russh::Error> {
        self.keys_tried += 1;
        let key = match &file.secret {
            Secret::Open(key) => key.clone(),
            Secret::Locked(text) => {
                // Nobody should type a passphrase for a key the server would not take anyway.
                if certificate.is_none() && !self.would_be_accepted(&file).await? {
                    return Ok(Step::Refused);
                }
                match self.unlock(&file, text).await {
                    Some(key) => Arc::new(key),
                    None => return Ok(Step::Refused),
                }
            }
            Secret::Absent => return Ok(Step::Refused),
        };
        let (user, limit) = (self.config.user.as_str(), self.config.connect_timeout);
        let result = match certificate {
            Some(certificate) => {
                within(
                    limit,
                    self.handle
                        .authenticate_openssh_cert(user, key, certificate),
                )
                .await?
            }
            None => {
                let hash = self.rsa_hash(key.algorithm().is_rsa()).await?;
                let key = PrivateKeyWithHashAlg::new(key, hash);
                within(limit, self.handle.authenticate_publickey(user, key)).await?
            }
        };
        Ok(self.note(result))
    }

    /// Without a hash an RSA key would be used with SHA-1, which servers refuse.
    async fn rsa_hash(&self, is_rsa: bool) -> Result<Option<HashAlg>, russh::Error> {
        if !is_rsa {
            return Ok(None);
        }
        let best = self.handle.best_supported_rsa_hash().await?;
        Ok(best.unwrap_or(Some(HashAlg::Sha512)))
    }

    async fn would_be_accepted(&mut self, file: &IdentityFile) -> Result<bool, russh::Error> {
        let Some(public) = file.public.clone() else {
            return Ok(true);
        };
        let hash = self.rsa_hash(public.algorithm().is_rsa()).await?;
        let user = self.config.user.as_str();
        let mut probe = Probe;
        let probing = self
            .handle
            .authenticate_publickey_with(user, public, hash, &mut probe);
        let answer = timeout(self.config.connect_timeout, probing).await?;
        Ok(match answer {
            Err(Probed::Accepted) => true,
            Err(Probed::Lost) => false,
            Ok(result) => {
                self.note(result);
                false
            }
        })
    }

    async fn unlock(&mut self, file: &IdentityFile, text: &str) -> Option<PrivateKey> {
        for attempt in 1..=MAX_PASSPHRASES {
            let question = Question::Passphrase {
                path: &file.path,
                attempt,
            };
            let passphrase = self.ask(question).await?;
            // Key derivation takes a second by design: not on this thread.
            let text = text.to_owned();
            let decode = move || decode_secret_key(&text, Some(&passphrase));
            if let Ok(Ok(key)) = tokio::task::spawn_blocking(decode).await {
                return Some(key);
            }
        }
        self.tried.push("a wrong passphrase".into());
        None
    }
}

/// A signer that never signs: being asked to is the news that the server would take the key.
struct Probe;

enum Probed {
    Accepted,
    Lost,
}

impl From<SendError> for Probed {
    fn from(_: SendError) -> Self {
        Self::Lost
    }
}

impl Signer for Probe {
    type Error = Probed;

    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        _: Option<HashAlg>,
        _: Vec<u8>,
    ) -> Result<Vec<u8>, Probed> {
        Err(Probed::Accepted)
    }
}
