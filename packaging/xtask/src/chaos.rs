//! `cargo xtask chaos`: real processes, a real sshd, and everything that can go wrong with them.

use crate::cargo::{self, cargo};
use crate::failure::Failure;
use crate::tools;

/// The seed of the round that every run of `cargo xtask ci` plays; another one is random.
const KNOWN: &str = "7";

/// Builds what is needed and plays rounds; the words are those of the program.
pub(crate) fn run(words: &[&str]) -> Result<(), Failure> {
    tools::install_missing()?;
    cargo::run(&mut cargo(&["build", "--workspace", "--locked"]))?;
    play(words)
}

/// A round that is always the same, and one that is new.
pub(crate) fn bounded() -> Result<(), Failure> {
    play(&["--rounds", "1", "--seed", KNOWN])?;
    play(&["--rounds", "1"])
}

fn play(words: &[&str]) -> Result<(), Failure> {
    let mut program = std::process::Command::new(cargo::binary("outlast-chaos")?);
    program.args(words);
    cargo::run(&mut program)
}
