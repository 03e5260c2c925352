//! The invocations of a session: one runs, the others wait in order, finished ones are
//! remembered so that a resend is answered and nothing runs twice.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::id::{ClientId, InvocationId, Seq};
use outlast_protocol::limits::{MAX_OUTCOMES, MAX_QUEUE, MAX_SCRIPT};
use outlast_protocol::link::{Level, TerminalSize};
use outlast_protocol::outcome::{ExitStatus, Outcome};

use super::input::Input;
use super::work::Work;
use crate::runspace::Environment;

/// Scripts that may wait, in bytes.
const QUEUED_BYTES: usize = 4 * MAX_SCRIPT;

/// One accepted command.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) id: InvocationId,
    /// Who submitted it.
    pub(super) client: Option<ClientId>,
    pub(super) work: Work,
    pub(super) stdin: bool,
    /// The terminal it runs on, or that its visitor has.
    pub(super) terminal: Option<TerminalSize>,
    pub(super) environment: Environment,
    /// The client whose SSH agent it gets a socket to.
    pub(super) agent: Option<ClientId>,
    pub(super) timeout: Option<Duration>,
    /// How long it has between the steps of being stopped.
    pub(super) kill_after: Option<Duration>,
}

/// Why a running invocation is being stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// A client asked for it.
    Cancelled,
    /// Its time was up.
    TimedOut,
}

#[derive(Debug)]
struct Running {
    id: InvocationId,
    stop: Option<Stop>,
    client: Option<ClientId>,
    visit: bool,
    on_terminal: bool,
    what: String,
    since_ms: u64,
    /// Whether a visitor is to go.
    leaves: bool,
}

/// An invocation that is over without having run, or before it was.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finished {
    pub(super) id: InvocationId,
    pub(super) visit: bool,
}

/// All invocations of a session.
#[derive(Debug, Default)]
pub(super) struct Invocations {
    queue: VecDeque<Invocation>,
    running: Option<Running>,
    /// Every invocation accepted and not forgotten: the first record it can have.
    known: BTreeMap<InvocationId, Seq>,
    finished: VecDeque<InvocationId>,
    inputs: BTreeMap<InvocationId, Input>,
    wanted: Option<Level>,
}

/// Why a command is not accepted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotAccepted {
    /// One runs, and the client would not wait.
    Busy,
    /// Too many wait.
    QueueFull,
}

/// What cancelling found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cancelled {
    /// It runs and will be stopped.
    Stopping,
    /// It waited and never will run.
    Withdrawn(Finished),
    /// It was over already.
    Over,
    /// It is not known here.
    Unknown,
}

impl Invocations {
    /// Accepts a command, once. Returns how many run or wait before it and the number below
    /// which it has no record.
    pub(super) fn submit(
        &mut self,
        invocation: Invocation,
        wait: bool,
        next: Seq,
    ) -> Result<(u32, Seq), NotAccepted> {
        if let Some(from) = self.known.get(&invocation.id) {
            return Ok((self.ahead_of(invocation.id), *from));
        }
        if !wait && self.active() > 0 {
            return Err(NotAccepted::Busy);
        }
        let waiting = self.queue.iter().map(|waiting| waiting.work.size());
        let bytes = waiting.fold(invocation.work.size(), usize::saturating_add);
        if self.queue.len() >= MAX_QUEUE || bytes > QUEUED_BYTES {
            return Err(NotAccepted::QueueFull);
        }
        let ahead = self.active();
        let input = if invocation.stdin {
            Input::default()
        } else {
            Input::closed()
        };
        self.inputs.insert(invocation.id, input);
        self.known.insert(invocation.id, next);
        self.queue.push_back(invocation);
        Ok((ahead, next))
    }

    /// Takes in an invocation that was over before this process came to know it, with the first
    /// record it can have. A resend of it is answered.
    pub(super) fn recall(&mut self, id: InvocationId, from: Seq) {
        self.known.insert(id, from);
        self.finish(id);
    }

    fn ahead_of(&self, id: InvocationId) -> u32 {
        match self.queue.iter().position(|waiting| waiting.id == id) {
            Some(at) => u32::try_from(at)
                .unwrap_or(u32::MAX)
                .saturating_add(self.runs()),
            None => 0,
        }
    }

    fn runs(&self) -> u32 {
        u32::from(self.running.is_some())
    }

    /// How many run or wait.
    pub(super) fn active(&self) -> u32 {
        u32::try_from(self.queue.len())
            .unwrap_or(u32::MAX)
            .saturating_add(self.runs())
    }

    /// How many wait.
    pub(super) fn queued(&self) -> u32 {
        self.active().saturating_sub(self.runs())
    }

    /// Those who wait, in the order of their turns.
    #[cfg(feature = "simulation")]
    pub(super) fn waiting(&self) -> impl Iterator<Item = InvocationId> {
        self.queue.iter().map(|waiting| waiting.id)
    }

    /// What runs.
    pub(super) fn running(&self) -> Option<InvocationId> {
        self.running.as_ref().map(|running| running.id)
    }

