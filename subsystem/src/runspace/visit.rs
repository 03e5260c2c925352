//! Visits to the shell's own prompt.
//!
//! A visitor finds the shell with its driver, waiting for work, and has it show its prompt; or
//! finds it where an earlier visitor left it, at the prompt or in a program. Before each prompt
//! the driver asks, and is told to show it while somebody is there. When nobody is and work
//! comes, a shell at its prompt is asked to come back ([`Recall`]); a program is left alone.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::link::TerminalSize;
use outlast_protocol::outcome::ExitStatus;
use rustix::process::Signal;
use tokio::time::Instant;

use super::engine::Recall;
use super::error::StartError;
use super::invocation::Invocation;
use super::spec::{Environment, Event};
use super::{Runspace, tree};

const PAUSE: Duration = Duration::from_millis(20);
/// The looks for a prompt are further and further apart, ten seconds in all; whatever the
/// terminal says starts them anew.
const LOOKS: u32 = 9;
/// After so many of them a shell that was asked back by keys, and still edits a line, reads the
/// next line of a command of many: a second.
const STUCK: u32 = 6;
/// How long the driver has to say what Control-D is.
const END_KEY: Duration = Duration::from_secs(2);
const END_OF_FILE: u8 = 0x04;
const QUOTE_NEXT: u8 = 0x16;

/// Where the shell is between invocations, and who is there.
#[derive(Default)]
pub(super) struct Visiting {
    /// The number under which the driver showed its prompt. None while it waits for work.
    shown: Option<u64>,
    /// What the driver asked before the next prompt, if it waits for the answer.
    asked: Option<u64>,
    /// The visitor.
    inside: Option<u64>,
    /// What a visitor was lent is with the driver's job until the shell is back.
    reception: Option<Invocation>,
    /// Whether work waits for the shell.
    wanted: bool,
    /// Whether it was asked back by keys: once is enough.
    recalled: bool,
    /// Whether a line may have been put away that the next visitor gets back.
    kept_line: bool,
    look: Option<Look>,
    typed: Bytes,
    last_key: u8,
    /// Until when what is typed behind Control-D waits for what that turns out to be.
    end_key: Option<Instant>,
}

/// A look whether the shell edits a line.
struct Look {
    at: Instant,
    count: u32,
}

impl Look {
    fn soon() -> Self {
        Self {
            at: Instant::now() + PAUSE,
            count: 0,
        }
    }

    fn again(&mut self) -> bool {
        self.at = Instant::now() + PAUSE.saturating_mul(1 << self.count.min(LOOKS));
        self.count = self.count.saturating_add(1);
        self.count <= LOOKS
    }

    fn is_late(&self) -> bool {
        self.count > STUCK
    }
}

impl Visiting {
    pub(super) fn next_look(&self) -> Option<Instant> {
        let look = self.look.as_ref().map(|look| look.at);
        look.into_iter().chain(self.end_key).min()
    }

    /// Whether a line that comes back has to come before anything else.
    fn restores(&self) -> bool {
        self.inside.is_some() && self.kept_line && self.look.is_some()
    }

    fn holds(&self) -> bool {
        self.restores() || self.end_key.is_some()
    }
}

impl Runspace {
    /// Whether the shell can run an invocation now.
    pub fn is_free(&self) -> bool {
        let away = self.visiting.shown.is_some() && self.visiting.asked.is_none();
        self.invocation.is_none() && !away && !self.shell.has_ended()
    }

    /// Whether somebody visits.
    pub fn is_visited(&self) -> bool {
        self.visiting.inside.is_some()
    }

    /// Lets somebody in, who is known by `number`, never used twice in a runspace, and for whom
    /// there are these variables. One who is inside is inside no more.
    pub fn visit(&mut self, number: u64, environment: &Environment) -> Result<(), StartError> {
        if let Some(running) = self.running() {
            return Err(StartError::Busy(running));
        }
        if self.shell.has_ended() {
            return Err(StartError::Ended);
        }
        if self.is_free() {
            let job = self.engine.reception(number, environment)?;
            let reception = Invocation::prepare_files(&self.directory, number, &job)?;
            self.order(format!("%{number}:v{}\n", job.flags))?;
            self.visiting.reception = Some(reception);
            self.visiting.shown = Some(number);
            self.visiting.asked = None;
        }
        self.visiting.inside = Some(number);
        self.visiting.wanted = false;
        if self.visiting.kept_line {
            self.visiting.look = Some(Look::soon());
        }
        Ok(())
    }

