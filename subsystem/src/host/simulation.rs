//! What a simulator drives: the real session, its log, its links and its queue, with virtual time
//! and without descriptors, processes or a runtime.
//!
//! A [`Host`] is what is left of the host process when its select loops are taken away. The
//! simulator stands in for them: it hands bytes to a [`Link`] as a relay and a channel would,
//! plays the shell by the same steps that the real one takes, and looks again where a bell rang
//! and only there, so that a bell that is not rung is found.

mod terminal;

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::hello::Hello;
use outlast_protocol::id::{InvocationId, Seq};
use outlast_protocol::link::to_host::Create;
use outlast_protocol::link::{Level, TerminalSize};
use outlast_protocol::outcome::ExitStatus;
use outlast_protocol::record::Stream;
use outlast_protocol::session::{End, SessionInfo};
use outlast_rendezvous::{DirectoryError, PrivateDirectory};
use tokio::sync::watch;

use super::clock::Clock;
use super::course::NextInput;
use super::ledger::Ledger;
use super::link::machine::Link as Machine;
use super::progress::Wait;
use super::session::Session;
use super::standing::Verdict;
use super::surroundings::Surroundings;
use super::work::Work;
use crate::audit::Login;
use crate::log::{Cursor, Log, MAX_PAYLOAD, Policy, Record, Status};
use crate::registry::{Meta, MetaLife};
use crate::runspace::Command;

/// Time as the simulator wants it.
#[derive(Clone, Default)]
pub struct VirtualClock(Rc<Times>);

#[derive(Default)]
struct Times {
    wall_ms: Cell<u64>,
    boot_time: Cell<Duration>,
}

impl VirtualClock {
    /// Sets the time since boot, which is the links' monotonic clock too, and the wall clock.
    pub fn set(&self, boot_time: Duration, wall_ms: u64) {
        self.0.boot_time.set(boot_time);
        self.0.wall_ms.set(wall_ms);
    }

    /// The time since boot.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.0.boot_time.get()
    }
}

impl Clock for VirtualClock {
    fn wall_ms(&self) -> u64 {
        self.0.wall_ms.get()
    }

    fn boot_time(&self) -> Duration {
        self.now()
    }
}

/// What a command line of the session's log looks like to the shell that is to run it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// Which.
    pub invocation: InvocationId,
    /// Its text; nothing else is simulated.
    pub script: Vec<u8>,
    /// Whether it has standard input.
    pub stdin: bool,
    /// When it is to be stopped, counted from now.
    pub timeout: Option<Duration>,
    /// Whether it is a visit.
    pub visit: bool,
    /// The terminal that is shown to it.
    pub terminal: Option<TerminalSize>,
}

/// What comes next on a command's standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// These bytes.
    Bytes(Bytes),
    /// Nothing yet.
    Later,
    /// Its end.
    End,
}

/// How long a command's output must wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Not at all.
    No,
    /// Until the session changes, at most this long.
    AtMost(Duration),
    /// Until the session changes.
    ForReader,
}

/// A session's host without its process.
pub struct Host {
    session: Rc<Session>,
    clock: VirtualClock,
}

impl Host {
    /// Opens a session in `directory`. The shell counts as open.
    pub fn open(
        directory: &PrivateDirectory,
        create: &Create,
        policy: Policy,
        clock: &VirtualClock,
        greeting: Hello,
    ) -> Result<Self, DirectoryError> {
        let created_ms = clock.wall_ms();
        let meta = Meta {
            format: Meta::FORMAT,
            instance: create.instance,
            name: create.name.clone(),
            configuration: "bash".to_owned(),
            created_ms,
            idle_timeout: create.idle_timeout,
            buffering: create.buffering,
            life: MetaLife::Live,
            host: None,
            shell: None,
            boot_id: String::new(),
            disconnected_ms: None,
            memory: None,
            durability: String::new(),
        };
        let log = Log::create(directory, created_ms, policy)?;
        let ledger = Ledger::create(directory)?;
        let surroundings = Surroundings::new(Rc::new(clock.clone()), greeting, 1);
        Ok(Self {
            session: Session::new(meta, log, ledger, directory.try_clone()?, surroundings),
            clock: clock.clone(),
        })
    }