    /// The first record an invocation can have.
    pub(super) fn from(&self, id: InvocationId) -> Option<Seq> {
        self.known.get(&id).copied()
    }

    /// What is to run next, if nothing runs.
    pub(super) fn next(&self) -> Option<&Work> {
        if self.running.is_some() {
            return None;
        }
        self.queue.front().map(|next| &next.work)
    }

    /// The next command to run, if none does.
    pub(super) fn start_next(&mut self, now_ms: u64) -> Option<Invocation> {
        if self.running.is_some() {
            return None;
        }
        let next = self.queue.pop_front()?;
        let visit = matches!(next.work, Work::Visit);
        self.running = Some(Running {
            id: next.id,
            stop: None,
            client: next.client,
            visit,
            on_terminal: visit || next.terminal.is_some(),
            what: next.work.words(),
            since_ms: now_ms,
            leaves: false,
        });
        self.wanted = None;
        Some(next)
    }

    /// Since when something runs, and what in words.
    pub(super) fn activity(&self) -> Option<(u64, &str)> {
        let running = self.running.as_ref()?;
        Some((running.since_ms, &running.what))
    }

    /// The invocation that has the terminal, and whether it is a visit.
    pub(super) fn on_terminal(&self) -> Option<(InvocationId, bool)> {
        let running = self
            .running
            .as_ref()
            .filter(|running| running.on_terminal)?;
        Some((running.id, running.visit))
    }

    /// Whether nothing runs or waits but a visit.
    pub(super) fn is_at_leisure(&self) -> bool {
        let runs = self.running.as_ref().is_some_and(|running| !running.visit);
        !runs && self.queue.is_empty()
    }

    /// Whose visit runs, if one does.
    pub(super) fn visitor(&self) -> Option<Option<ClientId>> {
        let visit = self.running.as_ref().filter(|running| running.visit)?;
        Some(visit.client)
    }

    /// A visitor, if one is there, is to go. Says whether that is so.
    pub(super) fn show_out(&mut self) -> bool {
        let visitor = self.running.as_mut().filter(|running| running.visit);
        let Some(visitor) = visitor else {
            return false;
        };
        visitor.leaves = true;
        true
    }

    /// Whether the visitor is to go.
    pub(super) fn leaves(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.leaves)
    }

    /// Stops a running invocation or withdraws a waiting one.
    pub(super) fn cancel(&mut self, id: InvocationId, level: Level) -> Cancelled {
        if let Some(running) = self.running.as_mut().filter(|running| running.id == id) {
            running.stop.get_or_insert(Stop::Cancelled);
            self.wanted = self.wanted.max(Some(level));
            return Cancelled::Stopping;
        }
        if let Some(at) = self.queue.iter().position(|waiting| waiting.id == id) {
            let withdrawn = self.queue.remove(at);
            self.finish(id);
            let visit = withdrawn.is_some_and(|it| matches!(it.work, Work::Visit));
            return Cancelled::Withdrawn(Finished { id, visit });
        }
        match self.known.get(&id) {
            Some(_) => Cancelled::Over,
            None => Cancelled::Unknown,
        }
    }

    /// The running invocation's time is up.
    pub(super) fn time_out(&mut self) {
        if let Some(running) = &mut self.running {
            running.stop.get_or_insert(Stop::TimedOut);
        }
    }

    /// How hard the running invocation is to be stopped, if that was asked for since last time.
    pub(super) fn take_wanted(&mut self) -> Option<Level> {
        self.wanted.take()
    }

    /// The running invocation is over; what to record.
    pub(super) fn complete(&mut self, status: ExitStatus) -> Option<(Finished, Outcome)> {
        let running = self.running.take()?;
        self.finish(running.id);
        let outcome = match running.stop {
            // A command that handled the interrupt ended by itself, perhaps much later: its own
            // status is the truth.
            Some(Stop::Cancelled) if is_stopped(status) => Outcome::Cancelled(status),
            Some(Stop::TimedOut) => Outcome::TimedOut(status),
            _ => Outcome::Ended(status),
        };
        Some((running.finished(), outcome))
    }

    /// Everything unfinished, running first, when the session ends.
    pub(super) fn abandon(&mut self) -> Vec<Finished> {
        let waiting: Vec<_> = self.queue.drain(..).collect();
        let waiting = waiting.iter().map(|waiting| Finished {
            id: waiting.id,
            visit: matches!(waiting.work, Work::Visit),
        });
        let running = self.running.take().map(|running| running.finished());
        let all: Vec<_> = running.into_iter().chain(waiting).collect();
        for finished in &all {
            self.finish(finished.id);
        }
        all
    }

    /// Takes the running invocation back out: it could not be started.
    pub(super) fn fail(&mut self) -> Option<Finished> {
        let running = self.running.take()?;
        self.finish(running.id);
        Some(running.finished())
    }

    fn finish(&mut self, id: InvocationId) {
        if let Some(input) = self.inputs.get_mut(&id) {
            input.close();
        }
        self.finished.push_back(id);
        while self.finished.len() > MAX_OUTCOMES {
            if let Some(old) = self.finished.pop_front() {
                self.known.remove(&old);
                self.inputs.remove(&old);
            }
        }
    }

    /// The input of an invocation.
    pub(super) fn input(&mut self, id: InvocationId) -> Option<&mut Input> {
        self.inputs.get_mut(&id)
    }

    /// How far the input of each unfinished or just finished invocation is.
    pub(super) fn input_progress(&self, id: InvocationId) -> (u64, bool) {
        self.inputs.get(&id).map_or((0, true), Input::progress)
    }

    /// Next bytes for a command's standard input.
    pub(super) fn input_front(&self, id: InvocationId) -> Option<Bytes> {
        self.inputs.get(&id).and_then(Input::front)
    }

    /// Whether a command's standard input has been fed to the end.
    pub(super) fn input_drained(&self, id: InvocationId) -> bool {
        self.inputs.get(&id).is_none_or(Input::is_drained)
    }
}

