//! What a person at a terminal can give: passwords, and answers to whatever the server asks.

use russh::client::{AuthResult, KeyboardInteractiveAuthResponse, Prompt as ServerPrompt};

use super::{Attempt, Step, within};
use crate::ssh::prompt::{Answer, Question};

/// Rounds of keyboard-interactive per attempt: a server may ask without end.
const MAX_ROUNDS: u32 = 16;

impl Attempt<'_> {
    pub(super) async fn password(&mut self) -> Result<Step, russh::Error> {
        if self.passwords >= self.config.password_prompts {
            return Ok(Step::NotSent);
        }
        self.passwords += 1;
        let (user, host) = (self.config.user.clone(), self.shown_host().to_owned());
        let question = Question::Password {
            user: &user,
            host: &host,
            attempt: self.passwords,
        };
        let Some(password) = self.ask_secret(question).await else {
            return Ok(Step::NotSent);
        };
        self.tried.push("password".into());
        // russh wipes its copy.
        let sending = self.handle.authenticate_password(user, password.reveal());
        match within(self.config.connect_timeout, sending).await {
            // That is what a request for a new password looks like: russh does not pass it on.
            Err(russh::Error::Elapsed(elapsed)) => {
                self.tried.push(CHANGE.into());
                Err(russh::Error::Elapsed(elapsed))
            }
            result => Ok(self.note(result?)),
        }
    }

    pub(super) async fn keyboard_interactive(&mut self) -> Result<Step, russh::Error> {
        use KeyboardInteractiveAuthResponse as Response;
        if self.rounds >= self.config.password_prompts {
            return Ok(Step::NotSent);
        }
        self.rounds += 1;
        let limit = self.config.connect_timeout;
        let (user, devices) = (&self.config.user, &self.config.kbd_interactive_devices);
        let beginning = self
            .handle
            .authenticate_keyboard_interactive_start(user.as_str(), devices.clone());
        let mut response = within(limit, beginning).await?;
        let mut asked = 0;
        while let Response::InfoRequest {
            name,
            instructions,
            prompts,
        } = response
        {
            asked += 1;
            let answers = self.answers(&name, &instructions, prompts).await;
            // Without an answer this connection can do nothing more: the server waits for it.
            let Some(answers) = answers.filter(|_| asked <= MAX_ROUNDS) else {
                return Ok(Step::NotSent);
            };
            let answering = self
                .handle
                .authenticate_keyboard_interactive_respond(answers);
            response = within(limit, answering).await?;
        }
        self.tried.push("keyboard-interactive".into());
        // A server that asks nothing would ask nothing the next time.
        if asked == 0 {
            self.rounds = u32::MAX;
        }
        match response {
            Response::Success => Ok(Step::Done),
            Response::Failure {
                remaining_methods,
                partial_success,
            } => Ok(self.note(AuthResult::Failure {
                remaining_methods,
                partial_success,
            })),
            Response::InfoRequest { .. } => Ok(Step::NotSent),
        }
    }

    /// All of a round at once. A round without prompts is answered without asking: it only tells.
    async fn answers(
        &mut self,
        name: &str,
        instructions: &str,
        prompts: Vec<ServerPrompt>,
    ) -> Option<Vec<String>> {
        if prompts.is_empty() {
            self.notes
                .extend([name, instructions].map(str::trim).map(str::to_owned));
            self.notes.retain(|note| !note.is_empty());
            return Some(Vec::new());
        }
        let (user, host) = (self.config.user.clone(), self.shown_host().to_owned());
        let prompts: Vec<(String, bool)> = prompts
            .into_iter()
            .map(|ServerPrompt { prompt, echo }| (prompt, echo))
            .collect();
        let question = Question::KeyboardInteractive {
            user: &user,
            host: &host,
            name,
            instructions,
            prompts: &prompts,
        };
        match self.ask(question).await? {
            Answer::Texts(texts) if texts.len() == prompts.len() => {
                Some(texts.iter().map(|text| text.reveal().to_owned()).collect())
            }
            _ => None,
        }
    }
}

const CHANGE: &str = "password (no answer: the server may want a new one, which `ssh` can give it)";