    /// Takes a client over from its relay, with what the relay had read from it.
    #[must_use]
    pub fn take_over(&self, received: &[u8]) -> Link {
        let changes = self.session.subscribe();
        let session = self.session.clone();
        let login = Login::over(b"192.0.2.1".to_vec());
        Link {
            machine: Machine::new(session, login, self.clock.now(), received),
            session: self.session.clone(),
            clock: self.clock.clone(),
            changes,
        }
    }

    /// The next command to run, if none does.
    #[must_use]
    pub fn begin(&self) -> Option<Begun> {
        let next = self.session.begin()?;
        let visit = matches!(next.work, Work::Visit);
        if let Some(size) = next.terminal {
            self.session.core().resize(size);
        }
        let script = match next.work {
            Work::Command(Command::Script(script) | Command::File { script, .. }) => script,
            Work::Command(Command::Argv(words)) => words.join(&b' '),
            Work::Visit => Vec::new(),
        };
        Some(Begun {
            invocation: next.id,
            script,
            stdin: next.stdin,
            timeout: next.timeout,
            visit,
            terminal: next.terminal,
        })
    }

    /// What began could not be started.
    pub fn fail(&self, reason: &str) {
        self.session.fail(reason.to_owned());
    }

    /// What runs has ended.
    pub fn complete(&self, status: ExitStatus) {
        self.session.complete(status);
    }

    /// Whether a command's output must wait.
    #[must_use]
    pub fn hold(&self, invocation: InvocationId) -> Hold {
        match self.session.core().wait(invocation) {
            Wait::No => Hold::No,
            Wait::AtMost(left) => Hold::AtMost(left),
            Wait::ForReader => Hold::ForReader,
        }
    }

    /// A command wrote something.
    pub fn output(&self, invocation: InvocationId, stream: Stream, bytes: Bytes) {
        self.session.output(invocation, stream, bytes);
    }

    /// How hard what runs is to be stopped, if that was asked for since the last look.
    #[must_use]
    pub fn wanted(&self) -> Option<Level> {
        self.session.wanted()
    }

    /// The time of what runs is up.
    pub fn time_out(&self) {
        self.session.core().invocations.time_out();
    }

    /// What comes next on a command's standard input.
    #[must_use]
    pub fn next_input(&self, invocation: InvocationId) -> Input {
        match self.session.next_input(invocation) {
            NextInput::Bytes(bytes) => Input::Bytes(bytes),
            NextInput::Later => Input::Later,
            NextInput::End => Input::End,
        }
    }

    /// A command took `count` bytes of that.
    pub fn input_taken(&self, invocation: InvocationId, count: usize) {
        self.session.input_taken(invocation, count);
    }

    /// A command closed its standard input.
    pub fn input_closed(&self, invocation: InvocationId) {
        self.session.input_closed(invocation);
    }

    /// The shell is gone.
    pub fn end(&self, end: End) {
        self.session.end(end);
    }

    /// Whether the shell's bell was rung since the last call.
    #[must_use]
    pub fn work_rung(&self) -> bool {
        is_ready(self.session.work())
    }

    /// Whether the bell of whoever feeds the running command was rung since the last call.
    #[must_use]
    pub fn input_rung(&self) -> bool {
        is_ready(self.session.input())
    }

    /// Whether the bell of whoever decides on the session's end was rung since the last call.
    #[must_use]
    pub fn life_rung(&self) -> bool {
        is_ready(self.session.life())
    }

    /// A bell of one's own for changes of the session.
    #[must_use]
    pub fn changes(&self) -> Changes {
        Changes(self.session.subscribe())
    }

    /// Ends the session if it is time, as the host's keeper of its life does. Returns until when
    /// it need not look again unless rung for.
    pub fn look_at_life(&self) -> Option<Duration> {
        if !self.is_live() {
            return None;
        }
        let verdict = self.session.core().verdict();
        match verdict {
            Verdict::Ends(end) => {
                self.session.end(end);
                None
            }
            Verdict::Stays(until) => until,
            Verdict::Leaves => None,
        }
    }

