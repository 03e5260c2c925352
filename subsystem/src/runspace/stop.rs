//! Stopping an invocation, so that it does stop.
//!
//! A signal may come when there is nothing to hit yet: while a shell starts a job, the terminal
//! belongs to the shell, then to a process that is still a copy of the shell and forgets the
//! signal when it becomes its program. So a stop is looked after until the invocation has
//! ended, for a few seconds, and repeated where it cannot have arrived: a second ^C means
//! something else to many programs than the first.

use std::time::Duration;

use outlast_protocol::outcome::ExitStatus;
use rustix::process::Signal;
use tokio::time::Instant;

use super::terminal::Terminal;
use super::tree::{self, Beginning, Disposition, Process};

/// The driver's own (`__outlast_killed`).
const LEAVE: Signal = Signal::STKFLT;
const FIRST_LOOK: Duration = Duration::from_millis(30);
/// The looks are further and further apart: four seconds in all.
const LOOKS: u32 = 7;
/// When the shell itself is killed, if nothing else ended the invocation: after two seconds.
const LAST_LOOK_OF_KILL: u32 = 6;
/// A job that came into being after a ^C may be what a trap does about it, or may have been on
/// its way. After so long it is treated as the latter.
const CLEANING_UP: Duration = Duration::from_millis(500);

/// As a shell says them.
const KILLED: ExitStatus = ExitStatus::Code(137);
const INTERRUPTED: ExitStatus = ExitStatus::Code(130);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Interrupt,
    Terminate,
    Kill,
}

impl Level {
    pub(super) fn signal(self) -> Signal {
        match self {
            Self::Interrupt => Signal::INT,
            Self::Terminate => Signal::TERM,
            Self::Kill => Signal::KILL,
        }
    }
}

/// A stop that was asked for.
pub(super) struct Stop {
    level: Level,
    press: Option<Press>,
    /// Who was asked to terminate, and whether it was still a copy of the shell then.
    terminated: Vec<(i32, bool)>,
    looks: u32,
    next: Instant,
}

/// What a ^C hit.
struct Press {
    at: Instant,
    group: i32,
    present: Vec<i32>,
    /// What was present but not hit, or was still a copy of the shell.
    missed: Vec<i32>,
    /// What seemed to be caught in its handler at the last look.
    caught: Vec<i32>,
    /// Whether such a one was killed.
    freed: bool,
}

/// What a ^C missed when it threw the shell out of a command substitution; or what a kill did not
/// find, because it came into being meanwhile or had just lost its parent.
pub(super) struct Strays {
    pids: Vec<i32>,
    signal: Signal,
    looks: u32,
    pub(super) next: Instant,
}

impl Strays {
    /// Signals them. Says whether there will be more.
    pub(super) fn act(&mut self) -> bool {
        self.pids = tree::still_there(&self.pids);
        for pid in &self.pids {
            tree::send(*pid, self.signal);
        }
        self.next = Instant::now() + FIRST_LOOK.saturating_mul(1 << self.looks.min(LOOKS));
        self.looks = self.looks.saturating_add(1);
        !self.pids.is_empty() && self.looks <= LOOKS
    }
}

/// What there is to stop.
pub(super) struct Target<'a> {
    pub(super) shell: u32,
    pub(super) terminal: &'a Terminal,
    pub(super) beginning: &'a Beginning,
    /// Whether the invocation is one command and no script that could go on behind it.
    pub(super) sole: bool,
    /// What the shell only looks around for, the first that it hears.
    pub(super) nudges: &'static [Signal],
}

impl Stop {
    /// Due at once.
    pub(super) fn new(level: Level) -> Self {
        Self {
            level,
            press: None,
            terminated: Vec::new(),
            looks: 0,
            next: Instant::now(),
        }
    }

    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// Whether there was a ^C.
    pub(super) fn pressed(&self) -> bool {
        self.press.is_some()
    }

