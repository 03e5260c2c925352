//! `cargo xtask sample`: scripts nobody here wrote, once with `bash SCRIPT` and once with
//! `outlast invoke -f SCRIPT`. Standard output, standard error and exit status have to be the
//! same; what differs has to be explained.

mod compare;
mod inside;
mod known;
mod name;
mod options;
mod proof;
mod report;
mod sandbox;
mod script;
mod suite;
mod system;
mod trial;

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::cargo::{self, binary, cargo, root};
use crate::failure::{Context as _, Failure};
use crate::steps::Outcome;
use crate::tools;
pub(crate) use inside::inside;
use known::Known;
use options::Options;
use report::Report;
use sandbox::Sandbox;
use script::Script;

/// As many as there are cores on the smallest machines that are used.
const WORKERS: usize = 2;
/// In `cargo xtask ci`: of each corpus.
const IN_CI: usize = 60;
/// And no longer, however busy the machine is.
const TIME_IN_CI: Duration = Duration::from_secs(160);

pub(crate) fn run(words: &[&str]) -> Result<(), Failure> {
    let options = Options::parse(words)?;
    let report = sample(&options)?;
    if options.json {
        println!("{}", report.json());
    } else {
        print!("{}", report.text());
    }
    report.verdict()
}

/// A fixed part of it.
pub(crate) fn in_ci() -> Result<Outcome, Failure> {
    let options = Options {
        limit: Some(IN_CI),
        until: Some(Instant::now() + TIME_IN_CI),
        ..Options::default()
    };
    let report = sample(&options)?;
    print!("{}", report.text());
    report.verdict()?;
    Ok(match report.not_run().as_slice() {
        [] => Outcome::Passed,
        corpora => Outcome::NotChecked(corpora.join("; ")),
    })
}

fn sample(options: &Options) -> Result<Report, Failure> {
    tools::install_for_sample()?;
    cargo::run(&mut cargo(&[
        "build",
        "-p",
        "outlast",
        "-p",
        "outlast-subsystem",
        "--locked",
    ]))?;
    let mut report = Report::default();
    let directory = directory()?;
    let suite = match suite::prepare(&directory) {
        Ok(suite) => Some(suite),
        Err(why) => {
            report.corpus_is_missing("bash", &why.to_string());
            None
        }
    };
    let sandbox = Sandbox {
        programs: binary("outlast")?
            .parent()
            .map_or_else(PathBuf::new, PathBuf::from),
        suite: suite.clone(),
        limit: options.seconds,
        until: options.until,
    };
    if let Err(why) = proof::prove(&sandbox)? {
        report.corpus_is_missing("all", &why);
        return Ok(report);
    }
    let of_bash = options.choose(suite.as_deref().map_or(Ok(Vec::new()), suite::scripts)?);
    let scripts = in_turn(of_bash, options.choose(system::scripts()));
    let known = Known::read()?;
    let next = Mutex::new(scripts.iter().enumerate());
    let report = Mutex::new(report);
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| work(&sandbox, &known, &next, &report, options));
        }
    });
    report
        .into_inner()
        .map_err(|_| Failure::new("a worker has panicked"))
}

/// So that none of two corpora is left out when the time is up.
fn in_turn(one: Vec<Script>, other: Vec<Script>) -> Vec<Script> {
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let pairs = std::iter::from_fn(|| {
        let pair: Vec<Script> = one.next().into_iter().chain(other.next()).collect();
        (!pair.is_empty()).then_some(pair)
    });
    pairs.flatten().collect()
}

fn work<'a>(
    sandbox: &Sandbox,
    known: &Known,
    next: &Mutex<impl Iterator<Item = (usize, &'a Script)>>,
    report: &Mutex<Report>,
    options: &Options,
) {
    loop {
        let Some((number, script)) = next.lock().ok().and_then(|mut next| next.next()) else {
            return;
        };
        let trial = trial::run(sandbox, known, script);
        if let Ok(mut report) = report.lock() {
            if options.verbose {
                eprintln!("{}", trial.line());
            }
            report.add(number, trial);
        }
    }
}

/// Where everything is that is fetched or made for it.
fn directory() -> Result<PathBuf, Failure> {
    let set = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let directory = root()
        .join(set.unwrap_or_else(|| "target".into()))
        .join("sample");
    std::fs::create_dir_all(&directory).context("making the directory of the sample")?;
    Ok(directory)
}

/// For one run of a script, if nothing else is said.
const SECONDS: Duration = Duration::from_secs(10);
