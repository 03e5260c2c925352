//! Running cargo, and where it puts things.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Context as _, Failure};

/// The repository's root, wherever the command was typed.
pub(crate) fn root() -> &'static Path {
    // packaging/xtask
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here)
}

/// `cargo` with these words, in the repository's root.
pub(crate) fn cargo(words: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(words).current_dir(root());
    command
}

/// Runs to the end, with the terminal as it is.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let shown = shown(command);
    let status = command.status().context(&shown)?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(format!("`{shown}` failed: {status}")))
    }
}

/// Runs to the end and returns what it printed.
pub(crate) fn capture(command: &mut Command) -> Result<String, Failure> {
    let shown = shown(command);
    let output = command.output().context(&shown)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Failure::new(format!(
        "`{shown}` failed: {}\n{said}",
        output.status
    )))
}

/// Where `cargo build` has put a binary of this workspace.
pub(crate) fn binary(name: &str) -> Result<PathBuf, Failure> {
    // This program is such a binary itself; its tests are one directory further down.
    let own = std::env::current_exe().context("finding the target directory")?;
    let candidates = own
        .ancestors()
        .skip(1)
        .take(2)
        .map(|directory| directory.join(name));
    let mut found = candidates.filter(|path| path.is_file());
    found.next().ok_or_else(|| {
        Failure::new(format!(
            "{name} is not there: run `cargo build --workspace` first"
        ))
    })
}

pub(crate) fn shown(command: &Command) -> String {
    let name = Path::new(command.get_program())
        .file_name()
        .unwrap_or_default();
    let words = std::iter::once(name).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
