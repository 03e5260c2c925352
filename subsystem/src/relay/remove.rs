//! Removing: the host ends its shell and cleans up; where there is no host, the relay does.

use std::time::Duration;

use outlast_protocol::handover::{Terminate, ToHost, ToRelay};
use outlast_protocol::id::InstanceId;
use outlast_protocol::link::refusal::{RefusalCode, Refused};
use outlast_protocol::link::to_client::{Removed, ToClient};
use rustix::process::{Pid, Signal};

use super::host_socket::{HostError, HostSocket};
use super::unknown;
use crate::refuse::{Explain, refused};
use crate::registry::{Entry, ProcessId, Registry};

const REMOVE: u8 = 0x05;
/// More than the host gives the shell's processes to end.
const PATIENCE: Duration = Duration::from_secs(15);

/// Removes a session and says how it went.
pub(super) fn carry_out(registry: &Registry, instance: InstanceId) -> ToClient {
    let Ok(entry) = registry.entry(instance) else {
        return ToClient::Refused(unknown(&instance, REMOVE));
    };
    match end(entry) {
        Ok(()) => ToClient::Removed(Removed { instance }),
        Err(refusal) => ToClient::Refused(refusal),
    }
}

fn end(entry: Entry) -> Result<(), Refused> {
    if entry.is_alive() {
        match terminate(&entry) {
            Ok(()) => {}
            // It ended by itself meanwhile; what it left is cleared below.
            Err(_) if !entry.is_alive() => {}
            Err(error) => kill_host(&entry, &error)?,
        }
    }
    let subject = entry.instance().0;
    kill_orphans(&entry);
    entry
        .delete()
        .or_else(|error| {
            if error.is_absent() {
                Ok(())
            } else {
                Err(error)
            }
        })
        .map_err(|error| refused(REMOVE, RefusalCode::STORAGE, error.to_string()).about(subject))
}

fn terminate(entry: &Entry) -> Result<(), HostError> {
    let mut socket = HostSocket::connect(entry)?;
    socket.send(
        &ToHost::Terminate(Terminate {
            extensions: Vec::new(),
        }),
        &[],
        &[],
    )?;
    match socket.receive(PATIENCE)? {
        ToRelay::Terminated(_) => {
            socket.wait_end();
            Ok(())
        }
        other => Err(HostError::Unexpected(other.name().to_owned())),
    }
}

/// A host that does not answer is stopped from outside, if it is certain that it is the host.
fn kill_host(entry: &Entry, why: &HostError) -> Result<(), Refused> {
    let host = entry
        .meta()
        .ok()
        .and_then(|meta| meta.host)
        .filter(|host| host.is_running());
    let Some(host) = host else {
        return Err(refused(REMOVE, RefusalCode::INTERNAL, why.to_string())
            .about(entry.instance().0)
            .hint("look for an `outlast-subsystem host` process of this session and end it"));
    };
    kill(host);
    Ok(())
}

/// The shell of a host that was killed gets a hang-up from its terminal; what ignored it is
/// ended here.
fn kill_orphans(entry: &Entry) {
    let shell = entry.meta().ok().and_then(|meta| meta.shell);
    if let Some(shell) = shell.filter(|shell| shell.is_running()) {
        kill(shell);
    }
}

fn kill(process: ProcessId) {
    let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) else {
        return;
    };
    let Ok(descriptor) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())
    else {
        return;
    };
    // Checked again with the descriptor in hand: now the number cannot be recycled.
    if process.is_running() {
        let _ = rustix::process::pidfd_send_signal(&descriptor, Signal::KILL);
        let fd = rustix::fd::AsFd::as_fd(&descriptor);
        let mut exited = [rustix::event::PollFd::new(
            &fd,
            rustix::event::PollFlags::IN,
        )];
        let _ = rustix::event::poll(&mut exited, None);
    }
}
