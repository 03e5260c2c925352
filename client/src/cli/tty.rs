//! Our terminal, as far as a command has it that `invoke --tty` runs.

use std::io::IsTerminal;

use bytes::Bytes;
use outlast_protocol::link::TerminalSize;
use tokio::sync::mpsc::Receiver;

use super::Client;
use super::error::Error;
use super::stdin::keys as typed_keys;
use crate::terminal::detach::DetachKeys;
use crate::terminal::keys::{Action, Keys, help};
use crate::terminal::raw::RawMode;
use crate::terminal::size::{self, Changes};

/// The environment variable that names the keys that leave.
pub(super) const DETACH_KEYS: &str = "OUTLAST_DETACH_KEYS";

/// What a command gets that has no terminal of ours.
pub(super) const NO_SIZE: TerminalSize = TerminalSize {
    columns: 80,
    rows: 24,
};

/// The keys that leave, as the user wants them.
pub(super) fn detach_keys(named: Option<&DetachKeys>) -> Result<DetachKeys, Error> {
    match (named, std::env::var(DETACH_KEYS)) {
        (Some(keys), _) => Ok(keys.clone()),
        (None, Ok(text)) if !text.is_empty() => text.parse().map_err(|error| {
            Error::usage(format!("{DETACH_KEYS}: {error}"), "unset it for ctrl-\\,d")
        }),
        (None, _) => Ok(DetachKeys::default()),
    }
}

/// The command's share of our terminal.
#[derive(Debug)]
pub(super) struct Tty {
    detach: DetachKeys,
    /// None where standard input is no terminal, or not the command's.
    keys: Option<Keys>,
    raw: Option<RawMode>,
    changes: Changes,
}

impl Tty {
    /// With our keys, if `keys` says so and they come from a terminal.
    pub(super) fn new(detach: DetachKeys, keys: bool) -> Result<Self, Error> {
        let changes = Changes::follow().map_err(|source| Error::System {
            action: "cannot listen for signals",
            source,
        })?;
        let keys = keys && std::io::stdin().is_terminal();
        Ok(Self {
            keys: keys.then(|| Keys::new(detach.clone())),
            detach,
            raw: None,
            changes,
        })
    }

    /// Its size.
    pub(super) fn size(&self) -> TerminalSize {
        size::now().unwrap_or(NO_SIZE)
    }

    /// Its next size. Cancel-safe.
    pub(super) async fn resized(&mut self) -> TerminalSize {
        self.changes.next().await
    }

    /// Whether the keys are the command's.
    pub(super) fn is_raw(&self) -> bool {
        self.raw.is_some()
    }

    /// Gives the command the keys, once; they come out of the returned receiver.
    pub(super) fn begin(&mut self) -> Result<Option<Receiver<Bytes>>, Error> {
        if self.keys.is_none() || self.raw.is_some() {
            return Ok(None);
        }
        let system = |source| Error::System {
            action: "cannot use the terminal",
            source,
        };
        self.raw = Some(RawMode::begin().map_err(system)?);
        typed_keys().map(Some).map_err(system)
    }

    /// What of the keys typed is the command's.
    pub(super) fn typed(&mut self, client: &Client, bytes: &[u8]) -> Option<Bytes> {
        let mut theirs = Vec::new();
        for action in self.keys.as_mut()?.push(bytes) {
            match action {
                Action::Send(bytes) => theirs.extend(bytes),
                Action::Leave => client.interrupts.leave(),
                Action::Help => client.output.note(&help(&self.detach)),
            }
        }
        Some(theirs.into())
    }
}
