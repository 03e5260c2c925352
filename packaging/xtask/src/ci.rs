//! `cargo xtask ci`: everything that must hold before a merge.

use crate::cargo::cargo;
use crate::failure::{Context as _, Failure};
use crate::steps::{Outcome, Steps};
use crate::{chaos, fuzz, purity, sample, simulate, skew, test, tools};

pub(crate) fn run() -> Result<(), Failure> {
    let mut steps = Steps::default();
    steps.run("format", || {
        tools::install_component("rustfmt", "fmt")?;
        passed(&["fmt", "--all", "--check"])
    });
    steps.run("lints", || {
        tools::install_component("clippy", "clippy")?;
        passed(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ])
    });
    steps.run("bans, licences, sources", || {
        tools::install_cargo_tool("cargo-deny")?;
        passed(&[
            "deny",
            "--locked",
            "check",
            "--hide-inclusion-graph",
            "bans",
            "licenses",
            "sources",
        ])
    });
    steps.run("advisories", advisories);
    steps.run("purity of the protocol", || {
        purity::check()?;
        Ok(Outcome::Passed)
    });
    // It says which tests needed a second try; `cargo test` gives them none.
    steps.run("test runner", || {
        tools::install_cargo_tool("cargo-nextest")?;
        Ok(Outcome::Passed)
    });
    test::run_steps(&mut steps, &[]);
    steps.run("tests over the system's ssh", || {
        test::run_over_openssh()?;
        Ok(Outcome::Passed)
    });
    steps.run("chaos", || {
        chaos::bounded()?;
        Ok(Outcome::Passed)
    });
    steps.run("fuzzing", fuzz::in_ci);
    steps.run("simulator", || {
        simulate::run(&[])?;
        Ok(Outcome::Passed)
    });
    steps.run("scripts nobody here wrote", sample::in_ci);
    steps.run("an earlier version", || skew::check(None));
    steps.finish()
}

fn passed(words: &[&str]) -> Result<Outcome, Failure> {
    crate::cargo::run(&mut cargo(words))?;
    Ok(Outcome::Passed)
}

/// The database comes from the network. Without it nothing is known, which is not the same as
/// nothing being wrong: the summary says so.
fn advisories() -> Result<Outcome, Failure> {
    let words = [
        "deny",
        "--locked",
        "check",
        "--hide-inclusion-graph",
        "advisories",
    ];
    let output = cargo(&words).output().context("cargo deny")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("failed to fetch advisory database") {
        return Ok(Outcome::NotChecked(
            "the advisory database cannot be fetched here".into(),
        ));
    }
    eprint!("{said}");
    if output.status.success() {
        Ok(Outcome::Passed)
    } else {
        Err(Failure::new("an advisory concerns the lock file"))
    }
}
