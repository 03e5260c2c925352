//! `outlast receive`.

use outlast_protocol::control::to_mux::Receive;

use super::Client;
use super::args::{Form, ReceiveArgs};
use super::ask::Ask;
use super::conversation::Conversation;
use super::error::Error;
use super::exit::{self, Ending};
use super::selection::select;
use super::target::surroundings;
use crate::output::{json, sink::Sink};

/// Prints what a session has put out.
pub(super) async fn receive(client: &Client, args: ReceiveArgs) -> Result<u8, Error> {
    let computer = args.computer_name.as_deref();
    let selectors = [args.session.clone()];
    let mut sessions = select(client, &selectors, computer, &args.ssh).await?;
    let session = match (sessions.pop(), sessions.len()) {
        (Some(session), 0) => session,
        (_, others) => {
            return Err(Error::Ambiguous {
                selector: args.session,
                count: others.saturating_add(1),
            });
        }
    };
    let message = Receive {
        instance: session.instance,
        from: args.from,
        follow: args.follow,
        reconnect_for_ms: args.reconnect_for.milliseconds().unwrap_or(u64::MAX),
        surroundings: surroundings(),
    };
    let sink = match client.form {
        Form::Table => Sink::Raw,
        Form::Json => Sink::Collect(Box::default()),
        Form::Ndjson => Sink::Events,
    };
    let ask = Ask::Receive(message, args.read_only);
    let mut conversation = Conversation::new(client, session, ask, sink, args.reconnect_for);
    let told = conversation.run().await;
    let Conversation {
        session,
        sink,
        outcome,
        ..
    } = conversation;
    if client.form == Form::Json {
        let failure = told.as_ref().err().map(|error| json::failure(error.kind()));
        let result = sink.into_result(&session, failure);
        client.output.result(&json::document(&[result]))?;
    }
    told?;
    Ok(exit::code(&[Ending::Done(outcome.filter(|_| args.follow))]))
}
