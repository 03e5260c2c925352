//! `cargo xtask fuzz`: every target for a bounded time, from the seeds and what earlier runs found.

mod build;
mod options;
mod seeds;
mod target;

use std::time::Duration;

use crate::failure::Failure;
use crate::steps::{Outcome, Steps};
use crate::tools;
use build::Built;
use options::Options;

/// In `cargo xtask ci`: enough to run every seed, and to notice what breaks at once.
const IN_CI: Duration = Duration::from_secs(4);

pub(crate) fn run(words: &[&str]) -> Result<(), Failure> {
    let options = Options::parse(words)?;
    tools::install_compiler_of_cpp()?;
    let built = Built::build()?;
    if let Some(input) = &options.replay {
        return target::replay(&built, options.only()?, input);
    }
    let targets = match &options.target {
        Some(name) => vec![built.find(name)?],
        None => built.targets(),
    };
    let mut steps = Steps::default();
    for target in targets {
        steps.run(target, || {
            target::run(&built, target, options.seconds)?;
            Ok(Outcome::Passed)
        });
    }
    steps.finish()
}

/// All targets as one step.
pub(crate) fn in_ci() -> Result<Outcome, Failure> {
    tools::install_compiler_of_cpp()?;
    let built = Built::build()?;
    let mut findings = Vec::new();
    for target in built.targets() {
        if let Err(failure) = target::run(&built, target, IN_CI) {
            findings.push(failure.to_string());
        }
    }
    if findings.is_empty() {
        Ok(Outcome::Passed)
    } else {
        Err(Failure::new(findings.join("\n")))
    }
}
