//! Passing the client to the session's host, or to whoever reads out what a dead one left.

use std::time::Duration;

use outlast_protocol::handover::{HandOver, ToHost, ToRelay};
use outlast_protocol::link::refusal::{RefusalCode, Refused};
use outlast_protocol::link::to_client::ToClient;
use outlast_rendezvous::failpoint;
use rustix::fs::{Mode, OFlags};

use super::broken;
use super::client::{Client, ClientError};
use super::host_socket::{HostError, HostSocket};
use super::recovery;
use crate::audit::{Login, Settings};
use crate::refuse::{Explain, refused};
use crate::registry::{Entry, HostState, MetaError, ProcessId, ends_within};

/// A host answers at once; one that does not within this time hangs.
const PATIENCE: Duration = Duration::from_secs(5);
/// Time that a process needs to end.
const ENDING: Duration = Duration::from_secs(1);
const ATTACH: u8 = 0x04;
/// Enough for a host that dies under us, and for readers that leave as we come.
const TRIES: u32 = 16;

/// Gives standard input and output to the host and waits until it has let go of them.
pub(super) fn hand_over(
    mut client: Client,
    entry: &Entry,
    audit: &Settings,
) -> Result<(), ClientError> {
    failpoint::reach("relay.hands-over");
    let socket = match offer(&client, entry, audit) {
        Ok(socket) => socket,
        Err(refusal) => return client.send(&ToClient::Refused(refusal)),
    };
    failpoint::reach("relay.handed-over");
    // From here on only the host holds the channel open.
    release_standard_streams()?;
    socket.wait_end();
    Ok(())
}

fn offer(client: &Client, entry: &Entry, audit: &Settings) -> Result<HostSocket, Refused> {
    let mut tries = TRIES;
    loop {
        let lives = entry.host() == HostState::Lives;
        if !lives && is_removed(entry) {
            let text = "the session has ended";
            return Err(refused(ATTACH, RefusalCode::ENDED, text)
                .about(entry.instance().0)
                .hint("`outlast new` starts a fresh one"));
        }
        let reached = if lives {
            HostSocket::connect(entry)
        } else {
            broken::note(entry, audit);
            recovery::connect(entry, audit)
        };
        tries -= 1;
        return match reached.and_then(|socket| pass(client, socket)) {
            Ok(socket) => Ok(socket),
            // Nobody has taken the client over: whoever is there next gets all of it.
            Err(error) if tries > 0 && error.is_farewell() && may_change(entry, lives) => continue,
            // Removed while we were on our way.
            Err(_) if tries > 0 && is_removed(entry) => continue,
            Err(HostError::Refused(refusal)) => Err(refusal.about(entry.instance().0)),
            Err(error) => Err(refused(ATTACH, RefusalCode::INTERNAL, error.to_string())
                .about(entry.instance().0)
                .hint("`outlast remove` ends a session whose host hangs")),
        };
    }
}

/// Whether another try may find somebody else: who reads a dead session out comes and goes, a
/// host that lives stays.
fn may_change(entry: &Entry, lived: bool) -> bool {
    !lived || entry.host() != HostState::Lives || is_ending(entry)
}

/// Whether a host that broke off is about to be gone: of what it has open, its lock goes last.
fn is_ending(entry: &Entry) -> bool {
    let host = entry.meta().ok().and_then(|meta| meta.host);
    let process = host.and_then(ProcessId::open);
    process.is_none_or(|process| ends_within(&process, ENDING))
}

fn is_removed(entry: &Entry) -> bool {
    matches!(entry.meta(), Err(MetaError::Directory(error)) if error.is_absent())
}

fn pass(client: &Client, mut socket: HostSocket) -> Result<HostSocket, HostError> {
    failpoint::reach("relay.connected");
    let message = HandOver {
        connection: std::env::var("SSH_CONNECTION").unwrap_or_default(),
        extensions: Login::here().extensions(),
    };
    let descriptors = [rustix::stdio::stdin(), rustix::stdio::stdout()];
    socket.send(&ToHost::HandOver(message), client.received(), &descriptors)?;
    match socket.receive(PATIENCE)? {
        ToRelay::TakenOver(_) => Ok(socket),
        ToRelay::Refused(refusal) => Err(HostError::Refused(refusal)),
        other => Err(HostError::Unexpected(format!(
            "{} to a hand-over",
            other.name()
        ))),
    }
}

fn release_standard_streams() -> Result<(), ClientError> {
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}
