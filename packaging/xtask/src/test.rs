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

/// The end-to-end tests that have to do with connections, once more, by the other transport. Those
/// left out run the same code on both: they are about the shell, the log and the disk. By hand
/// `OUTLAST_TEST_TRANSPORT=openssh cargo xtask test` runs them all.
const OVER_OPENSSH: [&str; 14] = [
    "again",
    "creation",
    "cuts",
    "enter",
    "errors",
    "host_keys",
    "logins",
    "mux",
    "passwords",
    "prompts",
    "sessions",
    "state",
    "steal",
    "streams",
];

pub(crate) fn run_over_openssh() -> Result<(), Failure> {
    let has_nextest = tools::is_installed("cargo-nextest");
    let mut words: Vec<String> = match has_nextest {
        true => [
            "nextest",
            "run",
            "--config-file",
            "tests/nextest.toml",
            "--no-fail-fast",
        ]
        .as_slice(),
        false => ["test", "--test", "e2e"].as_slice(),
    }
    .iter()
    .map(|word| (*word).to_owned())
    .collect();
    words.extend(["--locked", "-p", "outlast-tests"].map(str::to_owned));
    if has_nextest {
        let modules = OVER_OPENSSH.join("|");
        words.push(format!("-Ebinary(e2e) & test(/^({modules})::/)"));
    } else {
        words.push("--".to_owned());
        words.extend(OVER_OPENSSH.map(|module| format!("{module}::")));
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    cargo::run(cargo(&words).env("OUTLAST_TEST_TRANSPORT", "openssh"))
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
