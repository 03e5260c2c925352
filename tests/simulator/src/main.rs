//! Runs the simulator: `simulate [--seed N] [--seeds COUNT] [--keep-going]`.
#![allow(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a command line program"
)]

use std::process::ExitCode;
use std::time::Instant;

use outlast_simulator::plan::Plan;
use outlast_simulator::run::{run, run_many};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (first, count, most) = match words.as_slice() {
        ["--seed", seed] => return one(seed),
        [] => (0, 10_000, 1),
        ["--seeds", count] => (0, count.parse().unwrap_or(0), 1),
        ["--seeds", count, "--from", first] => {
            (first.parse().unwrap_or(0), count.parse().unwrap_or(0), 1)
        }
        ["--seeds", count, "--from", first, "--keep-going"] => {
            (first.parse().unwrap_or(0), count.parse().unwrap_or(0), 20)
        }
        _ => {
            eprintln!("usage: simulate [--seed N | --seeds COUNT [--from N [--keep-going]]]");
            return ExitCode::from(2);
        }
    };
    let start = Instant::now();
    let (report, failed) = run_many(first, count, most, &Plan::of_seed);
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{count} seeds from {first} in {seconds:.1} s: {} steps, {} faults, {} links, {} records, \
         {} bytes up, {} bytes down, {} h of virtual time",
        report.steps,
        report.faults,
        report.links,
        report.records,
        report.carried[0],
        report.carried[1],
        report.time_ms / 3_600_000
    );
    for failure in &failed {
        if failed.len() == 1 {
            eprintln!("{failure}");
        } else {
            eprintln!(
                "seed {}, step {}: {}",
                failure.seed, failure.step, failure.violation
            );
        }
        eprintln!("again: cargo xtask simulate --seed {}", failure.seed);
    }
    ExitCode::from(u8::from(!failed.is_empty()))
}

fn one(seed: &str) -> ExitCode {
    let Ok(seed) = seed.parse() else {
        eprintln!("not a seed: {seed}");
        return ExitCode::from(2);
    };
    match run(Plan::of_seed(seed)) {
        Ok(report) => {
            println!("seed {seed} holds: {report:?}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(1)
        }
    }
}
