//! Questions to the user, asked through the command line that caused them.

use outlast_protocol::control::to_cli::Question as Asked;
use tokio::sync::{mpsc, oneshot};

use crate::ssh::{Answer, NoTerminal, Prompt, PromptFuture, Question};

/// A question on its way to the command line.
pub(super) struct Pending {
    pub(super) question: Asked,
    pub(super) answer: oneshot::Sender<Option<Vec<String>>>,
}

/// Asks through whoever receives the pending questions.
pub(super) struct Broker {
    sender: mpsc::UnboundedSender<Pending>,
}

impl Broker {
    /// A broker and the questions that come out of it.
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Pending>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { sender }, receiver)
    }
}

impl Prompt for Broker {
    fn ask<'a>(&'a self, question: Question<'a>) -> PromptFuture<'a> {
        let yes_or_no = matches!(question, Question::HostKey { .. });
        let asked = words(&question);
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            self.sender
                .send(Pending {
                    question: asked,
                    answer,
                })
                .map_err(|_| NoTerminal)?;
            let texts = answered.await.ok().flatten().ok_or(NoTerminal)?;
            let text = texts.into_iter().next().unwrap_or_default();
            Ok(match text.trim().to_ascii_lowercase().as_str() {
                "yes" if yes_or_no => Answer::Yes,
                "no" | "" if yes_or_no => Answer::No,
                _ => Answer::Text(if yes_or_no {
                    text.trim().to_owned()
                } else {
                    text
                }),
            })
        })
    }
}

/// The question as ssh words it. Its number is given by the connection that carries it.
fn words(question: &Question<'_>) -> Asked {
    let (text, prompt, shown) = match question {
        Question::HostKey {
            host,
            port,
            address,
            key_type,
            fingerprint,
            other_type_known,
        } => {
            let mut text = format!(
                "The authenticity of host '{host}' ({address}, port {port}) can't be established.\n\
                 {key_type} key fingerprint is {fingerprint}."
            );
            if let Some(place) = other_type_known {
                text.push_str(&format!(
                    "\nWARNING: another type of key is known for this host, at {place}."
                ));
            }
            (
                text,
                "Are you sure you want to continue connecting (yes/no/[fingerprint])? ".to_owned(),
                true,
            )
        }
        Question::Passphrase { path, attempt } => (
            again(*attempt, "passphrase"),
            format!("Enter passphrase for key '{}': ", path.display()),
            false,
        ),
        Question::Password {
            user,
            host,
            attempt,
        } => (
            again(*attempt, "password"),
            format!("{user}@{host}'s password: "),
            false,
        ),
        Question::KeyboardInteractive {
            user,
            host,
            name,
            instructions,
            prompt,
            echo,
        } => {
            let text = [*name, *instructions]
                .into_iter()
                .filter(|line| !line.is_empty());
            let text: Vec<_> = text.collect();
            (text.join("\n"), format!("({user}@{host}) {prompt}"), *echo)
        }
        Question::Verbatim { text, prompt, echo } => {
            return Asked {
                question: 0,
                text: (*text).to_owned(),
                fields: prompt
                    .iter()
                    .map(|prompt| ((*prompt).to_owned(), *echo))
                    .collect(),
            };
        }
    };
    Asked {
        question: 0,
        text,
        fields: vec![(prompt, shown)],
    }
}

fn again(attempt: u32, what: &str) -> String {
    if attempt > 1 {
        format!("That {what} was not accepted, please try again.")
    } else {
        String::new()
    }
}
