//! A shell that runs simulated commands by the steps the real one takes: pipes of bounded size
//! between command and session, drains that wait for readers, a feed for standard input.

mod output;
mod running;
mod visiting;

use std::time::Duration;

use outlast_protocol::id::InvocationId;
use outlast_protocol::outcome::ExitStatus;
use outlast_subsystem::host::simulation::Host;

use self::output::Output;
use self::running::{Question, Running};
use self::visiting::Visiting;
use crate::job::Job;
use crate::ledger::Ledger;
use crate::random::Random;
use crate::violation::{Violation, ensure};

/// What a pipe holds.
const PIPE: u64 = 64 * 1024;

/// The shell.
#[derive(Default)]
pub struct Shell {
    running: Option<Running>,
    visiting: Option<Visiting>,
    /// When it looks again whether a visitor is gone for good.
    grace: Option<Duration>,
    /// A visit that was ended from outside in the last act.
    pub shown_out: Option<InvocationId>,
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
    /// A program asks.
    Ask,
    /// A visitor types.
    Type,
    /// Something is said on the terminal.
    Say,
    /// The visited shell's `exit` was typed, or its visitor has left.
    Leave,
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
            if self.running.is_some() || self.visiting.is_some() {
                acts.push(Act::Turn);
            }
            return;
        }
        if self.grace.is_some_and(|grace| grace <= now) {
            self.idle = false;
        }
        if !self.idle {
            acts.push(Act::Turn);
        }
        if let Some(visiting) = &mut self.visiting {
            if visiting.hungry && host.input_rung() {
                visiting.hungry = false;
            }
            if visiting.left || visiting.has_exited() {
                acts.push(Act::Leave);
            } else if !visiting.hungry {
                acts.push(Act::Type);
            }
            if visiting.can_say(host) {
                acts.push(Act::Say);
            }
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
        if going && running.may_ask() {
            acts.push(Act::Ask);
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
        drains.chain(deadline).chain(self.grace).min()
    }

    /// What runs and waits for standard input that does not come.
    #[must_use]
    pub fn starves(&self) -> Option<InvocationId> {
        let running = self.running.as_ref()?;
        let starves = running.ended.is_none() && (running.hungry || running.job.endless);
        starves.then_some(running.begun.invocation)
    }

    /// Whether what runs waits for an answer.
    #[must_use]
    pub fn asks(&self) -> bool {
        let running = self.running.as_ref();
        running.is_some_and(|it| it.ended.is_none() && it.question == Question::Open)
    }

    /// Who visits and types nothing more.
    #[must_use]
    pub fn is_visited(&self) -> bool {
        self.visiting.is_some()
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
            Act::Type => match &mut self.visiting {
                Some(visiting) => visiting.types(host, random, ledger),
                None => Ok(()),
            },
            Act::Say => {
                if let Some(visiting) = &mut self.visiting {
                    visiting.say(host, random);
                }
                Ok(())
            }
            Act::Leave => {
                let exited = self.visiting.take().is_some_and(|it| !it.left);
                host.complete(ExitStatus::Code(if exited { 7 } else { 0 }));
                self.idle = false;
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
            self.visiting = None;
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
        while self.running.is_none() && self.visiting.is_none() {
            let Some(begun) = host.begin() else { break };
            ledger.turns.begins(begun.invocation)?;
            if begun.visit {
                let visit = ledger.visits.begins(begun.invocation, now)?;
                ensure(
                    begun.terminal == Some(visit.size) || begun.terminal == Some(visit.resized),
                    || format!("a visit came with another terminal: {:?}", begun.terminal),
                )?;
                self.visiting = Some(Visiting::new(visit));
                break;
            }
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
        if let Some(answer) = host.take_answer()
            && let Some(running) = &mut self.running
        {
            running.answered(answer, host)?;
        }
        self.grace = host.look_at_visitor();
        if let Some(size) = host.take_size() {
            ledger.visits.resized(size)?;
        }
        if let Some(visiting) = self.visiting.take_if(|_| host.visitor_leaves()) {
            self.shown_out = Some(visiting.invocation);
            host.complete(ExitStatus::Code(0));
            self.idle = false;
        }
        Ok(())
    }

    fn complete(&mut self, host: &Host) {
        let Some(running) = self.running.take() else {
            return;
        };
        let (id, job) = (running.begun.invocation, running.job);
        if let Some((status, _)) = running.ended {
            host.ask_no_more();
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
