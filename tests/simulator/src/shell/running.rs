//! A command that runs.

use std::time::Duration;

use outlast_protocol::link::Level;
use outlast_protocol::outcome::ExitStatus;
use outlast_subsystem::host::simulation::{Begun, Host, Input};

use super::output::Output;
use super::{Act, PIPE};
use crate::job::Job;
use crate::ledger::Ledger;
use crate::pattern::Pattern;
use crate::random::Random;
use crate::violation::{Violation, ensure};

/// What a command asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Nothing yet.
    Unasked,
    /// It waits for the answer.
    Open,
    /// It has it.
    Answered,
}

pub(super) struct Running {
    pub(super) begun: Begun,
    pub(super) job: Job,
    pub(super) outputs: [Output; 2],
    /// Standard input that went into the pipe, and out of it.
    pub(super) fed: u64,
    pub(super) read: u64,
    /// The feed waits for its bell.
    pub(super) hungry: bool,
    pub(super) input_ended: bool,
    pub(super) input_closed: bool,
    pub(super) deadline: Option<Duration>,
    /// How far what it asks is.
    pub(super) question: Question,
    /// It has ended: with this status, when so much was written.
    pub(super) ended: Option<(ExitStatus, [u64; 2])>,
}

impl Running {
    pub(super) fn new(begun: Begun, job: Job, now: Duration) -> Self {
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
            question: Question::Unasked,
            ended: None,
            begun,
            job,
        }
    }

    pub(super) fn has_read_enough(&self) -> bool {
        self.read >= self.job.input || (self.input_ended && self.read >= self.fed)
    }

    pub(super) fn may_end(&self) -> bool {
        let written = self
            .outputs
            .iter()
            .all(|output| output.written >= output.total);
        let knows = !self.job.asks || self.question == Question::Answered;
        !self.job.endless && written && self.has_read_enough() && knows
    }

    pub(super) fn may_ask(&self) -> bool {
        self.job.asks && self.question == Question::Unasked
    }

    /// What it asked is answered.
    pub(super) fn answered(
        &mut self,
        answer: Option<String>,
        host: &Host,
    ) -> Result<(), Violation> {
        let wanted = format!("answer to {}", self.job.command);
        // It may have ended meanwhile.
        ensure(
            answer == Some(wanted) && self.question != Question::Unasked,
            || format!("command {} was answered {answer:?}", self.job.command),
        )?;
        ensure(self.question != Question::Answered, || {
            format!("command {} was answered twice", self.job.command)
        })?;
        self.question = Question::Answered;
        host.ask_no_more();
        Ok(())
    }

    pub(super) fn end(&mut self, status: ExitStatus) {
        if self.ended.is_none() {
            self.ended = Some((status, [self.outputs[0].written, self.outputs[1].written]));
        }
    }

    /// Whether all it wrote before its end is recorded.
    pub(super) fn is_settled(&self) -> bool {
        self.ended.as_ref().is_some_and(|(_, written)| {
            let mut outputs = self.outputs.iter().zip(written);
            outputs.all(|(output, written)| output.recorded >= *written)
        })
    }

    pub(super) fn stop(&mut self, level: Level) {
        if level == Level::Kill {
            self.end(ExitStatus::Signal(9));
        } else if !self.job.stubborn {
            self.end(ExitStatus::Code(130));
        }
    }
}

impl Running {
    pub(super) fn act(
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
            Act::Ask => {
                self.question = Question::Open;
                host.ask(self.begun.invocation, &self.job.command.to_string());
            }
            Act::End => self.end(self.job.status()),
            Act::TimeOut => {
                self.deadline = None;
                host.time_out();
                self.end(ExitStatus::Signal(9));
            }
            _ => {}
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
