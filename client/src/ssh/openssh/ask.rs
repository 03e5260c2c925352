//! Questions in words of `ssh`, put to the person.

use outlast_protocol::control::to_mux::AskpassKind;
use outlast_protocol::secret::Secret;

use super::askpass::Asked;
use crate::ssh::prompt::{Answer, Prompt, Question};

/// What came of the questions of one `ssh`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asking {
    /// Somebody should have been asked and there was no terminal.
    pub(super) no_terminal: bool,
    /// The host key was declined.
    pub(super) declined: bool,
}

impl Asking {
    /// Puts a question, and hands the answer back.
    pub(super) async fn put(&mut self, asked: Asked, prompt: &dyn Prompt) {
        let Asked { kind, text, answer } = asked;
        let said = match kind {
            AskpassKind::Notice => {
                let told = Question::Verbatim {
                    text: text.trim_end(),
                    prompt: None,
                    echo: true,
                    confirm: false,
                };
                // Without a terminal nobody reads it; the finger may find the token all the same.
                let _ = prompt.ask(told).await;
                None
            }
            AskpassKind::Confirm => {
                let question = Question::Verbatim {
                    text: text.trim_end(),
                    prompt: Some("Allow this (yes/no)? "),
                    echo: true,
                    confirm: true,
                };
                let confirmed = self.line(question, prompt).await;
                confirmed.filter(|said| is(said, "yes"))
            }
            AskpassKind::Line => {
                let (before, line) = split(&text);
                let host_key = is_host_key(&text);
                let question = Question::Verbatim {
                    text: before,
                    prompt: Some(line),
                    echo: host_key,
                    confirm: false,
                };
                let said = self.line(question, prompt).await;
                self.declined |= host_key && said.as_ref().is_some_and(|said| is(said, "no"));
                said
            }
        };
        // Nobody waits any more: the ssh that asked is gone.
        let _ = answer.send(said);
    }

    async fn line(&mut self, question: Question<'_>, prompt: &dyn Prompt) -> Option<Secret> {
        match prompt.ask(question).await {
            Ok(Answer::Texts(texts)) => texts.into_iter().next(),
            Ok(Answer::Yes) => Some("yes".into()),
            // Whoever was asked gave up.
            Ok(Answer::No) => None,
            Err(_) => {
                self.no_terminal = true;
                None
            }
        }
    }
}

fn is(said: &Secret, word: &str) -> bool {
    said.reveal().trim().eq_ignore_ascii_case(word)
}

/// What ssh says, and behind that the line it waits at.
fn split(text: &str) -> (&str, &str) {
    text.rsplit_once('\n').unwrap_or(("", text))
}

/// The one kind of question whose answer is no secret. ssh does not say which it is.
fn is_host_key(text: &str) -> bool {
    const ASKS: [&str; 3] = [
        "(yes/no/[fingerprint])?",
        "(yes/no)?",
        "or the fingerprint:",
    ];
    ASKS.iter().any(|asks| text.trim_end().ends_with(asks))
}
