//! Authentication: keys first, then what a person at a terminal can give.

use std::sync::Arc;

use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse, Prompt as ServerPrompt};
use russh::keys::agent::AgentIdentity;
use russh::keys::{Certificate, HashAlg, PrivateKey, PrivateKeyWithHashAlg, decode_secret_key};
use russh::{MethodKind, MethodSet, SendError, Signer};

use super::agent::Agent;
use super::config::{Authentication, HostConfig};
use super::error::ConnectErrorKind;
use super::handler::ConnectionHandler;
use super::identity::{Candidate, IdentityFile, Secret, candidates};
use super::prompt::{Answer, Prompt, Question};

/// sshd hangs up after 6 (`MaxAuthTries`), and its own listing of methods is one of them.
const MAX_KEYS: usize = 5;
const MAX_PASSPHRASES: u32 = 3;
/// Rounds of keyboard-interactive per attempt: a server may ask without end.
const MAX_ROUNDS: u32 = 16;

pub(super) async fn authenticate(
    handle: &mut Handle<ConnectionHandler>,
    config: &HostConfig,
    prompt: &dyn Prompt,
) -> Result<(), ConnectErrorKind> {
    let mut attempt = Attempt {
        handle,
        config,
        prompt,
        tried: Vec::new(),
        allowed: None,
        keys_tried: 0,
        no_terminal: false,
    };
    match attempt.run().await {
        Ok(true) => Ok(()),
        Ok(false) => Err(attempt.refused(None)),
        Err(error) => Err(attempt.refused(Some(error.to_string()))),
    }
}

struct Attempt<'a> {
    handle: &'a mut Handle<ConnectionHandler>,
    config: &'a HostConfig,
    prompt: &'a dyn Prompt,
    /// For the message, if all fails.
    tried: Vec<String>,
    /// What the server would take, once it has said so.
    allowed: Option<MethodSet>,
    keys_tried: usize,
    no_terminal: bool,
}

/// After a step.
enum Step {
    Done,
    /// Accepted, and more is asked for.
    Partial,
    Refused,
}

