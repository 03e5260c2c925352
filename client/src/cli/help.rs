//! `outlast help`.

use clap::CommandFactory;

use super::args::Cli;
use super::error::Error;
use super::exit;
use crate::config;
use crate::output::Output;

/// Prints help for a verb or a topic.
pub(super) fn help(topic: Option<&str>, output: Output) -> Result<u8, Error> {
    let mut command = Cli::command();
    // Fills in usage lines and the options that every verb has.
    command.build();
    let text = match topic {
        None => command.render_long_help().to_string(),
        Some("exit-codes") => exit::HELP.to_owned(),
        Some("config") => config::HELP.to_owned(),
        Some(verb) => {
            let found = command.find_subcommand_mut(verb);
            let found = found.ok_or_else(|| {
                Error::usage(
                    format!("there is no help for `{verb}`"),
                    "`outlast help` lists the verbs; `exit-codes` and `config` are topics",
                )
            })?;
            found.render_long_help().to_string()
        }
    };
    output.result(&text)?;
    Ok(0)
}
