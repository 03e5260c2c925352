//! Questions to the person at the terminal, asked through whoever has the terminal.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;

use outlast_protocol::secret::Secret;

/// What only a person can answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Question<'a> {
    /// The host is unknown. Answered by [`Answer::Yes`], [`Answer::No`] or by
    /// [`Answer::Texts`] with the fingerprint the person expects.
    HostKey {
        /// As it will be recorded.
        name: &'a str,
        address: &'a str,
        /// As ssh calls it: `ED25519`.
        key_type: &'a str,
        /// `SHA256:…`
        fingerprint: &'a str,
        /// Where the key is recorded for other hosts: `file:line: names`.
        other_names: &'a [String],
        /// Whether the answer before was neither yes nor no nor the fingerprint.
        again: bool,
    },
    /// The host's key is not its address's. Answered as above, without a fingerprint.
    HostKeyDiffers { text: &'a str, again: bool },
    /// Answered by [`Answer::Texts`].
    Passphrase { path: &'a Path, attempt: u32 },
    /// Answered by [`Answer::Texts`].
    Password {
        user: &'a str,
        host: &'a str,
        attempt: u32,
    },
    /// A round of keyboard-interactive, answered by [`Answer::Texts`], one for each prompt.
    KeyboardInteractive {
        user: &'a str,
        host: &'a str,
        name: &'a str,
        instructions: &'a str,
        /// Each with whether what is typed may be shown.
        prompts: &'a [(String, bool)],
    },
    /// Whether the agent may have the key. Answered by [`Answer::Yes`] or [`Answer::No`].
    AddKey { path: &'a Path },
    /// In words of the system's `ssh`. Answered by [`Answer::Texts`].
    Verbatim {
        /// What comes before the line to type in.
        text: &'a str,
        /// The begin of that line; none where there is nothing to type.
        prompt: Option<&'a str>,
        /// Whether what is typed may be shown.
        echo: bool,
        /// It is to be confirmed, and nothing else.
        confirm: bool,
    },
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    Yes,
    /// To a secret: it is not given.
    No,
    Texts(Vec<Secret>),
}

impl Answer {
    /// One text.
    pub fn text(text: &str) -> Self {
        Self::Texts(vec![text.into()])
    }
}

/// Nobody is there to answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("there is no terminal to ask on")]
pub struct NoTerminal;

pub type PromptFuture<'a> = Pin<Box<dyn Future<Output = Result<Answer, NoTerminal>> + Send + 'a>>;

/// The way to the person. [`Answer::No`] to a secret means "leave this method out".
pub trait Prompt: Send + Sync {
    fn ask<'a>(&'a self, question: Question<'a>) -> PromptFuture<'a>;
}

/// For reconnects in the background: nobody is there.
#[derive(Clone, Copy, Debug, Default)]
pub struct NeverPrompt;

impl Prompt for NeverPrompt {
    fn ask<'a>(&'a self, _: Question<'a>) -> PromptFuture<'a> {
        Box::pin(async { Err(NoTerminal) })
    }
}
