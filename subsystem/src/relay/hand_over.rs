//! Passing the client to the session's host.

use std::time::Duration;

use outlast_protocol::handover::{HandOver, ToHost, ToRelay};
use outlast_protocol::link::refusal::{RefusalCode, Refused};
use outlast_protocol::link::to_client::ToClient;
use outlast_protocol::session::Life;
use outlast_rendezvous::failpoint;
use rustix::fs::{Mode, OFlags};

use super::client::{Client, ClientError};
use super::host_socket::HostSocket;
use crate::refuse::{Explain, refused};
use crate::registry::Entry;

/// A host answers at once; one that does not within this time hangs.
const PATIENCE: Duration = Duration::from_secs(5);
const ATTACH: u8 = 0x04;

/// Gives standard input and output to the host and waits until it has let go of them.
pub(super) fn hand_over(mut client: Client, entry: &Entry) -> Result<(), ClientError> {
    failpoint::reach("relay.hands-over");
    let socket = match offer(&client, entry) {
        Ok(socket) => socket,
        Err(refusal) => return client.send(&ToClient::Refused(refusal)),
    };
    failpoint::reach("relay.handed-over");
    // From here on only the host holds the channel open.
    release_standard_streams()?;
    socket.wait_end();
    Ok(())
}

fn offer(client: &Client, entry: &Entry) -> Result<HostSocket, Refused> {
    if !entry.is_alive() {
        return Err(gone(entry));
    }
    let hangs = |error: super::host_socket::HostError| {
        refused(ATTACH, RefusalCode::INTERNAL, error.to_string())
            .about(entry.instance().0)
            .hint("`outlast remove` ends a session whose host hangs")
    };
    let mut socket = HostSocket::connect(entry).map_err(hangs)?;
    let message = HandOver {
        connection: std::env::var("SSH_CONNECTION").unwrap_or_default(),
        extensions: Vec::new(),
    };
    let descriptors = [rustix::stdio::stdin(), rustix::stdio::stdout()];
    socket
        .send(&ToHost::HandOver(message), client.received(), &descriptors)
        .map_err(hangs)?;
    match socket.receive(PATIENCE).map_err(hangs)? {
        ToRelay::TakenOver(_) => Ok(socket),
        ToRelay::Refused(refusal) => Err(refusal),
        other => Err(refused(
            ATTACH,
            RefusalCode::INTERNAL,
            format!(
                "the session's host answered {} to a hand-over",
                other.name()
            ),
        )),
    }
}

/// Why a session without a host process cannot be attached.
fn gone(entry: &Entry) -> Refused {
    match entry.info_without_host().map(|info| info.life) {
        Ok(Life::Broken(reason)) => refused(ATTACH, RefusalCode::BROKEN, reason),
        Ok(_) => refused(ATTACH, RefusalCode::ENDED, "the session has ended"),
        Err(error) => refused(ATTACH, RefusalCode::STORAGE, error.to_string()),
    }
    .about(entry.instance().0)
    .hint("`outlast remove` clears it away; `outlast new` starts a fresh one")
}

fn release_standard_streams() -> Result<(), ClientError> {
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}
