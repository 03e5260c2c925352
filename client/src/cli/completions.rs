//! `outlast completions`.

use clap::CommandFactory;
use clap_complete::Shell;

use super::args::Cli;
use super::error::Error;
use crate::output::Output;

/// Prints the completion script for `shell`.
pub(super) fn completions(shell: Shell, output: Output) -> Result<u8, Error> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "outlast", &mut script);
    output.result(&String::from_utf8_lossy(&script))?;
    Ok(0)
}