    /// The visitor goes. The shell stays as it is.
    pub fn leave(&mut self) {
        self.visiting.inside = None;
        self.visiting.typed = Bytes::new();
        if self.is_free() {
            self.events.push_back(Event::Free);
        }
    }

    /// Work waits for a shell that is not free: [`Event::Free`] tells when it is. Nothing happens
    /// while somebody visits.
    pub fn want_back(&mut self) {
        let visiting = &mut self.visiting;
        if visiting.shown.is_some() && visiting.inside.is_none() && !visiting.wanted {
            visiting.wanted = true;
            visiting.recalled = false;
            visiting.look = Some(Look::soon());
        }
    }

    /// Types on the terminal. The next when [`Runspace::has_typed`]; [`Event::Typed`] tells how
    /// much was.
    pub fn type_in(&mut self, bytes: Bytes) {
        self.visiting.typed = bytes;
    }

    /// Whether everything to be typed has been.
    pub fn has_typed(&self) -> bool {
        self.visiting.typed.is_empty()
    }

    /// Gives the terminal another size, of which programs are told.
    pub fn resize(&self, size: TerminalSize) -> io::Result<()> {
        self.terminal.resize(size)
    }

    /// Whether the terminal is read. While it is not, programs that print stand still.
    pub fn read_terminal(&mut self, read: bool) {
        self.reads_terminal = read;
    }

    /// What has the terminal while the shell is neither with its driver nor at its prompt.
    pub fn left_running(&self) -> Option<String> {
        if self.visiting.shown.is_none() || self.visiting.asked.is_some() {
            return None;
        }
        let group = self.terminal.foreground()?;
        if i32::try_from(self.shell.pid()) == Ok(group) {
            return None;
        }
        Some(tree::name(group).unwrap_or_else(|| format!("process group {group}")))
    }

    pub(super) fn order(&mut self, order: String) -> Result<(), StartError> {
        rustix::io::write(&self.control, order.as_bytes()).map_err(|error| {
            StartError::Directory {
                what: "to the driver",
                source: error.into(),
            }
        })?;
        self.order = order;
        Ok(())
    }

    /// The shell runs an invocation: whoever was there is not.
    pub(super) fn is_taken(&mut self) {
        let kept_line = self.visiting.kept_line;
        self.visiting = Visiting {
            kept_line,
            ..Visiting::default()
        };
    }

    /// The driver asks whether to show its prompt.
    pub(super) fn on_prompt(&mut self, number: u64, asked: u64) {
        if self.invocation.is_some() {
            // It was asked before it read the order to run something, which may be lost.
            self.repeat_order();
            return;
        }
        if self.visiting.shown != Some(number) {
            return;
        }
        self.visiting.recalled = false;
        if self.visiting.inside.is_some() {
            let _ = self.order(format!("%{number}:v{asked}\n"));
            return;
        }
        let news = self.visiting.asked.replace(asked).is_none();
        self.visiting.wanted = false;
        self.visiting.look = None;
        if news {
            self.events.push_back(Event::Free);
        }
    }

    /// The driver lost an order, perhaps.
    pub(super) fn repeat_order(&mut self) {
        let unanswered = self.invocation.is_some() || self.visiting.reception.is_some();
        if unanswered && !self.is_running() {
            let _ = rustix::io::write(&self.control, self.order.as_bytes());
        }
    }

    /// The driver has let the visitor in.
    pub(super) fn on_received(&mut self, number: u64) {
        if self.visiting.shown == Some(number)
            && let Some(reception) = &mut self.visiting.reception
        {
            reception.running();
        }
    }

    /// The visitor typed `exit`. Says whether it was about a visit.
    pub(super) fn on_left(&mut self, number: u64, status: ExitStatus) -> bool {
        if self.visiting.shown != Some(number) || self.visiting.asked.is_some() {
            return false;
        }
        let inside = self.visiting.inside;
        self.is_taken();
        match inside {
            Some(number) => self.end(Event::Left { number, status }),
            None => self.events.push_back(Event::Free),
        }
        true
    }