impl Running {
    fn finished(&self) -> Finished {
        Finished {
            id: self.id,
            visit: self.visit,
        }
    }
}

/// Whether that is how a shell reports SIGINT, SIGTERM or SIGKILL.
fn is_stopped(status: ExitStatus) -> bool {
    matches!(status.shell_code(), 130 | 137 | 143)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runspace::Command;

    fn invocation(number: u128) -> Invocation {
        Invocation {
            id: InvocationId(uuid::Uuid::from_u128(number)),
            client: None,
            work: Work::Command(Command::Script(Vec::new())),
            stdin: false,
            terminal: None,
            environment: Vec::new(),
            agent: None,
            timeout: None,
            kill_after: None,
        }
    }

    #[test]
    fn a_resend_at_any_point_runs_nothing_twice() {
        let mut all = Invocations::default();
        assert_eq!(all.submit(invocation(1), true, Seq(5)), Ok((0, Seq(5))));
        assert_eq!(all.submit(invocation(1), true, Seq(9)), Ok((0, Seq(5))));
        assert_eq!(all.submit(invocation(2), true, Seq(9)), Ok((1, Seq(9))));
        assert!(all.start_next(0).is_some());
        assert!(all.start_next(0).is_none(), "one at a time");
        assert_eq!(all.submit(invocation(1), true, Seq(9)), Ok((0, Seq(5))));
        assert_eq!(all.submit(invocation(2), true, Seq(9)), Ok((1, Seq(9))));
        assert!(all.complete(ExitStatus::Code(0)).is_some());
        assert_eq!(all.submit(invocation(1), true, Seq(9)), Ok((0, Seq(5))));
        assert_eq!(all.active(), 1);
    }

    #[test]
    fn scripts_that_wait_are_bounded_in_bytes_too() {
        let mut all = Invocations::default();
        for number in 1..=5 {
            let long = Invocation {
                work: Work::Command(Command::Script(vec![b' '; MAX_SCRIPT])),
                ..invocation(number)
            };
            let accepted = all.submit(long, true, Seq(1));
            assert_eq!(accepted.is_ok(), number <= 4, "{accepted:?}");
        }
    }

    #[test]
    fn only_a_visitor_is_shown_out() {
        let mut all = Invocations::default();
        all.submit(invocation(1), true, Seq(1)).unwrap();
        all.start_next(0);
        assert!(!all.show_out() && !all.leaves() && !all.is_at_leisure());
        all.complete(ExitStatus::Code(0));
        let visit = Invocation {
            work: Work::Visit,
            ..invocation(2)
        };
        all.submit(visit, true, Seq(1)).unwrap();
        all.start_next(7);
        assert_eq!(all.activity(), Some((7, "enter")));
        assert!(all.is_at_leisure() && all.show_out() && all.leaves());
    }

    #[test]
    fn a_client_that_will_not_wait_is_refused_while_one_runs() {
        let mut all = Invocations::default();
        all.submit(invocation(1), false, Seq(1)).unwrap();
        assert_eq!(
            all.submit(invocation(2), false, Seq(1)),
            Err(NotAccepted::Busy)
        );
    }

    #[test]
    fn cancelling_depends_on_where_the_invocation_is() {
        let mut all = Invocations::default();
        let (one, two) = (invocation(1).id, invocation(2).id);
        all.submit(invocation(1), true, Seq(1)).unwrap();
        all.submit(invocation(2), true, Seq(1)).unwrap();
        all.start_next(0);
        assert_eq!(
            all.cancel(two, Level::Interrupt),
            Cancelled::Withdrawn(Finished {
                id: two,
                visit: false
            })
        );
        assert_eq!(all.cancel(one, Level::Interrupt), Cancelled::Stopping);
        assert_eq!(all.cancel(one, Level::Kill), Cancelled::Stopping);
        assert_eq!(all.take_wanted(), Some(Level::Kill));
        assert_eq!(
            all.complete(ExitStatus::Code(130)),
            Some((
                Finished {
                    id: one,
                    visit: false
                },
                Outcome::Cancelled(ExitStatus::Code(130))
            ))
        );
        assert_eq!(all.cancel(one, Level::Interrupt), Cancelled::Over);
        assert_eq!(
            all.cancel(invocation(3).id, Level::Interrupt),
            Cancelled::Unknown
        );
    }
}
