//! `outlast disconnect`.

use outlast_protocol::control::to_mux::Disconnect;

use super::Client;
use super::args::{DisconnectArgs, SshArgs};
use super::error::Error;
use super::parallel::{each, throttle};
use super::request::{conclude, request};
use super::selection::select;
use super::target::surroundings;

/// Leaves sessions running.
pub(super) async fn disconnect(client: &Client, args: DisconnectArgs) -> Result<u8, Error> {
    let sessions = select(client, &args.sessions, None, &SshArgs::default()).await?;
    let replies = each(sessions, throttle(32), |session| {
        let client = client.clone();
        async move {
            let message = Disconnect {
                instance: session.instance,
                idle_timeout: args.idle_timeout,
                surroundings: surroundings(),
            };
            let reply = request(&client, &session.computer_name, message).await;
            (session.computer_name, reply)
        }
    });
    conclude(client, replies.await, !client.output.is_quiet())
}
