//! One target: its seeds, its corpus, its run, and what it found.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::build::{Built, package};
use super::seeds;
use crate::cargo::root;
use crate::failure::{Context as _, Failure};

/// An input that takes longer is a finding.
const TIMEOUT_S: u32 = 10;
/// So is one that takes more memory.
const MEMORY_MB: u32 = 512;

/// Runs a target for so long; a finding is a failure that says how to see it again.
pub(crate) fn run(built: &Built, target: &str, time: Duration) -> Result<(), Failure> {
    let place = built.place.join("runs").join(target);
    let corpus = made(&package().join("corpus").join(target))?;
    let findings = made(&package().join("artifacts").join(target))?;
    let seeds = seeds::write(target, &made(&place.join("seeds"))?)?;
    let log = place.join("log");
    let mut command = Command::new(built.program(target));
    command
        .args(limits())
        .arg(format!("-max_total_time={}", time.as_secs()))
        .arg("-print_final_stats=1")
        .arg(format!("-artifact_prefix={}/", findings.display()))
        .args(dictionary(target))
        .arg(corpus)
        .arg(seeds)
        .stderr(File::create(&log).context(&log.display().to_string())?);
    let before = newest(&findings);
    let status = command.status().context(target)?;
    let said = fs::read_to_string(&log).unwrap_or_default();
    if status.success() {
        println!("{target}: {}", summary(&said));
        return Ok(());
    }
    let end: Vec<&str> = said.lines().rev().take(40).collect();
    for line in end.iter().rev() {
        eprintln!("{line}");
    }
    let again = match newest(&findings).filter(|found| before.as_ref() != Some(found)) {
        Some(input) => format!("cargo xtask fuzz {target} --replay {}", shown(&input)),
        None => format!("see {}", log.display()),
    };
    Err(Failure::new(format!("{target} found something: {again}")))
}

/// Runs a target once with the bytes of a file.
pub(crate) fn replay(built: &Built, target: &str, input: &Path) -> Result<(), Failure> {
    let target = built.find(target)?;
    if !input.is_file() {
        return Err(Failure::new(format!("{} is not a file", input.display())));
    }
    let mut command = Command::new(built.program(target));
    crate::cargo::run(command.args(limits()).arg(input))
}

fn limits() -> [String; 2] {
    [
        format!("-timeout={TIMEOUT_S}"),
        format!("-rss_limit_mb={MEMORY_MB}"),
    ]
}

fn dictionary(target: &str) -> Option<String> {
    let file = package().join(format!("dictionaries/{target}.dict"));
    file.is_file().then(|| format!("-dict={}", file.display()))
}

fn made(path: &Path) -> Result<PathBuf, Failure> {
    fs::create_dir_all(path).context(&path.display().to_string())?;
    Ok(path.to_owned())
}

fn newest(directory: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(directory).ok()?.flatten();
    let found = entries.filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry)));
    let (_, entry) = found.max_by_key(|(modified, _)| *modified)?;
    Some(entry.path())
}

fn shown(path: &Path) -> String {
    let short = path.strip_prefix(root()).unwrap_or(path);
    short.display().to_string()
}

/// Executions, coverage and corpus, from libFuzzer's own account.
fn summary(said: &str) -> String {
    let stat = |name: &str| {
        let mut lines = said.lines().rev();
        let line = lines.find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1).map(str::to_owned)
    };
    let executed = stat("stat::number_of_executed_units:").unwrap_or_else(|| "?".into());
    let last = said.lines().rev().find_map(|line| {
        let from = line.find("cov: ")?;
        line.get(from..line.find(" exec/s").or_else(|| line.find(" lim:"))?)
    });
    format!("{executed} executions, {}", last.unwrap_or("no coverage"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_libfuzzers() {
        let said = "#2\tINITED cov: 9 ft: 10 corp: 1/1b exec/s: 0 rss: 28Mb\n\
                    #1535\tNEW    cov: 690 ft: 940 corp: 36/287b lim: 11 exec/s: 0 rss: 28Mb L: 11/11\n\
                    stat::number_of_executed_units: 1535\n";
        assert_eq!(
            summary(said),
            "1535 executions, cov: 690 ft: 940 corp: 36/287b lim: 11"
        );
        assert_eq!(summary(""), "? executions, no coverage");
    }
}
