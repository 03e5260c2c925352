//! `outlast install`.

mod computer;
mod root;

use std::path::Path;
use std::sync::Arc;

use outlast_protocol::control::to_cli::FailureKind;

use super::Client;
use super::args::{Form, InstallArgs};
use super::error::Error;
use super::exit::{self, Ending};
use super::parallel::{each, throttle};
use super::target::targets;
use crate::install::Binary;
use crate::mux::find_subsystem;
use crate::output::installation::{self, Installation, State};
use crate::output::json;
use crate::output::progress::Progress;
use computer::Computer;

/// What all computers have in common.
#[derive(Debug)]
struct Job {
    args: InstallArgs,
    /// None to take it away.
    binary: Option<Binary>,
}

/// Puts the remote end on computers, or takes it away.
pub(super) async fn install(client: &Client, args: InstallArgs) -> Result<u8, Error> {
    let targets = targets(client, &args.hosts, &args.ssh)?;
    if targets.iter().any(|target| target.is_local()) {
        return Err(Error::usage(
            "`.` needs no installation: the program beside `outlast` is used here",
            "name other computers",
        ));
    }
    let binary = match args.uninstall {
        true => None,
        false => Some(binary(args.binary.as_deref())?),
    };
    let progress = Arc::new(Progress::of(targets.len(), client.output));
    let throttle = throttle(args.throttle);
    let job = Arc::new(Job { args, binary });
    let several = targets.len() > 1;
    let done = each(targets, throttle, |target| {
        let (client, job, progress) = (client.clone(), Arc::clone(&job), Arc::clone(&progress));
        async move {
            let computer = target.destination.clone();
            let result = Computer::new(&client, &job, &progress, target).run().await;
            let (seen, ending) = match &result {
                Ok(seen) => (seen.clone(), Ending::Done(None)),
                Err(error) => (failed(&computer, error), Ending::Failed(error.kind())),
            };
            let told = progress.done(&computer, || {
                for note in &seen.notes {
                    client.output.note(&format!("{computer}: {note}"));
                }
                match &result {
                    Err(error) => client
                        .output
                        .error(several.then_some(computer.as_str()), error),
                    Ok(_) if client.output.is_quiet() => {}
                    Ok(_) if client.form == Form::Json => {}
                    Ok(_) => return client.output.result(&installation::line(&seen)),
                }
                Ok(())
            });
            told.map(|()| (seen, ending))
        }
    })
    .await;
    let done = done.into_iter().collect::<Result<Vec<_>, _>>()?;
    let (seen, endings): (Vec<_>, Vec<_>) = done.into_iter().unzip();
    if client.form == Form::Json {
        client.output.result(&json::document(&seen))?;
    }
    Ok(exit::code(&endings))
}

/// The program to install.
fn binary(named: Option<&Path>) -> Result<Binary, Error> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => find_subsystem().ok_or_else(|| {
            Error::usage(
                "there is no outlast-subsystem beside `outlast` here",
                "`--binary FILE` names the program to install",
            )
        })?,
    };
    Binary::read(&path).map_err(|error| {
        Error::usage(
            format!("cannot read {}: {error}", path.display()),
            "`--binary FILE` names the program to install",
        )
    })
}

fn failed(computer: &str, error: &Error) -> Installation {
    Installation {
        computer_name: computer.to_owned(),
        state: State::Failed,
        files: Vec::new(),
        notes: Vec::new(),
        error: Some(error.to_string()),
        hint: Some(error.hint()).filter(|hint| !hint.is_empty()),
    }
}

/// What a computer said, as an error of its own.
fn refused(message: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::Refused(outlast_protocol::control::to_cli::Failed {
        kind: FailureKind::Protocol,
        message: message.into(),
        hint: hint.into(),
    })
}
