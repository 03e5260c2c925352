//! `cargo xtask`: everything the repository does besides compiling.
#![allow(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "these commands exist to talk to the person who typed them"
)]

mod cargo;
mod chaos;
mod ci;
mod demo;
mod failure;
mod fuzz;
mod purity;
mod sample;
mod simulate;
mod skew;
mod steps;
mod test;
mod tools;

use std::process::ExitCode;

use failure::Failure;

const HELP: &str = "\
cargo xtask COMMAND

  demo [HOST]      Show the main job: a session that outlasts its connection. Without HOST an
                   embedded SSH server on loopback is used; nothing needs to be configured
  test [FILTER…]   Install what is missing, build everything, run the tests
  chaos [--minutes N | --rounds N] [--seed S] [--keep-going]
                   Sessions under cuts, stalls, half-open links, killed and frozen processes, and
                   a look at every byte afterwards. A seed gives the same plan; how the processes
                   are scheduled while it is played is not in its hand. `--help` says more
  fuzz [TARGET] [--seconds N] [--replay FILE]
                   Feed one target, or all, with whatever comes, N seconds each (60); or see again
                   what FILE does. tests/fuzz/README.md tells more
  skew [REVISION]  Build an earlier version, by default the newest release, and test this one
                   against it: clients, relays and hosts in every mixture that occurs
  sample [--filter TEXT] [--limit N] [--seconds N] [--output table|json] [--verbose]
                   Scripts nobody here wrote, once with `bash SCRIPT` and once with `outlast invoke
                   -f SCRIPT`, in a sandbox: bash's own tests and the scripts of this system. What
                   differs without a known reason fails
  simulate         Play the session's machines in virtual time under faults: 10 000 worlds, and one
                   conversation broken behind every byte and at every step
  simulate --seed N
  simulate --scenario NAME
                   Play one of them again; --seeds COUNT [FIRST] and --scenarios play many
  ci               Everything that must hold before a merge: format, lints, licences, purity, tests,
                   a few seconds of every fuzz target, the simulator, the earlier version, two rounds
                   of chaos
  help             This text

Details: CONTRIBUTING is in the README; the harness is described in tests/src/lib.rs.
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        ["demo"] => demo::run(None),
        ["demo", host] if !host.starts_with('-') => demo::run(Some(host)),
        ["test", filters @ ..] => test::run(filters),
        ["chaos", words @ ..] => chaos::run(words),
        ["fuzz", words @ ..] => fuzz::run(words),
        ["sample", words @ ..] => sample::run(words),
        ["sample-inside", words @ ..] => return sample::inside(words),
        ["skew"] => skew::run(None),
        ["skew", revision] if !revision.starts_with('-') => skew::run(Some(revision)),
        ["simulate", words @ ..] => simulate::run(words),
        ["ci"] => ci::run(),
        _ => Err(Failure::usage(&words)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            failure.code()
        }
    }
}