    /// What Control-D turned out to be.
    pub(super) fn on_end_key(&mut self, leaves: bool) {
        let Recall::Keys(keys) = self.engine.recall() else {
            return;
        };
        if self.visiting.end_key.take().is_some() {
            self.terminal
                .type_line(if leaves { keys.accept } else { &[END_OF_FILE] });
        }
    }

    /// The terminal said something: perhaps a prompt.
    pub(super) fn suspect_prompt(&mut self) {
        let visiting = &mut self.visiting;
        let waits = visiting.wanted && !visiting.recalled;
        if waits || (visiting.inside.is_some() && visiting.kept_line) {
            visiting.look = Some(Look::soon());
        }
    }

    /// Whether the shell edits a line at its prompt.
    fn edits(&self) -> bool {
        let shell = i32::try_from(self.shell.pid()).ok();
        self.terminal.is_raw() && self.terminal.foreground() == shell
    }

    /// Does what is due.
    pub(super) fn look_for_prompt(&mut self, now: Instant) {
        if self.visiting.end_key.is_some_and(|at| at <= now) {
            // Whatever it was typed into was no line editor after all.
            self.visiting.end_key = None;
        }
        if self.visiting.look.as_ref().is_none_or(|look| look.at > now) {
            return;
        }
        let done = match self.engine.recall() {
            Recall::Keys(_) if !self.edits() => false,
            Recall::Keys(keys) => {
                if self.visiting.inside.is_some() {
                    self.visiting.kept_line = false;
                    self.terminal.type_line(keys.restore);
                } else if self.visiting.wanted && !self.visiting.recalled {
                    self.visiting.recalled = true;
                    self.visiting.kept_line = true;
                    self.terminal.type_line(keys.recall);
                    self.visiting.look = Some(Look::soon());
                    return;
                } else if self.visiting.wanted {
                    if self.visiting.look.as_ref().is_some_and(Look::is_late) {
                        // Work does not wait for ever for the other half of a command.
                        self.terminal.signal(Signal::INT);
                    } else if self.visiting.look.as_mut().is_some_and(Look::again) {
                        return;
                    }
                }
                true
            }
            Recall::Signal(signal) => {
                if self.visiting.wanted && self.visiting.inside.is_none() {
                    self.signal_shell(signal);
                }
                !self.visiting.wanted
            }
        };
        let again = !done && self.visiting.look.as_mut().is_some_and(Look::again);
        if !again {
            self.visiting.look = None;
        }
    }

    fn signal_shell(&self, signal: Signal) {
        if let Ok(shell) = i32::try_from(self.shell.pid())
            && self.terminal.foreground() == Some(shell)
        {
            // A copy of the shell is in its group.
            if let Ok(driver) = i32::try_from(self.driver) {
                tree::send(driver, signal);
            }
        }
    }

    /// What to type next.
    pub(super) fn to_type(&self) -> Option<Bytes> {
        let typed = &self.visiting.typed;
        if typed.is_empty() || self.visiting.holds() {
            return None;
        }
        if typed.as_ref() == [END_OF_FILE]
            && let Recall::Keys(keys) = self.engine.recall()
            && !keys.end.is_empty()
            && self.visiting.last_key != QUOTE_NEXT
            && self.is_visited()
            && self.edits()
        {
            return Some(Bytes::from_static(keys.end));
        }
        Some(typed.clone())
    }

    /// So many bytes of `keys` were typed.
    pub(super) fn on_typed(&mut self, count: usize, keys: Option<&[u8]>) {
        let visiting = &mut self.visiting;
        let stands_for = keys.is_some_and(|keys| visiting.typed.get(..1) != keys.get(..1));
        if stands_for {
            visiting.end_key = Some(Instant::now() + END_KEY);
        }
        if let Some(last) = keys.and_then(|keys| keys.get(..count)?.last()) {
            visiting.last_key = *last;
        }
        // Keys that stand for Control-D are more than one.
        let count = count.min(visiting.typed.len());
        let _ = visiting.typed.split_to(count);
        self.events.push_back(Event::Typed(count));
    }

    /// Stops what a visitor runs, as [`Runspace::interrupt`] does for an invocation.
    pub(super) fn stop_visitors_job(&self, signal: Signal) {
        let shell = i32::try_from(self.shell.pid()).ok();
        if self.visiting.shown.is_some() && self.terminal.foreground() != shell {
            self.terminal.signal(signal);
        }
    }
}
