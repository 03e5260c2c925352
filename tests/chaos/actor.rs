//! Acting out one session's plan while faults come and go.

use std::time::{Duration, Instant};

use outlast_tests::deadline::Deadline;
use outlast_tests::{Output, Running};

use crate::counts::Counts;
use crate::delivery::{Delivery, Printed, items, reconnects, without_notes};
use crate::faults::Calm;
use crate::job::Job;
use crate::plan::{Act, MACHINES, Meanwhile, Moment, SessionPlan};
use crate::stage::{SERVER, Stage};

/// Longest silence of a command line: above any pause between two attempts to reconnect, plus the
/// time until a silent link is given up, several times over.
const PATIENCE: Duration = Duration::from_secs(180);

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
    calm: &'a Calm,
    counts: &'a Counts,
    /// The machine that acts.
    pub(crate) holder: usize,
    /// The machines that know the session.
    pub(crate) known: [bool; MACHINES],
    pub(crate) submissions: Vec<Submission>,
    pub(crate) deliveries: Vec<Delivery>,
}

/// How an ended command line is read.
struct Reading<'a> {
    machine: usize,
    begun: Instant,
    killed: bool,
    /// The label of the job whose streams it printed as they are; none for records.
    raw: Option<&'a str>,
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
    fn change_machine(&mut self, steal: bool) -> Result<(), String> {
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

    /// The network was away when it began: it says so at once and has done nothing. One that has
    /// begun and been interrupted waits.
    fn not_reached(&self, output: &Output) -> bool {
        let is_it = output.status.code() == Some(255)
            && output.stdout.is_empty()
            && !output.stderr_text().contains("interrupted");
        self.counts.add("not reached", is_it.into());
        is_it
    }

    fn wait_for(&self, running: &Running, moment: Moment) {
        let deadline = Deadline::after(moment.at_most);
        running
            .stdout
            .wait_len_or_end(moment.bytes.max(1), deadline);
    }

    fn kill(&self, running: &Running) -> bool {
        self.counts.one("cli kills");
        running.signal(rustix::process::Signal::KILL);
        true
    }

    fn freeze(&self, running: &Running, lasting: Duration) {
        self.counts.one("cli freezes");
        running.freeze();
        self.calm.pass(lasting);
        running.thaw();
    }

    /// Waits for the end of a command line, as long as it gets on.
    fn end_of(&self, mut running: Running) -> Result<Output, String> {
        let begun = Instant::now();
        let printed = |running: &Running| running.stdout.len() + running.stderr.len();
        let mut before = printed(&running);
        while !running.end_by(Deadline::after(PATIENCE)) {
            if printed(&running) == before {
                let (stdout, stderr) = (running.stdout.text(), running.stderr.text());
                return Err(format!(
                    "a command line has neither ended nor said anything for {PATIENCE:?}\n{}\n{}",
                    outlast_tests::failure::block("its stdout", &stdout),
                    outlast_tests::failure::block("its stderr", &stderr),
                ));
            }
            before = printed(&running);
        }
        let output = running.wait();
        self.counts.one("command lines");
        self.counts.peak("longest s", begun.elapsed().as_secs());
        self.counts.add("reconnects", reconnects(&output));
        if output.stderr_text().contains("panicked at") || output.status.code() == Some(101) {
            return Err(format!("a program of ours panicked\n{output}"));
        }
        Ok(output)
    }

    fn read(&self, output: Output, reading: Reading<'_>) -> Result<Delivery, String> {
        let printed = match reading.raw {
            None => Printed::Items(items(&output.stdout)?),
            Some(label) => Printed::Raw {
                label: label.to_owned(),
                streams: [
                    output.stdout.clone(),
                    without_notes(&output.stderr, &self.computer, reading.killed),
                ],
            },
        };
        self.counts.add("bytes", output.stdout.len() as u64);
        Ok(Delivery {
            machine: reading.machine,
            begun: reading.begun,
            ended: Instant::now(),
            killed: reading.killed,
            output,
            printed,
        })
    }
}

/// `receive` leaves with 0; with `--follow`, as the last command did that it has seen end.
fn check_exit(delivery: &Delivery, follow: bool) -> Result<(), String> {
    let mut expected = 0;
    if let (true, Printed::Items(items)) = (follow, &delivery.printed) {
        for item in items {
            if let crate::delivery::What::Completed { outcome, code } = &item.what {
                expected = if outcome == "cancelled" {
                    130
                } else {
                    code.unwrap_or(255)
                };
            }
        }
    }
    let code = delivery.output.status.code();
    if code.and_then(|code| u64::try_from(code).ok()) == Some(expected) {
        Ok(())
    } else {
        Err(format!(
            "expected exit code {expected}\n{}",
            delivery.output
        ))
    }
}
