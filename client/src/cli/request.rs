//! One request that is answered with sessions.

use std::sync::Arc;

use bytes::Bytes;
use outlast_protocol::control::session::{Session, State};
use outlast_protocol::control::to_cli::{Question, ToCli};
use outlast_protocol::control::to_mux::{Answer, ToMux};
use tokio::sync::Mutex;

use super::Client;
use super::args::Form;
use super::error::Error;
use super::exit::{self, Ending};
use crate::control::connection::Connection;
use crate::output::{clean, json, table};

/// How often a request is sent again because the mux went away. Every request may be: what makes
/// something carries its ID.
const ATTEMPTS: u32 = 3;

/// How one target of a verb went: the computer and its sessions.
pub(super) type Reply = (String, Result<Vec<Session>, Error>);

/// Asks and collects the sessions of the answer.
pub(super) async fn request(
    client: &Client,
    computer: &str,
    message: impl Into<ToMux>,
) -> Result<Vec<Session>, Error> {
    hold(client, computer, message, &Mutex::default())
        .await
        .map(|(sessions, _)| sessions)
}

/// Asks, collects the sessions of the answer and keeps the connection, which something may
/// depend on. What several callers of the same `turn` ask reaches the mux in the order of their
/// calls.
pub(super) async fn hold(
    client: &Client,
    computer: &str,
    message: impl Into<ToMux>,
    turn: &Mutex<()>,
) -> Result<(Vec<Session>, Connection), Error> {
    let message = message.into();
    for _ in 0..ATTEMPTS {
        let asking = turn.lock().await;
        let mut connection = Connection::open(&client.place).await?;
        connection.send(message.clone(), Bytes::new())?;
        connection.flush().await;
        drop(asking);
        if let Some(sessions) = collect(client, computer, &mut connection).await? {
            return Ok((sessions, connection));
        }
    }
    Err(Error::MuxLost(format!("{ATTEMPTS} attempts")))
}

/// The sessions of an answer; `None` if the mux went away.
async fn collect(
    client: &Client,
    computer: &str,
    connection: &mut Connection,
) -> Result<Option<Vec<Session>>, Error> {
    let mut collected = Vec::new();
    while let Some((message, _)) = connection.next().await? {
        match message {
            ToCli::Sessions(some) => collected.extend(some.sessions),
            ToCli::Question(question) => answer(client, computer, &question, connection).await?,
            ToCli::Notice(notice) => client.output.note(&format!("{computer}: {}", notice.text)),
            ToCli::Finished(_) => return Ok(Some(collected)),
            ToCli::Failed(failed) => return Err(Error::Refused(failed)),
            other => return Err(unexpected("Sessions or Finished", &other)),
        }
    }
    Ok(None)
}

/// Has a question answered.
pub(super) async fn answer(
    client: &Client,
    computer: &str,
    question: &Question,
    connection: &mut Connection,
) -> Result<(), Error> {
    let asker = Arc::clone(&client.asker);
    let texts = asker
        .ask(client.output, computer.to_owned(), question.clone())
        .await;
    let question = question.question;
    connection.send(Answer { question, texts }, Bytes::new())
}

/// A message that has no place here.
#[must_use]
pub(super) fn unexpected(expected: &str, got: &ToCli) -> Error {
    Error::Protocol(format!("expected {expected}, got {}", got.name()))
}

/// Shows what came of a verb on all its targets; the exit code.
pub(super) fn conclude(client: &Client, replies: Vec<Reply>, show: bool) -> Result<u8, Error> {
    conclude_in(client, replies, show.then_some(table::sessions))
}

/// The same with a table of another kind, or with none.
pub(super) fn conclude_in(
    client: &Client,
    replies: Vec<Reply>,
    table: Option<impl Fn(&[Session]) -> String>,
) -> Result<u8, Error> {
    let several = replies.len() > 1;
    let mut sessions = Vec::new();
    let mut failures = Vec::new();
    let mut endings = Vec::new();
    for (computer, reply) in replies {
        match reply {
            Ok(some) => {
                sessions.extend(some);
                endings.push(Ending::Done(None));
            }
            Err(error) => {
                endings.push(Ending::Failed(error.kind()));
                failures.push((computer, error));
            }
        }
    }
    sessions.sort_by_key(|session| session.id);
    sessions.dedup();
    match (client.form, table) {
        (Form::Json, _) => client.output.result(&json::sessions(&sessions))?,
        (_, Some(table)) => {
            client.output.result(&table(&sessions))?;
            for session in sessions.iter().filter(|it| it.state == State::Broken) {
                client
                    .output
                    .note(&format!("{} is broken: {}", session.name, session.note));
            }
            for session in &sessions {
                if let Some(asked) = &session.asks {
                    let (name, asked) = (&session.name, clean(asked));
                    client.output.note(&format!(
                        "{name}: a program there waits for an answer to `{}`; `outlast receive \
                         --follow {name}` asks for it here",
                        asked.trim()
                    ));
                }
            }
        }
        _ => {}
    }
    for (computer, error) in &failures {
        client
            .output
            .error(several.then_some(computer.as_str()), error);
    }
    Ok(exit::code(&endings))
}