    /// Whether the shell lives.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.session.core().is_live()
    }

    /// Whether nobody wants anything more of a session that is over.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.session.core().verdict() == Verdict::Leaves
    }

    /// The session as it is now.
    #[must_use]
    pub fn info(&self) -> SessionInfo {
        self.session.core().info()
    }

    /// The oldest record there still is.
    #[must_use]
    pub fn first(&self) -> Seq {
        self.session.core().log.first()
    }

    /// The log's state of health.
    #[must_use]
    pub fn log_status(&self) -> Status {
        self.session.core().log.status()
    }

    /// A reader of the log from its start, for a witness who sees everything.
    #[must_use]
    pub fn witness(&self) -> Cursor {
        self.session.core().log.cursor(crate::log::From::Start)
    }

    /// What the witness sees next.
    pub fn see(&self, cursor: &mut Cursor) -> std::io::Result<Option<Record>> {
        self.session.core().log.read(cursor, MAX_PAYLOAD)
    }

    /// Invocations accepted and not over.
    #[must_use]
    pub fn active(&self) -> u32 {
        self.session.core().invocations.active()
    }

    /// Whether an invocation was accepted here: the first record it can have.
    #[must_use]
    pub fn accepted(&self, invocation: InvocationId) -> Option<Seq> {
        self.session.core().invocations.from(invocation)
    }
}

/// A bell for changes of the session.
pub struct Changes(watch::Receiver<()>);

impl Changes {
    /// Whether it was rung since the last call.
    pub fn rung(&mut self) -> bool {
        let rung = self.0.has_changed().unwrap_or(false);
        self.0.mark_unchanged();
        rung
    }
}

/// The host's end of one client's link.
pub struct Link {
    machine: Machine,
    session: Rc<Session>,
    clock: VirtualClock,
    changes: watch::Receiver<()>,
}

impl Link {
    /// Whether the session changed since the last call.
    pub fn rung(&mut self) -> bool {
        let rung = self.changes.has_changed().unwrap_or(false);
        self.changes.mark_unchanged();
        rung
    }

    /// Takes in what the client sent.
    pub fn handle_input(&mut self, bytes: &[u8]) {
        self.machine.handle_input(self.clock.now(), bytes);
    }

    /// When `handle_timeout` wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Duration {
        self.machine.poll_timeout()
    }

    /// Lets time pass; returns whether the client counts as gone. `waiting` says whether there is
    /// input nobody has read.
    pub fn handle_timeout(&mut self, waiting: bool) -> bool {
        self.machine
            .handle_timeout(self.clock.now(), waiting)
            .is_err()
    }

    /// Fetches what there is to say.
    pub fn fill(&mut self) {
        self.machine.fill();
    }

    /// Bytes that wait to be written.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.machine.outbox().bytes()
    }

    /// Writes up to `most` of them to the end of `out`.
    pub fn write(&mut self, most: usize, out: &mut Vec<u8>) -> usize {
        let mut left = most;
        for slice in self.machine.outbox().slices() {
            let part = slice.get(..left.min(slice.len())).unwrap_or_default();
            out.extend_from_slice(part);
            left = left.saturating_sub(part.len());
        }
        let count = most.saturating_sub(left);
        if count > 0 {
            self.machine.written(self.clock.now(), count);
        }
        count
    }

    /// Whether nothing more is to be heard or said but what waits to be written.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.machine.is_over()
    }

    /// Lets go of the session; returns what is left to be written.
    #[must_use]
    pub fn end(self) -> Vec<u8> {
        let mut outbox = self.machine.end();
        self.session.changed();
        self.session.ring_life();
        let mut left = Vec::with_capacity(outbox.bytes());
        while !outbox.is_empty() {
            let mut count = 0usize;
            for slice in outbox.slices() {
                left.extend_from_slice(&slice);
                count = count.saturating_add(slice.len());
            }
            outbox.written(count);
        }
        left
    }
}

/// Whether a bell was rung: then its wait is over at once, and it counts as heard.
fn is_ready(wait: impl Future<Output = ()>) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    matches!(pin!(wait).poll(&mut context), Poll::Ready(()))
}
