//! This program as the `SSH_ASKPASS` program of an `ssh` that the mux started: what is asked goes
//! to the mux, and from there to the command line for which that ssh connects.

use std::io::Write;

use bytes::Bytes;
use outlast_protocol::control::to_cli::ToCli;
use outlast_protocol::control::to_mux::{Askpass, AskpassKind};
use outlast_protocol::secret::Secret;

use super::error::Error;
use super::request::unexpected;
use crate::control::connection::Connection;
use crate::place::Place;
use crate::ssh::ASKPASS_TOKEN;

/// What ssh calls a program that only shows or confirms something.
const KIND: &str = "SSH_ASKPASS_PROMPT";

/// The question, if this is such a call: ssh calls what `SSH_ASKPASS` names, by that name, with
/// nothing but its question. What a `ProxyCommand` calls by another is not meant.
pub(super) fn question() -> Option<Askpass> {
    let token = std::env::var(ASKPASS_TOKEN).ok()?;
    let mut words = std::env::args_os();
    let (name, text, rest) = (words.next()?, words.next()?, words.next());
    let meant = std::env::var_os("SSH_ASKPASS").is_some_and(|program| program == name);
    let kind = match std::env::var(KIND).as_deref() {
        Ok("confirm") => AskpassKind::Confirm,
        Ok("none") => AskpassKind::Notice,
        _ => AskpassKind::Line,
    };
    let text = text.to_string_lossy().into_owned();
    (meant && rest.is_none()).then_some(Askpass { token, kind, text })
}

/// Asks, and prints the answer; returns the exit code, which is the answer too.
pub(super) fn askpass(question: Askpass) -> u8 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let answered = match runtime {
        Ok(runtime) => runtime.block_on(ask(question)),
        Err(source) => Err(Error::System {
            action: "cannot start",
            source,
        }),
    };
    let printed =
        answered.map(|text| text.map(|text| writeln!(std::io::stdout(), "{}", text.reveal())));
    match printed {
        Ok(Some(Ok(()))) => 0,
        Ok(None | Some(Err(_))) => 1,
        Err(error) => {
            // It goes where ssh complains too.
            let _ = writeln!(std::io::stderr(), "outlast: {error}");
            1
        }
    }
}

async fn ask(question: Askpass) -> Result<Option<Secret>, Error> {
    let place = Place::of_environment()?;
    let Some(mut connection) = Connection::open_existing(&place).await? else {
        return Ok(None);
    };
    let only_shown = question.kind == AskpassKind::Notice;
    connection.send(question, Bytes::new())?;
    while let Some((message, _)) = connection.next().await? {
        match message {
            ToCli::Answered(answered) if !only_shown => return Ok(answered.text),
            // ssh ends us when there is nothing to be shown any more.
            ToCli::Answered(_) => std::future::pending().await,
            ToCli::Failed(failed) => return Err(Error::Refused(failed)),
            other => return Err(unexpected("Answered", &other)),
        }
    }
    Ok(None)
}
