//! Opens a link on a connection: the subsystem, or the command in its place; or any command.

use std::sync::Arc;

use russh::Error;

use super::connection::Connection;
use super::error::OpenError;
use super::link::Link;

pub(super) async fn open_link(
    connection: &Connection,
    subsystem: &str,
    command: &str,
) -> Result<Link, OpenError> {
    let mut link = open_channel(connection).await?;
    let lost = |_| disconnected(connection, "the channel went away");
    link.request_subsystem(subsystem).await.map_err(lost)?;
    match link.reply().await {
        Some(true) => return Ok(link),
        // The refused channel is still unused (RFC 4254, 6.5), and closing it first would leak it
        // in russh while it counted against MaxSessions: the command takes its place.
        Some(false) => {}
        // A server that closes the channel instead gets a fresh one.
        None => link = open_channel(connection).await?,
    }
    link.in_place = true;
    link.request_exec(command).await.map_err(lost)?;
    match link.reply().await {
        Some(true) => Ok(link),
        Some(false) => Err(OpenError::RequestRefused {
            host: connection.host().to_owned(),
            subsystem: subsystem.to_owned(),
            command: command.to_owned(),
        }),
        None => Err(disconnected(connection, "the channel was closed at once")),
    }
}

/// Opens a channel and runs a command on it.
pub(super) async fn open_command(
    connection: &Connection,
    command: &str,
) -> Result<Link, OpenError> {
    let mut link = open_channel(connection).await?;
    let lost = |_| disconnected(connection, "the channel went away");
    link.request_exec(command).await.map_err(lost)?;
    match link.reply().await {
        Some(true) => Ok(link),
        Some(false) => Err(OpenError::CommandRefused {
            host: connection.host().to_owned(),
        }),
        None => Err(disconnected(connection, "the channel was closed at once")),
    }
}

async fn open_channel(connection: &Connection) -> Result<Link, OpenError> {
    let handle = Arc::clone(connection.handle());
    // In a task of its own: given up halfway, a channel that is confirmed afterwards would never be
    // closed. This way it becomes a link, whose drop closes it.
    let opening = tokio::spawn(async move { handle.channel_open_session().await.map(Link::start) });
    match opening.await {
        Ok(Ok(link)) => Ok(link),
        Ok(Err(Error::ChannelOpenFailure(reason))) => Err(OpenError::ChannelRefused {
            host: connection.host().to_owned(),
            reason: format!("{reason:?}"),
        }),
        Ok(Err(error)) => Err(disconnected(connection, &error.to_string())),
        Err(error) => Err(disconnected(connection, &error.to_string())),
    }
}

fn disconnected(connection: &Connection, otherwise: &str) -> OpenError {
    OpenError::Disconnected {
        host: connection.host().to_owned(),
        reason: connection.ending().unwrap_or_else(|| otherwise.to_owned()),
    }
}
