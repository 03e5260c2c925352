//! Runs the simulator; see `USAGE`.
#![allow(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a command line program"
)]

use std::process::ExitCode;
use std::time::Instant;

use outlast_simulator::plan::Plan;
use outlast_simulator::run::{Failed, Report, run, run_many};
use outlast_simulator::scenario::{Scenario, every};

const USAGE: &str = "\
usage: simulate                         10 000 seeds and every scenario
       simulate --seed N                one world again
       simulate --seeds COUNT [FIRST]   so many worlds, noting up to 20 in which a promise breaks
       simulate --scenario NAME         one scenario again
       simulate --scenarios             every scenario
";

/// Worlds with a broken promise that are reported.
const MOST: usize = 20;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [] => {
            let seeds = seeds(0, 10_000);
            let scenarios = scenarios();
            Some(seeds && scenarios)
        }
        ["--seed", seed] => seed.parse().ok().map(|seed| {
            let result = run(Plan::of_seed(seed));
            one(&format!("seed {seed}"), result)
        }),
        ["--seeds", count] => count.parse().ok().map(|count| seeds(0, count)),
        ["--seeds", count, first] => match (first.parse(), count.parse()) {
            (Ok(first), Ok(count)) => Some(seeds(first, count)),
            _ => None,
        },
        ["--scenarios"] => Some(scenarios()),
        ["--scenario", name] => match name.parse::<Scenario>() {
            Ok(scenario) => Some(one(&scenario.to_string(), scenario.run())),
            Err(error) => {
                eprintln!("{error}");
                None
            }
        },
        _ => None,
    };
    match done {
        Some(true) => ExitCode::SUCCESS,
        Some(false) => ExitCode::from(1),
        None => {
            eprint!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn one(name: &str, result: Result<Report, Box<Failed>>) -> bool {
    match &result {
        Ok(report) => println!("{name} holds: {report:?}"),
        Err(failure) => eprintln!("{failure}"),
    }
    result.is_ok()
}

fn seeds(first: u64, count: u64) -> bool {
    let start = Instant::now();
    let (report, failed) = run_many(first, count, MOST, &Plan::of_seed);
    summary(&format!("{count} seeds from {first}"), start, &report);
    complain(&failed, |seed| format!("--seed {seed}"))
}

fn scenarios() -> bool {
    let start = Instant::now();
    let mut all = vec![Scenario::Backlog(200), Scenario::BothFull];
    match every(1) {
        Ok(every) => all.extend(every),
        Err(failure) => {
            eprintln!("the conversation itself does not hold: {failure}");
            return false;
        }
    }
    let of = |number: u64| {
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        all.get(at).copied().unwrap_or(Scenario::BothFull)
    };
    let (report, failed) = run_many(0, all.len() as u64, MOST, &|number| of(number).plan());
    summary(&format!("{} scenarios", all.len()), start, &report);
    complain(&failed, |number| format!("--scenario {}", of(number)))
}

fn summary(what: &str, start: Instant, report: &Report) {
    println!(
        "{what} in {:.1} s: {} steps, {} faults, {} links, {} records, {} bytes up, {} bytes \
         down, {} bytes told as lost, {} h of virtual time",
        start.elapsed().as_secs_f64(),
        report.steps,
        report.faults,
        report.links,
        report.records,
        report.carried[0],
        report.carried[1],
        report.missing,
        report.time_ms / 3_600_000
    );
}

/// Says what broke; returns whether nothing did.
fn complain(failed: &[Failed], again: impl Fn(u64) -> String) -> bool {
    for (at, failure) in failed.iter().enumerate() {
        if at == 0 {
            eprintln!("{}", failure.trace);
        }
        eprintln!("step {}: {}", failure.step, failure.violation);
        eprintln!("again: cargo xtask simulate {}", again(failure.seed));
    }
    failed.is_empty()
}
