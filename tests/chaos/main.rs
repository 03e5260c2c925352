//! Chaos with real processes: a real sshd, real shells, command lines that are killed and frozen,
//! a network that is cut, stalled, slowed and left half open; and then a look at every byte.
#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that is a program"
)]

mod actor;
mod check;
mod command_line;
mod counts;
mod delivery;
mod doom;
mod evidence;
mod faults;
mod job;
mod log;
mod plan;
mod random;
mod round;
mod stage;
mod visiting;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use counts::Counts;
use plan::Plan;
use random::{Random, fresh_seed};

const HELP: &str = "\
cargo xtask chaos [--minutes N | --rounds N] [--seed S] [--keep-going] [--plan]

  --minutes N    Play rounds until N minutes have passed
  --rounds N     Play N rounds; 1 without either
  --seed S       Seed of the first round; random and printed without it
  --keep-going   Go on after a violation, and fail at the end
  --plan         Print the plan of the first round and leave

A seed decides what the sessions do and which fault comes after which pause. It cannot decide how
that falls in with the scheduling of the processes, so a violation may need several runs of its
seed to come back.
";

#[derive(Default)]
struct Args {
    minutes: Option<u64>,
    rounds: Option<u64>,
    seed: Option<u64>,
    keep_going: bool,
    plan: bool,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let ["job", words @ ..] = words.as_slice() {
        return job::run(words);
    }
    if let ["help" | "--help" | "-h"] = words.as_slice() {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    match parse(&words) {
        Ok(args) => run(&args),
        Err(why) => {
            eprintln!("{why}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

fn parse(words: &[&str]) -> Result<Args, String> {
    let mut args = Args::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut number = || {
            let value = words
                .next()
                .ok_or_else(|| format!("{word} needs a number"))?;
            value
                .parse()
                .map(Some)
                .map_err(|_| format!("{word} needs a number, not {value}"))
        };
        match *word {
            "--minutes" => args.minutes = number()?,
            "--rounds" => args.rounds = number()?,
            "--seed" => args.seed = number()?,
            "--keep-going" => args.keep_going = true,
            "--plan" => args.plan = true,
            other => return Err(format!("`{other}` is unknown")),
        }
    }
    Ok(args)
}

fn run(args: &Args) -> ExitCode {
    let begun = Instant::now();
    let first = args.seed.unwrap_or_else(fresh_seed);
    if args.plan {
        println!("{:#?}", Plan::of(first));
        return ExitCode::SUCCESS;
    }
    let lasting = args
        .minutes
        .map(|minutes| Duration::from_secs(minutes * 60));
    let rounds = args
        .rounds
        .unwrap_or(if lasting.is_some() { u64::MAX } else { 1 });
    let mut later = Random::new(first);
    let mut seed = first;
    let all = Counts::default();
    let (mut played, mut violations) = (0, Vec::new());
    while played < rounds && lasting.is_none_or(|lasting| begun.elapsed() < lasting) {
        played += 1;
        if !round(seed, &all) {
            violations.push(seed);
            if !args.keep_going {
                break;
            }
        }
        seed = later.next() >> 32;
    }
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    println!("{played} rounds in {minutes:.1} min: {}", all.line());
    if violations.is_empty() {
        println!("no violation");
        return ExitCode::SUCCESS;
    }
    println!("violations with the seeds {violations:?}");
    ExitCode::FAILURE
}

/// What fits a terminal; the evidence has all of it.
fn excerpt(why: &str) -> String {
    let lines: Vec<&str> = why.lines().collect();
    let cut = |line: &&str| line.chars().take(300).collect::<String>();
    let mut shown: Vec<String> = lines.iter().take(40).map(cut).collect();
    if lines.len() > 60 {
        shown.push(format!("… {} lines …", lines.len() - 60));
    }
    shown.extend(
        lines
            .iter()
            .skip(lines.len().saturating_sub(20).max(40))
            .map(cut),
    );
    shown.join("\n")
}

fn round(seed: u64, all: &Counts) -> bool {
    let begun = Instant::now();
    let counts = Counts::default();
    let played = round::play(&Plan::of(seed), &counts);
    all.take_in(&counts);
    let took = begun.elapsed().as_secs_f64();
    let line = counts.line();
    match played {
        Ok(()) => {
            println!("seed {seed}: {took:.0} s; {line}");
            true
        }
        Err(why) => {
            println!(
                "seed {seed}: VIOLATION after {took:.0} s; {line}\n{}",
                excerpt(&why)
            );
            println!("again: cargo xtask chaos --rounds 1 --seed {seed}");
            false
        }
    }
}
