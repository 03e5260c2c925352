//! A list of things that must hold, run in order, timed, and summed up.

use std::time::{Duration, Instant};

use crate::failure::Failure;

/// How a step went.
pub(crate) enum Outcome {
    Passed,
    /// Could not be looked at here, for a reason that is no fault.
    NotChecked(String),
}

#[derive(Default)]
pub(crate) struct Steps {
    lines: Vec<String>,
    failed: Vec<String>,
}

impl Steps {
    /// Runs a step and goes on whatever comes of it: one run shows everything there is to repair.
    pub(crate) fn run(&mut self, name: &str, step: impl FnOnce() -> Result<Outcome, Failure>) {
        println!("── {name}");
        let start = Instant::now();
        let result = step();
        let took = seconds(start.elapsed());
        let line = match result {
            Ok(Outcome::Passed) => format!("  ok           {took} {name}"),
            Ok(Outcome::NotChecked(why)) => format!("  not checked  {took} {name}: {why}"),
            Err(failure) => {
                eprintln!("{failure}");
                self.failed.push(name.to_owned());
                format!("  FAILED       {took} {name}")
            }
        };
        self.lines.push(line);
    }

    pub(crate) fn finish(self) -> Result<(), Failure> {
        println!("── summary");
        for line in &self.lines {
            println!("{line}");
        }
        match self.failed.as_slice() {
            [] => Ok(()),
            failed => Err(Failure::new(format!("failed: {}", failed.join(", ")))),
        }
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:6.1} s", duration.as_secs_f64())
}
