//! `cargo xtask simulate`: the real machines of host and client in virtual time, under faults.

use crate::cargo::{self, cargo};
use crate::failure::Failure;

/// Passes the words on to the simulator, built with optimisation and every assertion.
pub(crate) fn run(words: &[&str]) -> Result<(), Failure> {
    let mut all = vec!["run", "--quiet", "--locked", "--profile", "simulator"];
    all.extend(["--package", "outlast-simulator", "--"]);
    all.extend(words);
    cargo::run(&mut cargo(&all))
}
