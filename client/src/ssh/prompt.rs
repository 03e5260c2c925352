//! Questions to the person at the terminal, asked through whoever has the terminal.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;

/// What only a person can answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Question<'a> {
    /// The host is unknown. Answered by [`Answer::Yes`], [`Answer::No`] or by
    /// [`Answer::Text`] with the fingerprint the person expects.
    HostKey {
        host: &'a str,
        port: u16,
        address: &'a str,
        key_type: &'a str,
        /// `SHA256:…`
        fingerprint: &'a str,
        /// Where another type of key is recorded for this host, as `file:line`: a warning sign.
        other_type_known: Option<&'a str>,
    },
    /// Answered by [`Answer::Text`].
    Passphrase { path: &'a Path, attempt: u32 },
    /// Answered by [`Answer::Text`].
    Password {
        user: &'a str,
        host: &'a str,
        attempt: u32,
    },
    /// One prompt of a keyboard-interactive round, answered by [`Answer::Text`].
    KeyboardInteractive {
        user: &'a str,
        host: &'a str,
        name: &'a str,
        instructions: &'a str,
        prompt: &'a str,
        /// Whether what is typed may be shown.
        echo: bool,
    },
    /// In words of the system's `ssh`. Answered by [`Answer::Text`].
    Verbatim {
        /// What comes before the line to type in.
        text: &'a str,
        /// The begin of that line; none where there is nothing to type.
        prompt: Option<&'a str>,
        /// Whether what is typed may be shown.
        echo: bool,
    },
}

#[derive(Clone, Eq, PartialEq)]
pub enum Answer {
    Yes,
    No,
    Text(String),
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
