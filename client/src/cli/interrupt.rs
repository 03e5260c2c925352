//! Ctrl-C and the signals that end us.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::asker::restore_terminal;
use super::error::Error;
use super::exit;
use crate::terminal::raw;

/// A second Ctrl-C within this time leaves.
const SECOND: Duration = Duration::from_secs(2);

/// What Ctrl-C has asked for so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    /// How often the commands are to be interrupted.
    pub(super) cancels: u32,
    /// Whether to leave them running and go.
    pub(super) leave: bool,
}

/// Tells who is interested. Until somebody is, Ctrl-C ends the program.
#[derive(Clone, Debug)]
pub(super) struct Interrupts {
    wish: watch::Receiver<Wish>,
    wishes: watch::Sender<Wish>,
    caught: Arc<AtomicBool>,
}

impl Interrupts {
    /// Begins to listen.
    pub(super) fn watch() -> Result<Self, Error> {
        let (sender, wish) = watch::channel(Wish::default());
        let caught = Arc::new(AtomicBool::new(false));
        let listener = Listener {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
            caught: Arc::clone(&caught),
            sender: sender.clone(),
        };
        tokio::spawn(listener.run());
        Ok(Self {
            wish,
            wishes: sender,
            caught,
        })
    }

    /// Hears of Ctrl-C, once somebody has taken it over.
    #[must_use]
    pub(super) fn listen(&self) -> watch::Receiver<Wish> {
        self.wish.clone()
    }

    /// The user has typed the keys that leave.
    pub(super) fn leave(&self) {
        self.wishes.send_modify(|wish| wish.leave = true);
    }

    /// Takes Ctrl-C over.
    pub(super) fn catch(&self) -> watch::Receiver<Wish> {
        self.caught.store(true, Ordering::Relaxed);
        self.wish.clone()
    }
}

fn listen(kind: SignalKind) -> Result<Signal, Error> {
    signal(kind).map_err(|source| Error::System {
        action: "cannot listen for signals",
        source,
    })
}

struct Listener {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    caught: Arc<AtomicBool>,
    sender: watch::Sender<Wish>,
}

impl Listener {
    async fn run(mut self) {
        let mut last: Option<Instant> = None;
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                // Just go: remote commands live in their sessions.
                _ = self.terminate.recv() => go(143),
                _ = self.hangup.recv() => go(129),
            }
            if !self.caught.load(Ordering::Relaxed) {
                go(exit::CANCELLED);
            }
            let again = last.is_some_and(|last| last.elapsed() < SECOND);
            last = Some(Instant::now());
            self.sender.send_modify(|wish| {
                if again {
                    wish.leave = true;
                } else {
                    wish.cancels = wish.cancels.saturating_add(1);
                }
            });
        }
    }
}

fn go(code: u8) {
    restore_terminal();
    raw::restore();
    std::process::exit(code.into());
}
