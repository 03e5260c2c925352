//! A shell that runs simulated commands by the steps the real one takes: pipes of bounded size
//! between command and session, drains that wait for readers, a feed for standard input.

use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::id::InvocationId;
use outlast_protocol::limits::MAX_CHUNK;
use outlast_protocol::link::Level;
use outlast_protocol::outcome::ExitStatus;
use outlast_protocol::record::Stream;
use outlast_subsystem::host::simulation::{Begun, Changes, Hold, Host, Input};

use crate::job::Job;
use crate::ledger::Ledger;
use crate::pattern::Pattern;
use crate::random::Random;
use crate::violation::{Violation, ensure};

/// What a pipe holds.
const PIPE: u64 = 64 * 1024;

const STREAMS: [Stream; 2] = [Stream::Stdout, Stream::Stderr];

/// What a drain does.
enum Drain {
    /// It is about to see whether output must wait.
    Look,
    /// It may record what it reads next.
    Clear,
    /// It waits for a change of the session, or that time.
    Held(Changes, Option<Duration>),
}

/// One of a command's output pipes: bytes are written, then recorded.
struct Output {
    invocation: InvocationId,
    pattern: Pattern,
    stream: Stream,
    total: u64,
    written: u64,
    recorded: u64,
    drain: Drain,
}

struct Running {
    begun: Begun,
    job: Job,
    outputs: [Output; 2],
    /// Standard input that went into the pipe, and out of it.
    fed: u64,
    read: u64,
    /// The feed waits for its bell.
    hungry: bool,
    input_ended: bool,
    input_closed: bool,
    deadline: Option<Duration>,
    /// It has ended: with this status, when so much was written.
    ended: Option<(ExitStatus, [u64; 2])>,
}

/// The shell.
#[derive(Default)]
pub struct Shell {
    running: Option<Running>,
    /// Output of background children, and what a session's end left in pipes.
    late: Vec<Output>,
    /// It has looked for work and waits for its bell.
    idle: bool,
}

/// What a shell can do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Look for work and for orders to stop.
    Turn,
    /// The command writes to a stream.
    Write(usize),
    /// A drain looks or records.
    Drain(usize),
    /// A background child writes, or its drain records.
    Late(usize),
    /// Standard input goes into the pipe.
    Feed,
    /// The command reads it.
    Read,
    /// The command ends by itself.
    End,
    /// Its end is recorded.
    Complete,
    /// Its time is up.
    TimeOut,
}

impl Output {
    fn new(invocation: InvocationId, command: u64, at: usize, from: u64, total: u64) -> Self {
        Self {
            invocation,
            pattern: Pattern::new(command, at as u64 + 1),
            stream: STREAMS.get(at).copied().unwrap_or(Stream::Stdout),
            total,
            written: from,
            recorded: from,
            drain: Drain::Look,
        }
    }

    fn can_write(&self) -> bool {
        self.written < self.total && self.written.saturating_sub(self.recorded) < PIPE
    }

    fn write(&mut self, random: &mut Random) {
        let room = PIPE.saturating_sub(self.written.saturating_sub(self.recorded));
        let most = room.min(self.total.saturating_sub(self.written));
        self.written = self.written.saturating_add(random.size(most));
    }

    fn can_drain(&mut self, now: Duration) -> bool {
        match &mut self.drain {
            Drain::Look => true,
            Drain::Clear => self.recorded < self.written,
            Drain::Held(changes, until) => {
                let due = until.is_some_and(|until| until <= now);
                if due || changes.rung() {
                    self.drain = Drain::Look;
                }
                matches!(self.drain, Drain::Look)
            }
        }
    }

    fn drain(&mut self, host: &Host, now: Duration, random: &mut Random) {
        match &mut self.drain {
            Drain::Look => {
                // In this order: a change in between must not be missed.
                let changes = host.changes();
                self.drain = match host.hold(self.invocation) {
                    Hold::No => Drain::Clear,
                    Hold::ForReader => Drain::Held(changes, None),
                    Hold::AtMost(left) => Drain::Held(changes, Some(now.saturating_add(left))),
                };
            }
            Drain::Clear => {
                let most = self.written.saturating_sub(self.recorded);
                let count = random.size(most.min(MAX_CHUNK as u64));
                let count = usize::try_from(count).unwrap_or_default();
                let bytes = Bytes::from(self.pattern.bytes(self.recorded, count));
                self.recorded = self.recorded.saturating_add(count as u64);
                host.output(self.invocation, self.stream, bytes);
                self.drain = Drain::Look;
            }
            Drain::Held(..) => {}
        }
    }

