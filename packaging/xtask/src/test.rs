//! `cargo xtask test`: from a fresh clone to tested, in one command.

use crate::cargo::{self, cargo};
use crate::failure::Failure;
use crate::steps::{Outcome, Steps};
use crate::tools;

pub(crate) fn run_steps(steps: &mut Steps, filters: &[&str]) {
    steps.run("programs the tests need", || {
        tools::install_missing()?;
        Ok(Outcome::Passed)
    });
    steps.run("build", || {
        // Cargo builds other packages' binaries for a test only when asked to. With the tests, or
        // what only tests want of a dependency would have everything built twice.
        let words = ["build", "--workspace", "--all-targets", "--locked"];
        cargo::run(&mut cargo(&words))?;
        Ok(Outcome::Passed)
    });
    steps.run("tests", || {
        run_tests(filters)?;
        Ok(Outcome::Passed)
    });
}

pub(crate) fn run(filters: &[&str]) -> Result<(), Failure> {
    // The only step whose failure makes the others pointless.
    tools::install_missing()?;
    let mut steps = Steps::default();
    run_steps(&mut steps, filters);
    steps.finish()
}

fn run_tests(filters: &[&str]) -> Result<(), Failure> {
    if tools::is_installed("cargo-nextest") {
        let mut words = vec![
            "nextest",
            "run",
            "--workspace",
            "--locked",
            "--no-fail-fast",
        ];
        words.extend(["--config-file", "tests/nextest.toml"]);
        words.extend(filters);
        cargo::run(&mut cargo(&words))?;
    } else {
        let mut words = vec![
            "test",
            "--workspace",
            "--locked",
            "--no-fail-fast",
            "--all-targets",
        ];
        words.push("--");
        words.extend(filters);
        cargo::run(&mut cargo(&words))?;
    }
    if filters.is_empty() {
        // Neither of the two above runs the examples in the documentation.
        cargo::run(&mut cargo(&[
            "test",
            "--workspace",
            "--locked",
            "--doc",
            "--quiet",
        ]))?;
    }
    Ok(())
}
