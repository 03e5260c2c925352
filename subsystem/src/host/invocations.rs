//! The invocations of a session: one runs, the others wait in order, finished ones are
//! remembered so that a resend is answered and nothing runs twice.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::id::{InvocationId, Seq};
use outlast_protocol::limits::{MAX_OUTCOMES, MAX_QUEUE};
use outlast_protocol::link::Level;
use outlast_protocol::outcome::{ExitStatus, Outcome};

use super::input::Input;
use crate::runspace::Command;

/// One accepted command.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) id: InvocationId,
    pub(super) command: Command,
    pub(super) stdin: bool,
    pub(super) timeout: Option<Duration>,
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
    Withdrawn,
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
        if self.queue.len() >= MAX_QUEUE {
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

    /// What runs.
    pub(super) fn running(&self) -> Option<InvocationId> {
        self.running.as_ref().map(|running| running.id)
    }

    /// The first record an invocation can have.
    pub(super) fn from(&self, id: InvocationId) -> Option<Seq> {
        self.known.get(&id).copied()
    }

    /// The next command to run, if none does.
    pub(super) fn start_next(&mut self) -> Option<Invocation> {
        if self.running.is_some() {
            return None;
        }
        let next = self.queue.pop_front()?;
        self.running = Some(Running {
            id: next.id,
            stop: None,
        });
        self.wanted = None;
        Some(next)
    }

    /// Stops a running invocation or withdraws a waiting one.
    pub(super) fn cancel(&mut self, id: InvocationId, level: Level) -> Cancelled {
        if let Some(running) = self.running.as_mut().filter(|running| running.id == id) {
            running.stop.get_or_insert(Stop::Cancelled);
            self.wanted = self.wanted.max(Some(level));
            return Cancelled::Stopping;
        }
        if let Some(at) = self.queue.iter().position(|waiting| waiting.id == id) {
            self.queue.remove(at);
            self.finish(id);
            return Cancelled::Withdrawn;
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
    pub(super) fn complete(&mut self, status: ExitStatus) -> Option<(InvocationId, Outcome)> {
        let running = self.running.take()?;
        self.finish(running.id);
        let outcome = match running.stop {
            // A command that handled the interrupt ended by itself, perhaps much later: its own
            // status is the truth.
            Some(Stop::Cancelled) if is_stopped(status) => Outcome::Cancelled(status),
            Some(Stop::TimedOut) => Outcome::TimedOut(status),
            _ => Outcome::Ended(status),
        };
        Some((running.id, outcome))
    }

    /// Everything unfinished, running first, when the session ends.
    pub(super) fn abandon(&mut self) -> Vec<InvocationId> {
        let waiting: Vec<_> = self.queue.drain(..).map(|waiting| waiting.id).collect();
        let all: Vec<_> = self
            .running
            .take()
            .map(|running| running.id)
            .into_iter()
            .chain(waiting)
            .collect();
        for id in &all {
            self.finish(*id);
        }
        all
    }

    /// Takes the running invocation back out: it could not be started.
    pub(super) fn fail(&mut self) -> Option<InvocationId> {
        let running = self.running.take()?;
        self.finish(running.id);
        Some(running.id)
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

/// Whether that is how a shell reports SIGINT, SIGTERM or SIGKILL.
fn is_stopped(status: ExitStatus) -> bool {
    matches!(status.shell_code(), 130 | 137 | 143)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invocation(number: u128) -> Invocation {
        Invocation {
            id: InvocationId(uuid::Uuid::from_u128(number)),
            command: Command::Script(Vec::new()),
            stdin: false,
            timeout: None,
        }
    }

    #[test]
    fn a_resend_at_any_point_runs_nothing_twice() {
        let mut all = Invocations::default();
        assert_eq!(all.submit(invocation(1), true, Seq(5)), Ok((0, Seq(5))));
        assert_eq!(all.submit(invocation(1), true, Seq(9)), Ok((0, Seq(5))));
        assert_eq!(all.submit(invocation(2), true, Seq(9)), Ok((1, Seq(9))));
        assert!(all.start_next().is_some());
        assert!(all.start_next().is_none(), "one at a time");
        assert_eq!(all.submit(invocation(1), true, Seq(9)), Ok((0, Seq(5))));
        assert_eq!(all.submit(invocation(2), true, Seq(9)), Ok((1, Seq(9))));
        assert!(all.complete(ExitStatus::Code(0)).is_some());
        assert_eq!(all.submit(invocation(1), true, Seq(9)), Ok((0, Seq(5))));
        assert_eq!(all.active(), 1);
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
        all.start_next();
        assert_eq!(all.cancel(two, Level::Interrupt), Cancelled::Withdrawn);
        assert_eq!(all.cancel(one, Level::Interrupt), Cancelled::Stopping);
        assert_eq!(all.cancel(one, Level::Kill), Cancelled::Stopping);
        assert_eq!(all.take_wanted(), Some(Level::Kill));
        assert_eq!(
            all.complete(ExitStatus::Code(130)),
            Some((one, Outcome::Cancelled(ExitStatus::Code(130))))
        );
        assert_eq!(all.cancel(one, Level::Interrupt), Cancelled::Over);
        assert_eq!(
            all.cancel(invocation(3).id, Level::Interrupt),
            Cancelled::Unknown
        );
    }
}
