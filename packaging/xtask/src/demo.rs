//! `cargo xtask demo`: the main job, live, in under a minute.

mod cutter;
mod keys;
mod machine;
mod script;
mod server;
mod stage;
#[cfg(test)]
mod tests;

use crate::cargo::{self, cargo};
use crate::failure::Failure;
use crate::steps::{Outcome, Steps};

/// Without a host, an SSH server of our own on loopback is the host.
pub(crate) fn run(host: Option<&str>) -> Result<(), Failure> {
    let mut steps = Steps::default();
    steps.run("build", || {
        let packages = ["-p", "outlast", "-p", "outlast-subsystem"];
        cargo::run(cargo(&["build", "--locked"]).args(packages))?;
        Ok(Outcome::Passed)
    });
    steps.run("demo", || {
        let stage = stage::Stage::set(host)?;
        script::play(&stage)?;
        Ok(Outcome::Passed)
    });
    steps.finish()
}
