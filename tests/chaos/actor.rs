//! Acting out one session's plan while faults come and go.

use std::time::{Duration, Instant};

use outlast_tests::Running;

use crate::command_line::{PATIENCE, Reading, check_exit};
use crate::counts::Counts;
use crate::delivery::Delivery;
use crate::faults::Calm;
use crate::job::Job;
use crate::plan::{Act, MACHINES, Meanwhile, Moment, SessionPlan};
use crate::stage::{SERVER, Stage};
use crate::visiting::Typed;

/// How sure it is that a job was submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Submitted {
    /// The command line said so, by its end or by an outcome.
    Certainly,
    /// The command line was lost before it could say.
    Perhaps,
}

#[derive(Clone, Debug)]
pub(crate) struct Submission {
    pub(crate) job: Job,
    pub(crate) submitted: Submitted,
    /// Was asked to stop: its output may end early.
    pub(crate) cancelled: bool,
}

/// A session in a round, and all that was done with it.
pub(crate) struct Actor<'a> {
    pub(crate) stage: &'a Stage,
    pub(crate) plan: &'a SessionPlan,
    pub(crate) instance: String,
    pub(crate) computer: String,
    pub(crate) calm: &'a Calm,
    pub(crate) counts: &'a Counts,
    /// The machine that acts.
    pub(crate) holder: usize,
    /// The machines that know the session.
    pub(crate) known: [bool; MACHINES],
    pub(crate) submissions: Vec<Submission>,
    pub(crate) deliveries: Vec<Delivery>,
    pub(crate) typed: Vec<Typed>,
}

impl<'a> Actor<'a> {
    pub(crate) fn new(
        stage: &'a Stage,
        plan: &'a SessionPlan,
        calm: &'a Calm,
        counts: &'a Counts,
        (instance, computer): (String, String),
    ) -> Self {
        let mut known = [false; MACHINES];
        known[plan.owner] = true;
        Self {
            stage,
            plan,
            instance,
            computer,
            calm,
            counts,
            holder: plan.owner,
            known,
            submissions: Vec::new(),
            deliveries: Vec::new(),
            typed: Vec::new(),
        }
    }

    pub(crate) fn act_all(&mut self) -> Result<(), String> {
        for act in &self.plan.acts {
            let done = match act {
                Act::Foreground {
                    job,
                    raw,
                    meanwhile,
                } => self.foreground(job, *raw, *meanwhile),
                Act::Detached(job) => self.detached(job),
                Act::Receive { follow, meanwhile } => self.receive(*follow, *meanwhile),
                Act::Cancelled { job, moment } => self.cancelled(job, *moment),
                Act::Move { steal } => self.change_machine(*steal),
                Act::Visit(visit) => self.visit(visit),
                Act::Disconnect => self.leave(),
            };
            done.map_err(|why| {
                format!(
                    "session {} ({}): {act:?}\n{why}",
                    self.plan.name, self.instance
                )
            })?;
        }
        Ok(())
    }

    fn spawn(&self, machine: usize, words: &[&str]) -> Running {
        self.stage.machines[machine].client.spawn(words)
    }

    fn script(&self, job: &Job) -> String {
        let word = |path: std::path::PathBuf| path.to_str().expect("ASCII").to_owned();
        let ledger = word(self.stage.ledger(&self.plan.name));
        job.script(&word(self.stage.program()), &ledger)
    }

    fn foreground(
        &mut self,
        job: &Job,
        raw: bool,
        meanwhile: Option<(Moment, Meanwhile)>,
    ) -> Result<(), String> {
        let script = self.script(job);
        let mut words = vec!["invoke", "-q", "-s", &self.instance];
        words.push(&script);
        words.extend((!job.reads()).then_some("-n"));
        words.extend(if raw {
            &[][..]
        } else {
            &["--output", "ndjson"]
        });
        let begun = Instant::now();
        let machine = self.holder;
        let mut running = self.spawn(machine, &words);
        if job.reads() {
            running.feed(job.input());
        }
        let mut killed = false;
        let mut stolen = false;
        if let Some((moment, what)) = meanwhile {
            self.wait_for(&running, moment);
            match what {
                Meanwhile::Kill => killed = self.kill(&running),
                Meanwhile::Freeze(lasting) => self.freeze(&running, lasting),
                Meanwhile::Steal => {
                    self.change_machine(true)?;
                    stolen = true;
                }
            }
        }
        let output = self.end_of(running)?;
        let code = output.status.code();
        let killed = killed && code.is_none();
        let finished = code == Some(job.exit.into());
        let reading = Reading {
            machine,
            begun,
            killed,
            raw: raw.then_some(&job.label),
        };
        let delivery = self.read(output, reading)?;
        // Part of its output is gone: exit code 255, and an explicit gap, which is checked later.
        let missing = delivery
            .output
            .stderr_text()
            .contains("bytes of output are missing here");
        let robbed = stolen && code == Some(255);
        let unreached = self.not_reached(&delivery.output);
        if !(killed || finished || robbed || missing || unreached) {
            return Err(format!(
                "expected exit code {}\n{}",
                job.exit, delivery.output
            ));
        }
        self.submissions.push(Submission {
            job: job.clone(),
            submitted: if finished {
                Submitted::Certainly
            } else {
                Submitted::Perhaps
            },
            cancelled: false,
        });
        self.deliveries.push(delivery);
        Ok(())
    }

