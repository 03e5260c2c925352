//! `cargo xtask skew`: this version against an earlier one, in every mixture that occurs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cargo::{self, capture, cargo, root};
use crate::failure::{Context as _, Failure};
use crate::steps::Outcome;
use crate::tools;

const PROGRAMS: [&str; 2] = ["outlast", "outlast-subsystem"];

/// Against `revision`, or the newest release.
pub(crate) fn run(revision: Option<&str>) -> Result<(), Failure> {
    match check(revision)? {
        Outcome::Passed => {}
        Outcome::NotChecked(why) => println!("not checked: {why}"),
    }
    Ok(())
}

pub(crate) fn check(revision: Option<&str>) -> Result<Outcome, Failure> {
    let Some(revision) = revision.map(str::to_owned).or_else(newest_release) else {
        let why = "no release yet (no tag v* before this commit)";
        return Ok(Outcome::NotChecked(why.to_owned()));
    };
    let commit = capture(&mut git(&[
        "rev-parse",
        "--verify",
        "--end-of-options",
        &format!("{revision}^{{commit}}"),
    ]))
    .map_err(|_| Failure::new(format!("{revision} is no revision of this repository")))?;
    let old = build(commit.trim())?;
    println!("{revision} is in {}", old.display());
    cargo::run(&mut cargo(&["build", "--workspace", "--locked"]))?;
    let words: &[&str] = if tools::is_installed("cargo-nextest") {
        &["nextest", "run", "--config-file", "tests/nextest.toml"]
    } else {
        &["test"]
    };
    let mut tests = cargo(words);
    tests
        .args(["--locked", "-p", "outlast-tests", "--test", "skew"])
        .env("OUTLAST_OLD_BIN_DIR", &old);
    cargo::run(&mut tests)?;
    Ok(Outcome::Passed)
}

fn newest_release() -> Option<String> {
    let words = ["describe", "--tags", "--abbrev=0", "--match", "v*"];
    Some(capture(&mut git(&words)).ok()?.trim().to_owned())
}

/// Builds that commit's programs, unless they are there; where they are then.
fn build(commit: &str) -> Result<PathBuf, Failure> {
    let skew = target().join("skew");
    let programs = skew.join(commit).join("bin");
    if PROGRAMS.iter().all(|name| programs.join(name).is_file()) {
        return Ok(programs);
    }
    let source = skew.join(commit).join("source");
    export(commit, &source)?;
    // One for all revisions: what they depend on is mostly the same.
    let built = skew.join("target");
    let mut command = cargo(&[
        "build",
        "--locked",
        "-p",
        "outlast",
        "-p",
        "outlast-subsystem",
    ]);
    command.current_dir(&source).env("CARGO_TARGET_DIR", &built);
    cargo::run(&mut command)?;
    let doing = format!("keeping the programs of {commit}");
    std::fs::create_dir_all(&programs).context(&doing)?;
    for name in PROGRAMS {
        // Under another name first: what is there under its own is whole.
        let partial = programs.join(format!("{name}.partial"));
        std::fs::copy(built.join("debug").join(name), &partial).context(&doing)?;
        std::fs::rename(&partial, programs.join(name)).context(&doing)?;
    }
    Ok(programs)
}

/// The commit's files, without a work tree that git would have to know of.
fn export(commit: &str, directory: &Path) -> Result<(), Failure> {
    let doing = format!("exporting {commit}");
    std::fs::create_dir_all(directory).context(&doing)?;
    let mut archive = git(&["archive", commit])
        .stdout(Stdio::piped())
        .spawn()
        .context(&doing)?;
    let files = archive.stdout.take().map_or_else(Stdio::null, Stdio::from);
    let mut tar = Command::new("tar");
    tar.arg("-x").arg("-C").arg(directory).stdin(files);
    cargo::run(&mut tar)?;
    if archive.wait().context(&doing)?.success() {
        Ok(())
    } else {
        Err(Failure::new(format!("`git archive {commit}` failed")))
    }
}

fn target() -> PathBuf {
    let set = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    // Cargo means a relative one from where it is run, and we run it in the root.
    root().join(set.unwrap_or_else(|| "target".into()))
}

fn git(words: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.args(words).current_dir(root());
    command
}