impl Attempt<'_> {
    async fn run(&mut self) -> Result<bool, russh::Error> {
        let mut methods = self.config.authentications.clone();
        // A server that wants several methods names the rest after each success.
        while let Some(method) = methods.first().copied() {
            methods.remove(0);
            if method != Authentication::PublicKey
                && self.allowed.is_none()
                && let Step::Done = self.none().await?
            {
                return Ok(true);
            }
            if !self.is_allowed(method) || self.handle.is_closed() {
                continue;
            }
            let step = match method {
                Authentication::PublicKey => self.public_keys().await?,
                Authentication::Password => self.passwords().await?,
                Authentication::KeyboardInteractive => self.keyboard_interactive().await?,
            };
            match step {
                Step::Done => return Ok(true),
                Step::Partial => {
                    methods = self.config.authentications.clone();
                    methods.retain(|other| *other != method);
                }
                Step::Refused => {}
            }
        }
        Ok(false)
    }

    async fn none(&mut self) -> Result<Step, russh::Error> {
        let result = self
            .handle
            .authenticate_none(self.config.user.as_str())
            .await?;
        Ok(self.note(result))
    }

    fn note(&mut self, result: AuthResult) -> Step {
        match result {
            AuthResult::Success => Step::Done,
            AuthResult::Failure {
                remaining_methods,
                partial_success,
            } => {
                // An empty set is how russh reports a lost connection.
                if !remaining_methods.is_empty() {
                    self.allowed = Some(remaining_methods);
                }
                if partial_success {
                    Step::Partial
                } else {
                    Step::Refused
                }
            }
        }
    }

    fn is_allowed(&self, method: Authentication) -> bool {
        let kind = match method {
            Authentication::PublicKey => MethodKind::PublicKey,
            Authentication::Password => MethodKind::Password,
            Authentication::KeyboardInteractive => MethodKind::KeyboardInteractive,
        };
        self.allowed
            .as_ref()
            .is_none_or(|allowed| allowed.contains(&kind))
    }

    async fn public_keys(&mut self) -> Result<Step, russh::Error> {
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
        let signed = match identity {
            AgentIdentity::PublicKey { key, .. } => {
                self.handle
                    .authenticate_publickey_with(user, key, hash, &mut agent.client)
                    .await
            }
            AgentIdentity::Certificate { certificate, .. } => {
                let client = &mut agent.client;
                self.handle
                    .authenticate_certificate_with(user, certificate, hash, client)
                    .await
            }
        };
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
        let user = self.config.user.as_str();
        let result = match certificate {
            Some(certificate) => {
                self.handle
                    .authenticate_openssh_cert(user, key, certificate)
                    .await?
            }
            None => {
                let hash = self.rsa_hash(key.algorithm().is_rsa()).await?;
                let key = PrivateKeyWithHashAlg::new(key, hash);
                self.handle.authenticate_publickey(user, key).await?
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
        let probe = self
            .handle
            .authenticate_publickey_with(user, public, hash, &mut Probe)
            .await;
        Ok(match probe {
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

    async fn passwords(&mut self) -> Result<Step, russh::Error> {
        let (user, host) = (self.config.user.as_str(), self.config.host.as_str());
        for attempt in 1..=self.config.password_prompts {
            let Some(password) = self
                .ask(Question::Password {
                    user,
                    host,
                    attempt,
                })
                .await
            else {
                break;
            };
            self.tried.push("password".into());
            let result = self.handle.authenticate_password(user, password).await?;
            match self.note(result) {
                Step::Refused if !self.handle.is_closed() => {}
                taken => return Ok(taken),
            }
        }
        Ok(Step::Refused)
    }

    async fn keyboard_interactive(&mut self) -> Result<Step, russh::Error> {
        use KeyboardInteractiveAuthResponse as Response;
        let user = self.config.user.as_str();
        for _ in 0..self.config.password_prompts {
            let mut rounds = 0;
            let mut response = self
                .handle
                .authenticate_keyboard_interactive_start(user, None::<String>)
                .await?;
            while let Response::InfoRequest {
                name,
                instructions,
                prompts,
            } = response
            {
                rounds += 1;
                let answers = self.answers(&name, &instructions, &prompts).await;
                let Some(answers) = answers.filter(|_| rounds <= MAX_ROUNDS) else {
                    return Ok(Step::Refused);
                };
                response = self
                    .handle
                    .authenticate_keyboard_interactive_respond(answers)
                    .await?;
            }
            self.tried.push("keyboard-interactive".into());
            match response {
                Response::Success => return Ok(Step::Done),
                Response::Failure {
                    remaining_methods,
                    partial_success,
                } => {
                    let result = AuthResult::Failure {
                        remaining_methods,
                        partial_success,
                    };
                    if let Step::Partial = self.note(result) {
                        return Ok(Step::Partial);
                    }
                }
                Response::InfoRequest { .. } => {}
            }
            if self.handle.is_closed() || rounds == 0 {
                break;
            }
        }
        Ok(Step::Refused)
    }

    async fn answers(
        &mut self,
        name: &str,
        instructions: &str,
        prompts: &[ServerPrompt],
    ) -> Option<Vec<String>> {
        let (user, host) = (self.config.user.as_str(), self.config.host.as_str());
        let mut answers = Vec::new();
        for ServerPrompt { prompt, echo } in prompts {
            let echo = *echo;
            answers.push(
                self.ask(Question::KeyboardInteractive {
                    user,
                    host,
                    name,
                    instructions,
                    prompt,
                    echo,
                })
                .await?,
            );
        }
        Some(answers)
    }

    /// A secret from the person, if there is one and they want to.
    async fn ask(&mut self, question: Question<'_>) -> Option<String> {
        if self.config.batch_mode {
            self.no_terminal = true;
            return None;
        }
        match self.prompt.ask(question).await {
            Ok(Answer::Text(text)) => Some(text),
            Ok(_) => None,
            Err(_) => {
                self.no_terminal = true;
                None
            }
        }
    }

    fn refused(&mut self, detail: Option<String>) -> ConnectErrorKind {
        let names = self.allowed.take().map(|allowed| {
            allowed
                .iter()
                .map(|method| <&'static str>::from(method).to_owned())
                .collect()
        });
        ConnectErrorKind::AuthenticationRefused {
            tried: std::mem::take(&mut self.tried),
            allowed: names.unwrap_or_default(),
            detail,
            no_terminal: self.no_terminal,
        }
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
