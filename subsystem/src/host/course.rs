//! The course of an invocation, as the session sees it: begun, its streams, completed. Whoever
//! runs commands takes these steps; they touch no process and no pipe.

use bytes::Bytes;
use outlast_protocol::id::InvocationId;
use outlast_protocol::link::Level;
use outlast_protocol::outcome::{ExitStatus, Outcome};
use outlast_protocol::record::{RecordKind, Stream};
use outlast_rendezvous::failpoint;

use super::invocations::{Finished, Invocation};
use super::session::Session;
use super::work::Work;

/// What comes next on a command's standard input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NextInput {
    /// These bytes come next.
    Bytes(Bytes),
    /// More may come.
    Later,
    /// There is no more.
    End,
}

impl Session {
    /// Takes the next command out of the queue, if none runs. Recorded before the shell hears of
    /// it: a record of a command that did not start is followed by its failure, a command
    /// without a record could run twice.
    pub(super) fn begin(&self) -> Option<Invocation> {
        let mut core = self.core();
        let now = core.surroundings.wall_ms();
        let next = core.invocations.start_next(now)?;
        if matches!(next.work, Work::Visit) {
            core.terminal.note(now, next.id, RecordKind::Started);
        } else {
            core.record(next.id, RecordKind::Started, Bytes::new());
        }
        let began = core.surroundings.boot_time();
        core.audit.began(next.id, began);
        core.note_visitor();
        drop(core);
        self.changed();
        failpoint::reach("host.started");
        Some(next)
    }

    /// What began could not be started.
    pub(super) fn fail(&self, reason: String) {
        let failed = self.core().invocations.fail();
        if let Some(finished) = failed {
            self.finish(&finished, Outcome::Failed(reason));
        }
    }

    /// What runs has ended, and all it wrote before is recorded.
    pub(super) fn complete(&self, status: ExitStatus) {
        failpoint::reach("host.completes");
        let completed = self.core().invocations.complete(status);
        if let Some((finished, outcome)) = completed {
            self.finish(&finished, outcome);
        }
    }

    fn finish(&self, finished: &Finished, outcome: Outcome) {
        let mut core = self.core();
        core.finished(finished, outcome);
        core.note_visitor();
        drop(core);
        self.changed();
        failpoint::reach("host.completed");
        self.core().note_idleness();
        self.ring_life();
    }

    /// The terminal said something.
    pub(super) fn terminal_said(&self, bytes: Bytes) {
        let mut core = self.core();
        let now = core.surroundings.wall_ms();
        let on_terminal = core.invocations.on_terminal();
        if let Some((id, false)) = on_terminal {
            core.record(id, RecordKind::Output(Stream::Pty), bytes.clone());
        }
        core.terminal
            .said(now, on_terminal.map(|(id, _)| id), bytes);
        drop(core);
        self.changed();
    }

    /// A program of that invocation asks for something that is not shown.
    pub(super) fn ask(&self, invocation: InvocationId, text: String) {
        self.core().questions.ask(invocation, text);
        self.changed();
    }

    /// It asks no more.
    pub(super) fn ask_no_more(&self) {
        self.core().questions.close();
        self.changed();
    }

    /// A command wrote something. It must not before [`super::core::Core::wait`] says so.
    pub(super) fn output(&self, invocation: InvocationId, stream: Stream, bytes: Bytes) {
        self.record(invocation, RecordKind::Output(stream), bytes);
    }

    /// How hard what runs is to be stopped, if that was asked for since the last look.
    pub(super) fn wanted(&self) -> Option<Level> {
        self.core().invocations.take_wanted()
    }

    /// What comes next on a command's standard input.
    pub(super) fn next_input(&self, invocation: InvocationId) -> NextInput {
        let core = self.core();
        match core.invocations.input_front(invocation) {
            Some(bytes) => NextInput::Bytes(bytes),
            None if core.invocations.input_drained(invocation) => NextInput::End,
            None => NextInput::Later,
        }
    }

    /// A command took `count` bytes of what there was for it.
    pub(super) fn input_taken(&self, invocation: InvocationId, count: usize) {
        if let Some(input) = self.core().invocations.input(invocation) {
            input.take(count);
        }
        self.changed();
    }

    /// A command closed its standard input or is over.
    pub(super) fn input_closed(&self, invocation: InvocationId) {
        if let Some(input) = self.core().invocations.input(invocation) {
            input.close();
        }
        self.changed();
    }
}