    /// How the invocation has ended: what a copy of the shell was killed for is the ^C.
    pub(super) fn truth(&self, status: ExitStatus) -> ExitStatus {
        let freed = self.press.as_ref().is_some_and(|press| press.freed);
        match status {
            KILLED if freed => INTERRUPTED,
            other => other,
        }
    }

    /// What is left to do when the invocation has ended.
    pub(super) fn strays(&self, target: &Target<'_>) -> Option<Strays> {
        let shell = i32::try_from(target.shell).ok()?;
        let pids = match (self.level, &self.press) {
            (Level::Kill, _) => tree::left_in_session(shell, target.beginning),
            (_, None) => return None,
            (_, Some(_)) => {
                tree::kill_held(shell);
                tree::left_beside(shell, target.beginning)
            }
        };
        let mut strays = Strays {
            pids,
            signal: self.level.signal(),
            looks: 0,
            next: Instant::now(),
        };
        strays.act().then_some(strays)
    }

    /// Does what is due. Says whether there will be more.
    pub(super) fn act(&mut self, target: &Target<'_>) -> bool {
        let done = match self.level {
            Level::Interrupt => {
                match &mut self.press {
                    Some(press) => press.repair(target),
                    None => self.press = press(target),
                }
                false
            }
            Level::Terminate => self.terminate(target),
            Level::Kill => {
                self.kill(target);
                false
            }
        };
        let wait = FIRST_LOOK.saturating_mul(1 << self.looks.min(LOOKS));
        self.looks = self.looks.saturating_add(1);
        let now = Instant::now();
        let next = now + wait;
        // No later than something can be told.
        let sure = self.press.as_ref().map(|press| press.at + CLEANING_UP);
        self.next = match sure {
            Some(sure) if now <= sure && sure < next => sure + Duration::from_millis(1),
            _ => next,
        };
        !done && self.looks <= LOOKS
    }

    /// Signals what there is once, and again who has not had it.
    fn terminate(&mut self, target: &Target<'_>) -> bool {
        let Ok(shell) = i32::try_from(target.shell) else {
            return true;
        };
        let copy = tree::image(shell);
        if self.terminated.is_empty() {
            let hit = tree::signal_since(target.shell, target.beginning, Signal::TERM);
            let hit = hit.into_iter().map(|pid| (pid, tree::image(pid) == copy));
            self.terminated = hit.collect();
            return false;
        }
        self.terminated.retain(|(pid, was_copy)| {
            tree::disposition(*pid, Signal::TERM) == Some(Disposition::Default)
                || (*was_copy && tree::image(*pid).is_some_and(|it| Some(it) != copy))
        });
        for (pid, was_copy) in &mut self.terminated {
            tree::send(*pid, Signal::TERM);
            *was_copy = tree::image(*pid) == copy;
        }
        self.terminated.is_empty()
    }

    fn kill(&self, target: &Target<'_>) {
        let Ok(shell) = i32::try_from(target.shell) else {
            return;
        };
        // The shell first, or it would go on with the script when its job dies. If it has been
        // replaced by another program there is no driver, and no session without it.
        let driven = tree::disposition(shell, LEAVE) != Some(Disposition::Default);
        if driven && self.looks < LAST_LOOK_OF_KILL {
            tree::send(shell, LEAVE);
            tree::signal_since(target.shell, target.beginning, Signal::KILL);
        } else {
            tree::signal_session(target.shell, Signal::KILL);
        }
    }
}

