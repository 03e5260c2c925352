//! `outlast remove`.

use outlast_protocol::control::to_mux::Remove;

use super::Client;
use super::args::RemoveArgs;
use super::error::Error;
use super::parallel::{each, throttle};
use super::request::{conclude, request};
use super::selection::select;
use super::target::surroundings;

/// Ends sessions with everything they run.
pub(super) async fn remove(client: &Client, args: RemoveArgs) -> Result<u8, Error> {
    let computer = args.computer_name.as_deref();
    let sessions = select(client, &args.sessions, computer, &args.ssh).await?;
    let replies = each(sessions, throttle(32), |session| {
        let client = client.clone();
        async move {
            let message = Remove {
                instance: session.instance,
                surroundings: surroundings(),
            };
            let reply = request(&client, &session.computer_name, message).await;
            (session.computer_name, reply)
        }
    });
    // What is gone needs no table.
    conclude(client, replies.await, false)
}
