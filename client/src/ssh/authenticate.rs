//! Authentication: keys first, then what a person at a terminal can give.

use std::future::Future;
use std::time::Duration;

use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse, Prompt as ServerPrompt};
use russh::{MethodKind, MethodSet};

use super::config::{Authentication, HostConfig};
use super::error::ConnectErrorKind;
use super::handler::ConnectionHandler;
use super::prompt::{Answer, Prompt, Question};

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
    prompt: &'a dyn Prompt,
    /// For the message, if all fails.
    pub(super) tried: Vec<String>,
    /// What the server would take, once it has said so.
    allowed: Option<MethodSet>,
    pub(super) keys_tried: usize,
    no_terminal: bool,
}

/// After a step.
pub(super) enum Step {
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

    pub(super) fn is_allowed(&self, method: Authentication) -> bool {
        let kind = match method {
            Authentication::PublicKey => MethodKind::PublicKey,
            Authentication::Password => MethodKind::Password,
            Authentication::KeyboardInteractive => MethodKind::KeyboardInteractive,
        };
        self.allowed
            .as_ref()
            .is_none_or(|allowed| allowed.contains(&kind))
    }

    async fn passwords(&mut self) -> Result<Step, russh::Error> {
        let (user, host) = (self.config.user.as_str(), self.config.host.as_str());
        let limit = self.config.connect_timeout;
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
            let result = within(limit, self.handle.authenticate_password(user, password)).await?;
            match self.note(result) {
                Step::Refused if !self.handle.is_closed() => {}
                taken => return Ok(taken),
            }
        }
        Ok(Step::Refused)
    }

    async fn keyboard_interactive(&mut self) -> Result<Step, russh::Error> {
        use KeyboardInteractiveAuthResponse as Response;
        let (user, limit) = (self.config.user.as_str(), self.config.connect_timeout);
        for _ in 0..self.config.password_prompts {
            let mut rounds = 0;
            let mut response = within(
                limit,
                self.handle
                    .authenticate_keyboard_interactive_start(user, None::<String>),
            )
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
                response = within(
                    limit,
                    self.handle
                        .authenticate_keyboard_interactive_respond(answers),
                )
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
    pub(super) async fn ask(&mut self, question: Question<'_>) -> Option<String> {
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

/// Bounds one exchange with the server: russh itself would wait for ever.
pub(super) async fn within<T>(
    limit: Duration,
    exchange: impl Future<Output = Result<T, russh::Error>>,
) -> Result<T, russh::Error> {
    tokio::time::timeout(limit, exchange).await?
}
