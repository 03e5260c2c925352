//! Authentication by keys: the agent's and those of files.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::AuthResult;
use russh::keys::agent::AgentIdentity;
use russh::keys::signature::Signer as _;
use russh::keys::ssh_encoding::Encode;
use russh::keys::ssh_key::private::KeypairData;
use russh::keys::{Algorithm, HashAlg, PrivateKey};
use russh::{SendError, Signer};
use tokio::time::{Instant, sleep_until};

use super::agent::Agent;
use super::authenticate::{Attempt, Step};
use super::config::HostConfig;
use super::identity::{Accepts, Identity, KeyFile, Locked, Offer, SignedBy, identities};
use super::prompt::{Answer, Prompt, Question};

impl Attempt<'_> {
    /// Offers the next key. Its private half is only looked for when the server would take it, so
    /// that nobody types a passphrase in vain.
    pub(super) async fn next_key(&mut self) -> Result<Step, russh::Error> {
        if self.keys.is_none() {
            self.find_keys().await;
        }
        while let Some((left, done)) = &mut self.keys
            && let Some(identity) = left.pop_front()
        {
            done.push(identity.clone());
            match self.offer(identity).await? {
                Step::NotSent => {}
                step => return Ok(step),
            }
        }
        Ok(Step::NotSent)
    }

    async fn find_keys(&mut self) {
        let mut listed = Vec::new();
        if let Some(socket) = &self.config.identity_agent {
            let binding = self.handle.agent_session_binding();
            match Agent::connect(socket, binding).await {
                Ok(mut agent) => {
                    listed = std::mem::take(&mut agent.identities);
                    self.agent = Some(agent);
                }
                Err(reason) => self.tried.push(reason),
            }
        }
        let found = identities(self.config, listed);
        self.tried.extend(found.notes);
        self.keys = Some((found.list.into(), Vec::new()));
    }

    async fn offer(&mut self, identity: Identity) -> Result<Step, russh::Error> {
        let mut hand = Hand::new(self.config, self.prompt, identity.signer.clone());
        hand.agent = self.agent.take();
        let sent = self.offer_by(identity, &mut hand).await;
        self.agent = hand.agent.take();
        self.no_terminal |= hand.no_terminal;
        self.tried.append(&mut hand.tried);
        sent
    }

    async fn offer_by(
        &mut self,
        identity: Identity,
        hand: &mut Hand<'_>,
    ) -> Result<Step, russh::Error> {
        let mut label = identity.label();
        let offer = match identity.offer {
            Some(offer) => offer,
            // Only the private half shows what it is.
            None => {
                let Some(key) = hand.load().await else {
                    return Ok(Step::NotSent);
                };
                let offer = Offer::Plain(key.public_key().clone());
                label = format!("{label} {}", key.fingerprint(HashAlg::Sha256));
                hand.key = Some(key);
                offer
            }
        };
        let Some(hash) = self.hash(&offer).await? else {
            self.tried.push(format!(
                "{label} (left out: the server has no signature for it)"
            ));
            return Ok(Step::NotSent);
        };
        self.tried.push(label.clone());
        let user = self.config.user.as_str();
        let patience = hand.patience.clone();
        let signed = match offer {
            Offer::Plain(key) => {
                let asking = self
                    .handle
                    .authenticate_publickey_with(user, key, hash, hand);
                patience.bound(asking).await?
            }
            Offer::Certified(certificate) => {
                let asking =
                    self.handle
                        .authenticate_certificate_with(user, *certificate, hash, hand);
                patience.bound(asking).await?
            }
        };
        match signed {
            Ok(result) => {
                if let AuthResult::Success
                | AuthResult::Failure {
                    partial_success: true,
                    ..
                } = result
                {
                    self.accepted.key = label;
                }
                Ok(self.note(result))
            }
            // Accepted, and nobody signed: to the server that is as if nothing had been sent.
            Err(NotSigned) => Ok(Step::NotSent),
        }
    }

    /// With what to sign; none if it cannot be done. Without a hash an RSA key would be used with
    /// SHA-1, which is done only where the configuration names it.
    async fn hash(&mut self, offer: &Offer) -> Result<Option<Option<HashAlg>>, russh::Error> {
        let algorithm = offer.algorithm();
        if !matches!(algorithm, Algorithm::Rsa { .. }) {
            return Ok(Some(None));
        }
        let best = match self.rsa_hash {
            Some(best) => best,
            None => self.handle.best_supported_rsa_hash().await?,
        };
        self.rsa_hash = Some(best);
        let is_certified = matches!(offer, Offer::Certified(_));
        let list = self.config.pubkey_accepted_algorithms.as_deref();
        let accepts = Accepts::new(list);
        let names_sha1 = list.is_some_and(|list| list.contains("ssh-rsa"));
        // What the server has not said is tried all the same.
        let hashes: &[Option<HashAlg>] = match best {
            None | Some(Some(HashAlg::Sha512)) => &[Some(HashAlg::Sha512), Some(HashAlg::Sha256)],
            Some(Some(hash)) => &[Some(hash)],
            Some(None) if names_sha1 => &[None],
            Some(None) => &[],
        };
        let mut usable = hashes.iter();
        let usable = usable.find(|hash| accepts.takes(&algorithm, **hash, is_certified));
        Ok(usable.copied())
    }
}