    fn detached(&mut self, job: &Job) -> Result<(), String> {
        let script = self.script(job);
        let words = ["invoke", "-q", "-d", "-s", &self.instance, &script];
        let output = self.end_of(self.spawn(self.holder, &words))?;
        let submitted = match output.status.code() {
            Some(0) => Submitted::Certainly,
            // The answer was lost, or the session could not be left: which, is not said. Nobody
            // may simply try again, and nobody does.
            Some(255) => Submitted::Perhaps,
            _ => return Err(format!("neither submitted nor unreachable\n{output}")),
        };
        if submitted == Submitted::Perhaps {
            self.counts.one("unsure submissions");
        }
        self.submissions.push(Submission {
            job: job.clone(),
            submitted,
            cancelled: false,
        });
        Ok(())
    }

    pub(crate) fn receive(
        &mut self,
        follow: bool,
        meanwhile: Option<(Moment, Meanwhile)>,
    ) -> Result<(), String> {
        let mut words = vec!["receive", "-q", "--output", "ndjson", &self.instance];
        words.extend(follow.then_some("--follow"));
        let begun = Instant::now();
        let running = self.spawn(self.holder, &words);
        let mut killed = false;
        if let Some((moment, what)) = meanwhile {
            self.wait_for(&running, moment);
            match what {
                Meanwhile::Freeze(lasting) => self.freeze(&running, lasting),
                Meanwhile::Kill | Meanwhile::Steal => killed = self.kill(&running),
            }
        }
        let output = self.end_of(running)?;
        let killed = killed && output.status.code().is_none();
        let reading = Reading {
            machine: self.holder,
            begun,
            killed,
            raw: None,
        };
        let delivery = self.read(output, reading)?;
        if !killed && !self.not_reached(&delivery.output) {
            check_exit(&delivery, follow)?;
        }
        self.deliveries.push(delivery);
        Ok(())
    }

    /// All that is kept, once more.
    pub(crate) fn receive_again(&mut self) -> Result<(), String> {
        let words = [
            "receive",
            "-q",
            "--output",
            "ndjson",
            &self.instance,
            "--from",
            "start",
        ];
        let begun = Instant::now();
        let output = self.end_of(self.spawn(self.holder, &words))?;
        let reading = Reading {
            machine: self.holder,
            begun,
            killed: false,
            raw: None,
        };
        let delivery = self.read(output, reading)?;
        check_exit(&delivery, false)?;
        self.deliveries.push(delivery);
        Ok(())
    }

    /// The job would never end by itself: a lost Ctrl-C shows as a command line that hangs.
    fn cancelled(&mut self, job: &Job, moment: Moment) -> Result<(), String> {
        let script = self.script(job);
        let words = [
            "invoke",
            "-n",
            "-s",
            &self.instance,
            "--output",
            "ndjson",
            &script,
        ];
        let begun = Instant::now();
        let running = self.spawn(self.holder, &words);
        self.wait_for(&running, moment);
        running.sigint();
        self.counts.one("cancels");
        let output = self.end_of(running)?;
        let before_it_listened = output.status.code().is_none();
        let unreached = self.not_reached(&output);
        if output.status.code() != Some(130) && !before_it_listened && !unreached {
            return Err(format!("expected to be cancelled\n{output}"));
        }
        let reading = Reading {
            machine: self.holder,
            begun,
            killed: before_it_listened,
            raw: None,
        };
        let delivery = self.read(output, reading)?;
        self.deliveries.push(delivery);
        self.submissions.push(Submission {
            job: job.clone(),
            submitted: Submitted::Perhaps,
            cancelled: true,
        });
        Ok(())
    }

    fn leave(&mut self) -> Result<(), String> {
        self.insist(self.holder, &["disconnect", "-q", &self.instance.clone()])
    }

    /// The other machine takes the session.
    pub(crate) fn change_machine(&mut self, steal: bool) -> Result<(), String> {
        let other = (self.holder + 1) % MACHINES;
        if !steal {
            self.leave()?;
        }
        let instance = self.instance.clone();
        let mut words = vec!["connect", "-q", "-c", SERVER, &instance];
        words.extend(steal.then_some("--steal"));
        self.counts.one(if steal { "steals" } else { "moves" });
        self.insist(other, &words)?;
        self.holder = other;
        self.known[other] = true;
        Ok(())
    }

    /// Tried until it succeeds: it may be said twice without harm, and the network may be away.
    pub(crate) fn insist(&mut self, machine: usize, words: &[&str]) -> Result<(), String> {
        let until = Instant::now() + PATIENCE;
        loop {
            let output = self.end_of(self.spawn(machine, words))?;
            match output.status.code() {
                Some(0) => return Ok(()),
                Some(255) if Instant::now() < until => {
                    self.counts.one("retries");
                    self.calm.pass(Duration::from_millis(200));
                }
                _ => return Err(format!("this has to succeed in the end\n{output}")),
            }
        }
    }
}
