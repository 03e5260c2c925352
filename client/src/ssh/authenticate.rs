//! Authentication, in ssh's order (`userauth` in `sshconnect2.c`): of the methods the server would
//! take the first one preferred, one request after the other until it has nothing more to send.

mod interactive;

use std::collections::VecDeque;
use std::future::Future;
use std::time::Duration;

use outlast_protocol::secret::Secret;
use russh::client::{AuthResult, Handle};
use russh::keys::HashAlg;
use russh::{MethodKind, MethodSet};

use super::agent::Agent;
use super::config::{Authentication, HostConfig};
use super::error::ConnectErrorKind;
use super::handler::ConnectionHandler;
use super::identity::Identity;
use super::prompt::{Answer, Prompt, Question};

/// What let us in.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Accepted {
    /// The methods, in the order in which the server took them.
    pub methods: Vec<String>,
    /// The last key that was taken: where it is, its type and fingerprint; empty for none.
    pub key: String,
}

/// What was accepted, and what the person should hear besides.
pub(super) async fn authenticate(
    handle: &mut Handle<ConnectionHandler>,
    config: &HostConfig,
    prompt: &dyn Prompt,
) -> Result<(Accepted, Vec<String>), ConnectErrorKind> {
    let mut attempt = Attempt {
        handle,
        config,
        prompt,
        tried: Vec::new(),
        notes: Vec::new(),
        accepted: Accepted::default(),
        allowed: None,
        no_terminal: false,
        passwords: 0,
        rounds: 0,
        keys: None,
        agent: None,
        rsa_hash: None,
    };
    match attempt.run().await {
        Ok(true) => Ok((attempt.accepted, attempt.notes)),
        Ok(false) => Err(attempt.refused(None)),
        Err(russh::Error::Elapsed(_)) => Err(ConnectErrorKind::TimedOut {
            phase: "authentication",
            seconds: config.connect_timeout.as_secs(),
        }),
        Err(error) => Err(attempt.refused(Some(error.to_string()))),
    }
}

pub(super) struct Attempt<'a> {
    pub(super) handle: &'a mut Handle<ConnectionHandler>,
    pub(super) config: &'a HostConfig,
    pub(super) prompt: &'a dyn Prompt,
    /// For the message, if all fails.
    pub(super) tried: Vec<String>,
    pub(super) notes: Vec<String>,
    pub(super) accepted: Accepted,
    /// What the server would take, once it has said so.
    allowed: Option<MethodSet>,
    pub(super) no_terminal: bool,
    /// How often a password was asked for.
    passwords: u32,
    /// How often keyboard-interactive was begun.
    rounds: u32,
    /// Keys to be tried, and those that were; none before they are looked for.
    pub(super) keys: Option<(VecDeque<Identity>, Vec<Identity>)>,
    pub(super) agent: Option<Agent>,
    pub(super) rsa_hash: Option<Option<Option<HashAlg>>>,
}

/// After a request.
pub(super) enum Step {
    Done,
    /// Accepted, and more is asked for.
    Partial,
    Refused,
    /// There was nothing to send: the method is exhausted.
    NotSent,
}

impl Attempt<'_> {
    async fn run(&mut self) -> Result<bool, russh::Error> {
        let mut methods = self.config.authentications.clone();
        while !self.handle.is_closed() {
            // A key is tried at once, which saves asking what the server would take.
            if self.allowed.is_none()
                && methods
                    .first()
                    .is_some_and(|first| *first != Authentication::PublicKey)
                && matches!(self.none().await?, Step::Done)
            {
                self.accepted.methods.push("none".to_owned());
                return Ok(true);
            }
            let next = methods.iter().position(|method| self.is_allowed(*method));
            let Some(method) = next.and_then(|next| methods.get(next)).copied() else {
                break;
            };
            let step = match method {
                Authentication::PublicKey => self.next_key().await?,
                Authentication::Password => self.password().await?,
                Authentication::KeyboardInteractive => self.keyboard_interactive().await?,
            };
            match step {
                Step::Done | Step::Partial => {
                    let name = <&'static str>::from(&kind(method));
                    self.accepted.methods.push(name.to_owned());
                    if let Step::Done = step {
                        return Ok(true);
                    }
                    // The same key may serve for another method's sake, as in ssh.
                    if let Some((left, done)) = &mut self.keys {
                        done.drain(..).rev().for_each(|key| left.push_front(key));
                    }
                }
                Step::Refused => {}
                Step::NotSent => methods.retain(|other| *other != method),
            }
        }
        Ok(false)
    }

    async fn none(&mut self) -> Result<Step, russh::Error> {
        let result = within(
            self.config.connect_timeout,
            self.handle.authenticate_none(self.config.user.as_str()),
        )
        .await?;
        Ok(self.note(result))
    }

    pub(super) fn note(&mut self, result: AuthResult) -> Step {
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
        let allowed = self.allowed.as_ref();
        allowed.is_none_or(|allowed| allowed.contains(&kind(method)))
    }

    /// The name under which the person knows the host.
    pub(super) fn shown_host(&self) -> &str {
        let alias = self.config.host_key_alias.as_deref();
        alias.unwrap_or(&self.config.host)
    }

    /// What the person answers; none if nobody can be asked.
    pub(super) async fn ask(&mut self, question: Question<'_>) -> Option<Answer> {
        if self.config.batch_mode {
            self.no_terminal = true;
            return None;
        }
        let answer = self.prompt.ask(question).await;
        self.no_terminal |= answer.is_err();
        answer.ok()
    }

    /// One secret from the person, if there is one and they want to.
    pub(super) async fn ask_secret(&mut self, question: Question<'_>) -> Option<Secret> {
        match self.ask(question).await {
            Some(Answer::Texts(texts)) => texts.into_iter().next(),
            _ => None,
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
            accepted: std::mem::take(&mut self.accepted.methods),
            allowed: names.unwrap_or_default(),
            detail,
            no_terminal: self.no_terminal,
        }
    }
}

fn kind(method: Authentication) -> MethodKind {
    match method {
        Authentication::PublicKey => MethodKind::PublicKey,
        Authentication::Password => MethodKind::Password,
        Authentication::KeyboardInteractive => MethodKind::KeyboardInteractive,
    }
}

/// Bounds one exchange with the server: russh itself would wait for ever.
pub(super) async fn within<T>(
    limit: Duration,
    exchange: impl Future<Output = Result<T, russh::Error>>,
) -> Result<T, russh::Error> {
    tokio::time::timeout(limit, exchange).await?
}