/// Presses ^C. With a script the shell gets it in any case: between two jobs the terminal belongs
/// to one that is dead, and a script must not go on because the job of the moment deals with it.
/// A sole command may deal with it as it likes: how it then ends is how the invocation ends.
fn press(target: &Target<'_>) -> Option<Press> {
    let shell = i32::try_from(target.shell).ok()?;
    let group = target.terminal.foreground();
    let present = tree::below(shell);
    let below = |group: i32| present.iter().filter(move |it| it.group == group);
    if group == Some(shell) && tree::older_beside(shell, target.beginning) {
        // What an earlier invocation left is no part of this one.
        tree::send(shell, Signal::INT);
        tree::signal_beside_since(shell, target.beginning, Signal::INT);
    } else if group == Some(shell) && below(shell).all(|it| tree::is_ours(it.pid)) {
        // Not the terminal's doing: who is in the foreground may be another one by then, in a loop
        // of programs, and the shell would know of nothing.
        tree::send_group(shell, Signal::INT);
    } else {
        let deals = |group: i32| target.sole && below(group).next().is_some();
        // First, so that the shell knows why its job dies and runs a trap of the user's.
        if group.is_none_or(|group| group != shell && !deals(group)) {
            tree::send(shell, Signal::INT);
        }
        target.terminal.signal(Signal::INT);
    }
    let group = group.filter(|group| target.terminal.foreground() == Some(*group));
    let group = group.unwrap_or(shell);
    let copy = tree::image(shell);
    // Not of those who are there by now: they may be what a trap does about it.
    let missed = present
        .iter()
        .filter(|it| it.group != group || tree::image(it.pid) == copy);
    Some(Press {
        at: Instant::now(),
        group,
        missed: missed.map(|it| it.pid).collect(),
        present: present.iter().map(|it| it.pid).collect(),
        caught: Vec::new(),
        freed: false,
    })
}

/// Has a shell look around that went to sleep with the interrupt in hand: a signal that comes
/// between its last look and a read, or the opening of a FIFO, does not end that. By a signal about
/// which it does nothing that matters; a read that is not to end goes on.
fn nudge(shell: i32, nudges: &[Signal]) {
    if !tree::sleeps(shell) {
        return;
    }
    let mut heard = nudges.iter().filter(|it| {
        tree::disposition(shell, **it) == Some(Disposition::Caught) && !tree::blocks(shell, **it)
    });
    if let Some(signal) = heard.next() {
        tree::send(shell, *signal);
    }
}

impl Press {
    /// Whether a process that came after the ^C is surely nothing that a trap does about it: its
    /// parent was there and has none.
    fn is_no_cleaning(&self, process: &Process, shell: i32) -> bool {
        let parent = process.parent;
        parent != shell
            && self.present.contains(&parent)
            && tree::disposition(parent, Signal::INT) == Some(Disposition::Default)
    }

    /// Interrupts what is in the foreground and cannot have been hit, as far as can be told.
    fn repair(&mut self, target: &Target<'_>) {
        let (Ok(shell), Some(group)) = (i32::try_from(target.shell), target.terminal.foreground())
        else {
            return;
        };
        nudge(shell, target.nudges);
        let copy = tree::image(shell);
        // Looking for orphans takes long, and is hardly ever needed.
        let processes = if group == shell && self.at.elapsed() > CLEANING_UP {
            tree::below_and_beside(shell, target.beginning)
        } else {
            tree::below(shell)
        };
        for process in processes {
            let pid = process.pid;
            let older = group == shell && !target.beginning.covers(&process);
            if process.group != group || older {
                continue;
            }
            if tree::is_caught(pid) && tree::image(pid) == copy {
                // Twice, as it could be about to fork.
                if self.caught.contains(&pid) {
                    tree::send(pid, Signal::KILL);
                    self.freed = true;
                } else {
                    self.caught.push(pid);
                }
                continue;
            }
            self.caught.retain(|it| *it != pid);
            let alive = tree::disposition(pid, Signal::INT) == Some(Disposition::Default);
            let unaware = if self.present.contains(&pid) {
                // Whoever was there and would die of it was not hit, whatever group it was in.
                let moved = group != self.group || tree::image(pid) != copy;
                alive || (moved && self.missed.contains(&pid))
            } else {
                alive && (self.at.elapsed() > CLEANING_UP || self.is_no_cleaning(&process, shell))
            };
            if unaware {
                self.missed.retain(|it| *it != pid);
                if tree::image(pid) == copy {
                    self.missed.push(pid);
                }
                if !tree::send(pid, Signal::INT) && group != shell {
                    target.terminal.signal(Signal::INT);
                }
            }
        }
    }
}