    fn until(&self) -> Option<Duration> {
        match &self.drain {
            Drain::Held(_, until) => *until,
            _ => None,
        }
    }
}

impl Running {
    fn new(begun: Begun, job: Job, now: Duration) -> Self {
        let id = begun.invocation;
        let outputs = [0, 1].map(|at: usize| {
            let total = job.output.get(at).copied().unwrap_or_default();
            Output::new(id, job.command, at, 0, total)
        });
        Self {
            outputs,
            fed: 0,
            read: 0,
            hungry: false,
            input_ended: !begun.stdin,
            input_closed: !begun.stdin,
            deadline: begun.timeout.map(|timeout| now.saturating_add(timeout)),
            ended: None,
            begun,
            job,
        }
    }

    fn has_read_enough(&self) -> bool {
        self.read >= self.job.input || (self.input_ended && self.read >= self.fed)
    }

    fn may_end(&self) -> bool {
        let written = self
            .outputs
            .iter()
            .all(|output| output.written >= output.total);
        !self.job.endless && written && self.has_read_enough()
    }

    fn end(&mut self, status: ExitStatus) {
        if self.ended.is_none() {
            self.ended = Some((status, [self.outputs[0].written, self.outputs[1].written]));
        }
    }

    /// Whether all it wrote before its end is recorded.
    fn is_settled(&self) -> bool {
        self.ended.as_ref().is_some_and(|(_, written)| {
            let mut outputs = self.outputs.iter().zip(written);
            outputs.all(|(output, written)| output.recorded >= *written)
        })
    }

    fn stop(&mut self, level: Level) {
        if level == Level::Kill {
            self.end(ExitStatus::Signal(9));
        } else if !self.job.stubborn {
            self.end(ExitStatus::Code(130));
        }
    }
}

impl Shell {
    /// What can be done now.
    pub fn acts(&mut self, host: &Host, now: Duration, acts: &mut Vec<Act>) {
        for (at, output) in self.late.iter_mut().enumerate() {
            let more = output.can_write() && host.is_live();
            if more || (output.recorded < output.written && output.can_drain(now)) {
                acts.push(Act::Late(at));
            }
        }
        if host.work_rung() {
            self.idle = false;
        }
        if !host.is_live() {
            if self.running.is_some() {
                acts.push(Act::Turn);
            }
            return;
        }
        if !self.idle {
            acts.push(Act::Turn);
        }
        let Some(running) = &mut self.running else {
            return;
        };
        let going = running.ended.is_none();
        for (at, output) in running.outputs.iter_mut().enumerate() {
            if going && output.can_write() {
                acts.push(Act::Write(at));
            }
            if output.can_drain(now) {
                acts.push(Act::Drain(at));
            }
        }
        if running.hungry && host.input_rung() {
            running.hungry = false;
        }
        let room = running.fed.saturating_sub(running.read) < PIPE;
        if !running.input_closed && !running.hungry && room {
            acts.push(Act::Feed);
        }
        if going && !running.has_read_enough() && running.read < running.fed {
            acts.push(Act::Read);
        }
        if going && running.may_end() {
            acts.push(Act::End);
        }
        if going && running.deadline.is_some_and(|deadline| deadline <= now) {
            acts.push(Act::TimeOut);
        }
        if running.is_settled() {
            acts.push(Act::Complete);
        }
    }

    /// When it wants to look again at the latest.
    #[must_use]
    pub fn until(&self) -> Option<Duration> {
        let running = self.running.as_ref();
        let drains = running.into_iter().flat_map(|running| &running.outputs);
        let drains = drains.chain(&self.late).filter_map(Output::until);
        let deadline = running.and_then(|it| it.deadline.filter(|_| it.ended.is_none()));
        drains.chain(deadline).min()
    }

    /// What runs and waits for standard input that does not come.
    #[must_use]
    pub fn starves(&self) -> Option<InvocationId> {
        let running = self.running.as_ref()?;
        let starves = running.ended.is_none() && (running.hungry || running.job.endless);
        starves.then_some(running.begun.invocation)
    }

    /// Somebody on the computer kills what runs.
    pub fn kill(&mut self) {
        if let Some(running) = &mut self.running {
            running.end(ExitStatus::Signal(15));
        }
    }

