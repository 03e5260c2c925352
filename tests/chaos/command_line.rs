//! What is done with one command line of an actor's: it is killed, frozen, waited for and read.

use std::time::{Duration, Instant};

use outlast_tests::deadline::Deadline;
use outlast_tests::{Output, Running};

use crate::actor::Actor;
use crate::delivery::{Delivery, Printed, What, items, reconnects, without_notes};
use crate::plan::Moment;

/// Longest silence of a command line: above any pause between two attempts to reconnect, plus the
/// time until a silent link is given up, several times over.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// How an ended command line is read.
pub(crate) struct Reading<'a> {
    pub(crate) machine: usize,
    pub(crate) begun: Instant,
    pub(crate) killed: bool,
    /// The label of the job whose streams it printed as they are; none for records.
    pub(crate) raw: Option<&'a str>,
}

impl Actor<'_> {
    /// The network was away when it began: it says so at once and has done nothing. One that has
    /// begun and been interrupted waits.
    pub(crate) fn not_reached(&self, output: &Output) -> bool {
        let is_it = output.status.code() == Some(255)
            && output.stdout.is_empty()
            && !output.stderr_text().contains("interrupted");
        self.counts.add("not reached", is_it.into());
        is_it
    }

    pub(crate) fn wait_for(&self, running: &Running, moment: Moment) {
        let deadline = Deadline::after(moment.at_most);
        running
            .stdout
            .wait_len_or_end(moment.bytes.max(1), deadline);
    }

    pub(crate) fn kill(&self, running: &Running) -> bool {
        self.counts.one("cli kills");
        running.signal(rustix::process::Signal::KILL);
        true
    }

    pub(crate) fn freeze(&self, running: &Running, lasting: Duration) {
        self.counts.one("cli freezes");
        running.freeze();
        self.calm.pass(lasting);
        running.thaw();
    }

    /// Waits for the end of a command line, as long as it gets on.
    pub(crate) fn end_of(&self, mut running: Running) -> Result<Output, String> {
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
        if output.stderr_text().contains("panicked at") {
            return Err(format!("a program of ours panicked\n{output}"));
        }
        Ok(output)
    }

    pub(crate) fn read(&self, output: Output, reading: Reading<'_>) -> Result<Delivery, String> {
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
pub(crate) fn check_exit(delivery: &Delivery, follow: bool) -> Result<(), String> {
    let mut expected = 0;
    if let (true, Printed::Items(items)) = (follow, &delivery.printed) {
        for item in items {
            if let What::Completed { outcome, code } = &item.what {
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
