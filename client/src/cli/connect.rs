//! `outlast connect`.

use outlast_protocol::control::to_mux::Connect;
use outlast_protocol::link::AttachMode;

use super::Client;
use super::args::ConnectArgs;
use super::error::Error;
use super::parallel::{each, throttle};
use super::request::{conclude, request};
use super::selection::select;
use super::target::surroundings;

/// Takes hold of sessions.
pub(super) async fn connect(client: &Client, args: ConnectArgs) -> Result<u8, Error> {
    let computer = args.computer_name.as_deref();
    let sessions = select(client, &args.sessions, computer, &args.ssh).await?;
    let mode = match (args.steal, args.read_only) {
        (true, _) => AttachMode::Steal,
        (false, true) => AttachMode::ReadOnly,
        (false, false) => AttachMode::Connect,
    };
    let replies = each(sessions, throttle(32), |session| {
        let client = client.clone();
        async move {
            let message = Connect {
                instance: session.instance,
                mode,
                surroundings: surroundings(),
            };
            let reply = request(&client, &session.computer_name, message).await;
            (session.computer_name, reply)
        }
    });
    conclude(client, replies.await, !client.output.is_quiet())
}
