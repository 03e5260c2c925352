//! What outlives an invocation that was stopped, though the stop was meant for it.
//!
//! A program that ignores ^C is often the child of one that does not: that one ends, and with it
//! the invocation, and the other has lost its parent. Where whoever stops it wants all of it gone
//! in time, it is asked to terminate, and then killed.

use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use super::stop::Level;
use super::tree::{self, Identity};

/// Whom a stop was meant for.
pub(super) struct Meant {
    level: Level,
    processes: Vec<Identity>,
}

/// Those of them that are still there when the invocation has ended.
pub(super) struct Leftovers {
    processes: Vec<Identity>,
    signal: Signal,
    pause: Duration,
    pub(super) next: Instant,
}

impl Meant {
    /// At this moment: an interrupt is for who is in the foreground, the rest for all that the
    /// invocation has started.
    pub(super) fn by(
        level: Level,
        shell: u32,
        foreground: Option<i32>,
        beginning: &tree::Beginning,
    ) -> Self {
        let all = i32::try_from(shell).map(tree::below).unwrap_or_default();
        let meant = all.iter().filter(|it| {
            beginning.covers(it) && (level != Level::Interrupt || foreground == Some(it.group))
        });
        Self {
            level,
            processes: meant.map(tree::Process::identity).collect(),
        }
    }
}

impl Leftovers {
    /// Of an invocation that has ended. What is still below the shell is its own affair: a job of
    /// an interrupted script that was put into the background goes on.
    pub(super) fn of(meant: Meant, shell: u32, pause: Duration) -> Option<Self> {
        let below = i32::try_from(shell).map(tree::below).unwrap_or_default();
        let signal = match meant.level {
            Level::Interrupt => Signal::TERM,
            Level::Terminate => Signal::KILL,
            // That is looked after elsewhere.
            Level::Kill => return None,
        };
        let mut processes = meant.processes;
        processes.retain(|it| it.is_alive() && below.iter().all(|other| other.identity() != *it));
        (!processes.is_empty()).then(|| Self {
            processes,
            signal,
            pause,
            next: Instant::now() + pause,
        })
    }

    /// Signals them, with what they have started. Says whether there will be more.
    pub(super) fn act(&mut self) -> bool {
        self.processes.retain(Identity::is_alive);
        let roots: Vec<i32> = self.processes.iter().map(Identity::pid).collect();
        if roots.is_empty() {
            return false;
        }
        for pid in tree::still_there(&roots) {
            tree::send(pid, self.signal);
        }
        self.next = Instant::now() + self.pause;
        std::mem::replace(&mut self.signal, Signal::KILL) != Signal::KILL
    }
}
