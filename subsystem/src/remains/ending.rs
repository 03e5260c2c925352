//! Ending what a dead host's shell left running, and nothing else.

use std::time::{Duration, Instant};

use rustix::fd::OwnedFd;
use rustix::process::{Signal, pidfd_send_signal};

use super::orphans::Orphan;
use crate::registry::ends_within;
use crate::runspace::{CLOSING, REAP};

/// A process may fork while /proc is read: looked again so often until nothing is left.
const ROUNDS: usize = 16;

/// What became of the orphans.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// They were there.
    pub found: Vec<Orphan>,
    /// They are there still, whatever was done.
    pub left: Vec<Orphan>,
}

/// Ends what `find` finds: asked first, killed when that takes too long.
pub fn end(find: impl Fn() -> Vec<Orphan>) -> Ended {
    let found = find();
    let asked = held(&found);
    for signal in [Signal::CONT, Signal::HUP, Signal::TERM] {
        send(&asked, signal);
    }
    wait(&asked, CLOSING);
    let mut ended = Ended {
        found,
        left: Vec::new(),
    };
    for _ in 0..ROUNDS {
        ended.left = find();
        if ended.left.is_empty() {
            break;
        }
        for orphan in &ended.left {
            if !ended.found.contains(orphan) {
                ended.found.push(orphan.clone());
            }
        }
        let doomed = held(&ended.left);
        send(&doomed, Signal::KILL);
        if !wait(&doomed, REAP) {
            // In a wait that nothing interrupts: another round would not end it either.
            break;
        }
    }
    ended.left = find();
    ended
}

/// Descriptors of those that still are who they were.
fn held(orphans: &[Orphan]) -> Vec<OwnedFd> {
    orphans
        .iter()
        .filter_map(|orphan| orphan.id.open())
        .collect()
}

fn send(processes: &[OwnedFd], signal: Signal) {
    for process in processes {
        let _ = pidfd_send_signal(process, signal);
    }
}

/// Waits for the end of all; says whether it came in time.
fn wait(processes: &[OwnedFd], time: Duration) -> bool {
    let until = Instant::now() + time;
    processes
        .iter()
        .all(|process| ends_within(process, until.saturating_duration_since(Instant::now())))
}
