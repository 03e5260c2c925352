//! Questions to the user, asked through the command line that caused them.

use outlast_protocol::control::to_cli::Question as Asked;
use outlast_protocol::secret::Secret;
use tokio::sync::{mpsc, oneshot};

use crate::ssh::{Answer, NoTerminal, Prompt, PromptFuture, Question};

/// A question on its way to the command line.
pub(super) struct Pending {
    pub(super) question: Asked,
    pub(super) answer: oneshot::Sender<Option<Vec<Secret>>>,
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
        let yes_or_no = is_yes_or_no(&question);
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
            Ok(understand(yes_or_no, texts))
        })
    }
}

fn is_yes_or_no(question: &Question<'_>) -> bool {
    matches!(
        question,
        Question::HostKey { .. } | Question::HostKeyDiffers { .. } | Question::AddKey { .. }
    )
}

/// What was answered. An empty answer to a question of yes or no is a no, as in ssh.
fn understand(yes_or_no: bool, texts: Vec<Secret>) -> Answer {
    let first = texts.first().map(|text| text.reveal().trim());
    match first.map(str::to_ascii_lowercase).as_deref() {
        None => Answer::No,
        Some("yes") if yes_or_no => Answer::Yes,
        Some("no" | "") if yes_or_no => Answer::No,
        Some(_) => Answer::Texts(texts),
    }
}

/// The question as ssh words it. Its number is given by the connection that carries it.
fn words(question: &Question<'_>) -> Asked {
    let (text, fields) = match question {
        Question::HostKey {
            name,
            address,
            key_type,
            fingerprint,
            other_names,
            again: false,
        } => {
            let text = format!(
                "The authenticity of host '{name} ({address})' can't be established.\n\
                 {key_type} key fingerprint is {fingerprint}.\n{}",
                known_as(other_names)
            );
            (text, shown(CONTINUE_OR_FINGERPRINT))
        }
        Question::HostKey { again: true, .. } => (
            String::new(),
            shown("Please type 'yes', 'no' or the fingerprint: "),
        ),
        Question::HostKeyDiffers { text, again: false } => ((*text).to_owned(), shown(CONTINUE)),
        Question::HostKeyDiffers { again: true, .. } => {
            (String::new(), shown("Please type 'yes' or 'no': "))
        }
        Question::Passphrase { path, attempt } => (
            again(*attempt, "passphrase"),
            hidden(format!("Enter passphrase for key '{}': ", path.display())),
        ),
        Question::Password {
            user,
            host,
            attempt,
        } => (
            again(*attempt, "password"),
            hidden(format!("{user}@{host}'s password: ")),
        ),
        Question::KeyboardInteractive {
            user,
            host,
            name,
            instructions,
            prompts,
        } => {
            let text = [name.trim_end(), instructions.trim_end()];
            let text: Vec<_> = text.into_iter().filter(|line| !line.is_empty()).collect();
            let fields = prompts
                .iter()
                .map(|(prompt, echo)| (format!("({user}@{host}) {prompt}"), *echo));
            (text.join("\n"), fields.collect())
        }
        Question::AddKey { path } => (
            String::new(),
            shown(&format!("Add key {} to agent (yes/no)? ", path.display())),
        ),
        Question::Verbatim {
            text, prompt, echo, ..
        } => {
            let fields = prompt.iter().map(|prompt| ((*prompt).to_owned(), *echo));
            ((*text).to_owned(), fields.collect())
        }
    };
    Asked {
        question: 0,
        text,
        fields,
        confirm: matches!(
            question,
            Question::AddKey { .. } | Question::Verbatim { confirm: true, .. }
        ),
    }
}

const CONTINUE: &str = "Are you sure you want to continue connecting (yes/no)? ";
const CONTINUE_OR_FINGERPRINT: &str =
    "Are you sure you want to continue connecting (yes/no/[fingerprint])? ";
/// Other names shown.
const MAX_NAMES: usize = 8;

fn known_as(names: &[String]) -> String {
    if names.is_empty() {
        return "This key is not known by any other names.".to_owned();
    }
    let mut text = "This host key is known by the following other names/addresses:".to_owned();
    for name in names.iter().take(MAX_NAMES) {
        text.push_str(&format!("\n    {name}"));
    }
    if let Some(more @ 1..) = names.len().checked_sub(MAX_NAMES) {
        text.push_str(&format!("\n    ({more} additional names omitted)"));
    }
    text
}

fn shown(prompt: &str) -> Vec<(String, bool)> {
    vec![(prompt.to_owned(), true)]
}

fn hidden(prompt: String) -> Vec<(String, bool)> {
    vec![(prompt, false)]
}

fn again(attempt: u32, what: &str) -> String {
    if attempt > 1 {
        format!("That {what} was not accepted, please try again.")
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_about_a_host_is_the_one_ssh_asks() {
        let other_names: Vec<String> = (1..=10).map(|n| format!("known_hosts:{n}: web")).collect();
        let asked = |other_names: &[String], again| {
            words(&Question::HostKey {
                name: "[db1]:2222",
                address: "[10.0.0.1]:2222",
                key_type: "ED25519",
                fingerprint: "SHA256:abc",
                other_names,
                again,
            })
        };
        let question = asked(&[], false);
        assert_eq!(
            question.text,
            "The authenticity of host '[db1]:2222 ([10.0.0.1]:2222)' can't be established.\n\
             ED25519 key fingerprint is SHA256:abc.\n\
             This key is not known by any other names."
        );
        assert_eq!(question.fields, shown(CONTINUE_OR_FINGERPRINT));
        let text = asked(&other_names, false).text;
        assert!(text.contains("names/addresses:\n    known_hosts:1: web\n    known_hosts:2"));
        assert!(
            text.ends_with("known_hosts:8: web\n    (2 additional names omitted)"),
            "{text}"
        );
        let again = asked(&[], true).fields;
        assert_eq!(again, shown("Please type 'yes', 'no' or the fingerprint: "));
    }

    #[test]
    fn a_round_is_asked_at_once_and_an_answer_is_what_it_says() {
        let prompts = [
            ("Password: ".to_owned(), false),
            ("Code: ".to_owned(), true),
        ];
        let question = words(&Question::KeyboardInteractive {
            user: "me",
            host: "db1",
            name: "Two steps\n",
            instructions: "",
            prompts: &prompts,
        });
        assert_eq!(question.text, "Two steps");
        let fields = [("(me@db1) Password: ", false), ("(me@db1) Code: ", true)];
        assert_eq!(
            question.fields,
            fields.map(|(prompt, echo)| (prompt.to_owned(), echo))
        );
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).into()).collect();
        assert_eq!(understand(true, texts(&[" YES "])), Answer::Yes);
        assert_eq!(understand(true, texts(&[""])), Answer::No);
        assert_eq!(understand(true, texts(&["maybe"])), Answer::text("maybe"));
        assert_eq!(understand(false, texts(&[" no "])), Answer::text(" no "));
        assert_eq!(understand(false, texts(&[""])), Answer::text(""));
        assert_eq!(understand(false, texts(&[])), Answer::No);
    }
}
