//! `outlast mux`.

use bytes::Bytes;
use outlast_protocol::control::to_cli::{MuxReport, ToCli};
use outlast_protocol::control::to_mux::{MuxStatus, MuxStop, ToMux};

use super::Client;
use super::args::{Form, MuxVerb};
use super::error::Error;
use super::request::unexpected;
use crate::control::connection::Connection;
use crate::output::{json, session::time};

/// Shows or ends the background process; never starts one.
pub(super) async fn mux(client: &Client, verb: MuxVerb) -> Result<u8, Error> {
    let Some(mut connection) = Connection::open_existing(&client.place).await? else {
        if client.form == Form::Json {
            client.output.result("[]\n")?;
        }
        client.output.note("no background process is running");
        return Ok(0);
    };
    match verb {
        MuxVerb::Status => status(client, &mut connection).await,
        MuxVerb::Stop => stop(client, &mut connection).await,
        // It was started before anything else was looked at.
        MuxVerb::Serve => Ok(0),
    }
}

async fn status(client: &Client, connection: &mut Connection) -> Result<u8, Error> {
    match ask(connection, MuxStatus.into()).await? {
        Some(report) => client.output.result(&match client.form {
            Form::Json => json::document(&[object(&report)]),
            Form::Table | Form::Ndjson => lines(&report),
        })?,
        None => client.output.note("the background process has just ended"),
    }
    Ok(0)
}

async fn stop(client: &Client, connection: &mut Connection) -> Result<u8, Error> {
    match ask(connection, MuxStop.into()).await {
        Ok(_) => {}
        // It does not understand us, but it is our own process: SIGTERM is understood.
        Err(Error::Incompatible(_)) if connection.terminate_peer() => {}
        Err(error) => return Err(error),
    }
    if client.form == Form::Json {
        client.output.result("[]\n")?;
    }
    client
        .output
        .note("the background process has ended; sessions are left running");
    Ok(0)
}

async fn ask(connection: &mut Connection, message: ToMux) -> Result<Option<MuxReport>, Error> {
    connection.send(message, Bytes::new())?;
    let mut report = None;
    while let Some((message, _)) = connection.next().await? {
        match message {
            ToCli::MuxReport(it) => report = Some(it),
            ToCli::Finished(_) => break,
            ToCli::Notice(_) => {}
            ToCli::Failed(failed) => return Err(Error::Refused(failed)),
            other => return Err(unexpected("MuxReport or Finished", &other)),
        }
    }
    Ok(report)
}

fn object(report: &MuxReport) -> serde_json::Value {
    let connections = report.connections.iter();
    let connections = connections
        .map(|(computer, how)| serde_json::json!({ "computer_name": computer, "transport": how }));
    serde_json::json!({
        "pid": report.pid,
        "program": report.program,
        "started_on": time(report.started_ms),
        "connections": connections.collect::<Vec<_>>(),
        "attached": report.attached,
        "idle_exit_s": report.idle_exit_s,
    })
}

fn lines(report: &MuxReport) -> String {
    let mut text = format!(
        "Process      {}\nProgram      {}\nStarted      {}\nSessions     {} attached\n",
        report.pid,
        report.program,
        time(report.started_ms).unwrap_or_default(),
        report.attached,
    );
    for (computer, how) in &report.connections {
        text.push_str(&format!("Connection   {computer} ({how})\n"));
    }
    text.push_str(&format!(
        "Leaves       after {} s of holding nothing\n",
        report.idle_exit_s
    ));
    crate::output::clean(&text)
}