/// Signs with whatever holds the private half, when it comes to it.
struct Hand<'a> {
    config: &'a HostConfig,
    prompt: &'a dyn Prompt,
    signer: SignedBy,
    agent: Option<Agent>,
    /// The private half, once it is loaded.
    key: Option<PrivateKey>,
    no_terminal: bool,
    tried: Vec<String>,
    patience: Patience,
}

/// The server would have taken the key.
struct NotSigned;

impl From<SendError> for NotSigned {
    fn from(_: SendError) -> Self {
        Self
    }
}

impl<'a> Hand<'a> {
    fn new(config: &'a HostConfig, prompt: &'a dyn Prompt, signer: SignedBy) -> Self {
        Self {
            config,
            prompt,
            signer,
            agent: None,
            key: None,
            no_terminal: false,
            tried: Vec::new(),
            patience: Patience::new(config.connect_timeout),
        }
    }

    /// The private half of a file.
    async fn load(&mut self) -> Option<PrivateKey> {
        let SignedBy::File(path) = self.signer.clone() else {
            return None;
        };
        let key = match KeyFile::read(&path) {
            Ok(KeyFile::Open(key)) => *key,
            Ok(KeyFile::Locked(locked)) => self.unlock(&path, locked).await?,
            Err(error) => {
                self.tried.push(format!("{} ({error})", path.display()));
                return None;
            }
        };
        self.hand_over(&path, &key).await;
        Some(key)
    }

    /// An empty passphrase goes on to the next key.
    async fn unlock(&mut self, path: &Path, locked: Locked) -> Option<PrivateKey> {
        if self.config.batch_mode {
            self.no_terminal = true;
            return None;
        }
        for attempt in 1..=self.config.password_prompts {
            let question = Question::Passphrase { path, attempt };
            let passphrase = match self.prompt.ask(question).await {
                Ok(Answer::Texts(texts)) => texts.into_iter().next()?,
                Ok(_) => return None,
                Err(_) => {
                    self.no_terminal = true;
                    return None;
                }
            };
            if passphrase.reveal().is_empty() {
                self.tried.push("no passphrase for it".into());
                return None;
            }
            if let Some(key) = locked.unlock(passphrase).await {
                return Some(key);
            }
        }
        self.tried.push("a wrong passphrase".into());
        None
    }

    /// `AddKeysToAgent`
    async fn hand_over(&mut self, path: &Path, key: &PrivateKey) {
        let how = self.config.add_keys_to_agent;
        let Some(agent) = self.agent.as_mut().filter(|_| how.add) else {
            return;
        };
        if how.ask {
            let answer = self.prompt.ask(Question::AddKey { path }).await;
            if answer != Ok(Answer::Yes) {
                return;
            }
        }
        if let Err(error) = agent.add(key, how).await {
            self.tried.push(format!(
                "the agent did not take {}: {error}",
                path.display()
            ));
        }
    }

    async fn sign(
        &mut self,
        hash: Option<HashAlg>,
        mut data: Vec<u8>,
    ) -> Result<Vec<u8>, NotSigned> {
        if let (SignedBy::Agent(identity), Some(agent)) = (&self.signer, &mut self.agent) {
            let signed = agent.client.sign_request(identity, hash, data).await;
            return signed.map_err(|error| {
                // It declined, or its key needs a confirmation nobody gave.
                self.tried.push(format!("the agent did not sign: {error}"));
                NotSigned
            });
        }
        let key = match self.key.take() {
            Some(key) => key,
            None => self.load().await.ok_or(NotSigned)?,
        };
        let signature = match key.key_data() {
            KeypairData::Rsa(rsa) => (rsa, hash).try_sign(&data),
            other => other.try_sign(&data),
        };
        let encoded = signature
            .map_err(russh::keys::ssh_key::Error::from)
            .and_then(|signature| Ok(signature.encode_vec()?))
            .and_then(|signature| Ok(signature.encode(&mut data)?));
        match encoded {
            Ok(()) => Ok(data),
            Err(error) => {
                self.tried.push(format!("it does not sign: {error}"));
                Err(NotSigned)
            }
        }
    }
}

impl Signer for Hand<'_> {
    type Error = NotSigned;

    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        hash: Option<HashAlg>,
        data: Vec<u8>,
    ) -> Result<Vec<u8>, NotSigned> {
        self.patience.suspend();
        let signed = self.sign(hash, data).await;
        self.patience.resume();
        signed
    }
}

/// How long the server may take to answer. What a person or a token takes is not counted.
#[derive(Clone)]
struct Patience {
    limit: Duration,
    until: Arc<Mutex<Option<Instant>>>,
}

/// Something that is looked at again from time to time while a person is being asked.
const WHILE_ASKING: Duration = Duration::from_secs(1);

impl Patience {
    fn new(limit: Duration) -> Self {
        let until = Arc::new(Mutex::new(Some(Instant::now() + limit)));
        Self { limit, until }
    }

    fn suspend(&self) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn resume(&self) {
        let until = Instant::now() + self.limit;
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    async fn bound<T>(&self, exchange: impl Future<Output = T>) -> Result<T, russh::Error> {
        self.resume();
        tokio::pin!(exchange);
        loop {
            let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
            let wake = until.unwrap_or_else(|| Instant::now() + WHILE_ASKING);
            tokio::select! {
                done = &mut exchange => return Ok(done),
                () = sleep_until(wake) => {
                    let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
                    if until.is_some_and(|until| until <= Instant::now()) {
                        tokio::time::timeout(Duration::ZERO, std::future::pending::<()>()).await?;
                    }
                }
            }
        }
    }
}
