//! What came of a command, in one place and in all of them.

use outlast_protocol::control::session::Session;

use super::Client;
use super::args::Form;
use super::error::Error;
use super::exit::{self, Ending};
use crate::output::json::{self, ResultObject};
use crate::output::session::SessionObject;
use crate::output::table;

/// How it went in one place.
pub(super) struct Report {
    pub(super) computer: String,
    pub(super) ending: Ending,
    pub(super) error: Option<Error>,
    pub(super) result: ResultObject,
    pub(super) left: Vec<Session>,
}

impl Report {
    pub(super) fn failed(computer: String, error: Error) -> Self {
        Self {
            ending: Ending::Failed(error.kind()),
            result: ResultObject {
                computer_name: computer.clone(),
                outcome: json::failure(error.kind()),
                error: Some(error.to_string()),
                ..ResultObject::default()
            },
            computer,
            error: Some(error),
            left: Vec::new(),
        }
    }

    pub(super) fn cancelled(computer: String) -> Self {
        Self {
            ending: Ending::Done(Some(outlast_protocol::outcome::Outcome::NeverRan)),
            result: ResultObject {
                computer_name: computer.clone(),
                outcome: "cancelled",
                ..ResultObject::default()
            },
            computer,
            error: None,
            left: Vec::new(),
        }
    }
}

/// Shows what came of a command everywhere; the exit code.
pub(super) fn conclude(
    client: &Client,
    several: bool,
    disconnected: bool,
    reports: Vec<Report>,
) -> Result<u8, Error> {
    let mut endings = Vec::new();
    let mut results = Vec::new();
    let mut left = Vec::new();
    let mut started = Vec::new();
    let mut broken_pipe = None;
    for report in reports {
        match report.error {
            Some(error @ Error::BrokenPipe) => broken_pipe = Some(error),
            Some(error) => {
                let computer = several.then_some(report.computer.as_str());
                client.output.error(computer, &error);
            }
            None => {}
        }
        endings.push(report.ending);
        let invocation = report.result.invocation_id.clone();
        started.extend(
            report
                .left
                .iter()
                .map(|session| SessionObject::started(session, invocation.as_deref())),
        );
        results.push(report.result);
        left.extend(report.left);
    }
    if let Some(error) = broken_pipe {
        return Err(error);
    }
    match (client.form, disconnected) {
        (Form::Json, true) => client.output.result(&json::document(&started))?,
        (Form::Json, false) => client.output.result(&json::document(&results))?,
        (Form::Table, true) if !client.output.is_quiet() => {
            client.output.result(&table::sessions(&left))?;
        }
        _ => {}
    }
    Ok(exit::code(&endings))
}