    /// Does it.
    pub fn act(
        &mut self,
        act: Act,
        host: &Host,
        now: Duration,
        random: &mut Random,
        ledger: &mut Ledger,
    ) -> Result<(), Violation> {
        match act {
            Act::Turn => self.turn(host, now, ledger),
            Act::Late(at) => {
                if let Some(output) = self.late.get_mut(at) {
                    if output.can_write() && host.is_live() {
                        output.write(random);
                    } else {
                        output.drain(host, now, random);
                    }
                }
                self.late.retain(|output| output.recorded < output.total);
                Ok(())
            }
            Act::Complete => {
                self.complete(host);
                Ok(())
            }
            other => match &mut self.running {
                Some(running) => running.act(other, host, now, random, ledger),
                None => Ok(()),
            },
        }
    }

    fn turn(&mut self, host: &Host, now: Duration, ledger: &mut Ledger) -> Result<(), Violation> {
        self.idle = true;
        if !host.is_live() {
            if let Some(running) = self.running.take() {
                // Killed; what is in the pipes is recorded all the same.
                let left = running.outputs.map(|mut output| {
                    output.total = output.written;
                    output
                });
                self.late.extend(left);
                self.late.retain(|output| output.recorded < output.total);
            }
            return Ok(());
        }
        while self.running.is_none() {
            let Some(begun) = host.begin() else { break };
            let job = Job::parse(&begun.script)
                .ok_or_else(|| Violation("a script came through damaged".to_owned()))?;
            ledger.ran(job.command)?;
            if job.code == 255 {
                host.fail("cannot start it");
                continue;
            }
            self.running = Some(Running::new(begun, job, now));
        }
        if let (Some(level), Some(running)) = (host.wanted(), &mut self.running) {
            running.stop(level);
        }
        Ok(())
    }

    fn complete(&mut self, host: &Host) {
        let Some(running) = self.running.take() else {
            return;
        };
        let (id, job) = (running.begun.invocation, running.job);
        if let Some((status, _)) = running.ended {
            host.complete(status);
        }
        if job.late > 0 {
            let [output, _] = running.outputs;
            let total = output.recorded.saturating_add(job.late);
            self.late
                .push(Output::new(id, job.command, 0, output.recorded, total));
        }
        self.idle = false;
    }
}

impl Running {
    fn act(
        &mut self,
        act: Act,
        host: &Host,
        now: Duration,
        random: &mut Random,
        ledger: &Ledger,
    ) -> Result<(), Violation> {
        match act {
            Act::Write(at) => {
                if let Some(output) = self.outputs.get_mut(at) {
                    output.write(random);
                }
            }
            Act::Drain(at) => {
                if let Some(output) = self.outputs.get_mut(at) {
                    output.drain(host, now, random);
                }
            }
            Act::Feed => return self.feed(host, random, ledger),
            Act::Read => {
                let there = self.fed.saturating_sub(self.read);
                let most = there.min(self.job.input.saturating_sub(self.read));
                self.read = self.read.saturating_add(random.size(most));
            }
            Act::End => self.end(self.job.status()),
            Act::TimeOut => {
                self.deadline = None;
                host.time_out();
                self.end(ExitStatus::Signal(9));
            }
            Act::Turn | Act::Late(_) | Act::Complete => {}
        }
        Ok(())
    }

    fn feed(&mut self, host: &Host, random: &mut Random, ledger: &Ledger) -> Result<(), Violation> {
        let id = self.begun.invocation;
        if self.ended.is_some() || self.read >= self.job.input {
            // The command is gone or has closed its end.
            self.input_closed = true;
            host.input_closed(id);
            return Ok(());
        }
        match host.next_input(id) {
            Input::Bytes(bytes) => {
                let room = PIPE.saturating_sub(self.fed.saturating_sub(self.read));
                let count = random.size(room.min(bytes.len() as u64));
                let count = usize::try_from(count).unwrap_or_default();
                let fed = bytes.get(..count).unwrap_or_default();
                let command = self.job.command;
                ensure(Pattern::new(command, 0).is_at(self.fed, fed), || {
                    format!("command {command} was fed wrong input at {}", self.fed)
                })?;
                self.fed = self.fed.saturating_add(count as u64);
                host.input_taken(id, count);
            }
            Input::Later => self.hungry = true,
            Input::End => {
                let given = ledger.course(id).map_or(0, |course| course.input);
                ensure(self.fed == given, || {
                    let command = self.job.command;
                    format!("command {command} was fed {} of {given} bytes", self.fed)
                })?;
                self.input_ended = true;
                self.input_closed = true;
            }
        }
        Ok(())
    }
}
