//! Removing: the host ends its shell and cleans up; where there is no host, the relay does.

use std::time::Duration;

use outlast_protocol::handover::{Terminate, ToHost, ToRelay};
use outlast_protocol::hello::Extension;
use outlast_protocol::id::InstanceId;
use outlast_protocol::link::refusal::{RefusalCode, Refused};
use outlast_protocol::link::to_client::{Changed, Removed, ToClient};
use outlast_protocol::session::ENDED_PROCESSES;
use rustix::process::Signal;

use super::broken;
use super::host_socket::{HostError, HostSocket};
use super::unknown;
use crate::audit::{Login, Settings, Trail};
use crate::refuse::{Explain, refused};
use crate::registry::{Entry, HostState, ProcessId, Registry, ends_within};
use crate::remains;

const REMOVE: u8 = 0x05;
/// More than the host gives the shell's processes to end.
const PATIENCE: Duration = Duration::from_secs(15);

/// Removes a session; what there is to say about it.
pub(super) fn carry_out(
    registry: &Registry,
    instance: InstanceId,
    audit: &Settings,
) -> Vec<ToClient> {
    let Ok(entry) = registry.entry(instance) else {
        return vec![ToClient::Refused(unknown(&instance, REMOVE))];
    };
    match end(entry, audit) {
        Ok(news) => {
            let news = news.into_iter().map(ToClient::Changed);
            news.chain([ToClient::Removed(Removed { instance })])
                .collect()
        }
        Err(refusal) => vec![ToClient::Refused(refusal)],
    }
}

/// Ends the session; says what was still running of one that was dead.
fn end(entry: Entry, audit: &Settings) -> Result<Option<Changed>, Refused> {
    let died = match entry.host() {
        HostState::Lives => match terminate(&entry) {
            Ok(()) => false,
            // It ended by itself meanwhile; what it left is cleared below.
            Err(_) if entry.host() != HostState::Lives => true,
            Err(error) => {
                kill_host(&entry, &error)?;
                true
            }
        },
        HostState::Reads => {
            // It reads for others, and holds nothing that could not be removed under it.
            let _ = terminate(&entry);
            true
        }
        HostState::Gone => true,
    };
    if died {
        broken::note(&entry, audit);
    }
    let news = if died { clear_up(&entry)? } else { None };
    let subject = entry.instance().0;
    // A host that lived has said so itself.
    let told = died.then(|| broken::removal(&entry));
    entry
        .delete()
        .or_else(|error| {
            if error.is_absent() {
                Ok(())
            } else {
                Err(error)
            }
        })
        .map_err(|error| refused(REMOVE, RefusalCode::STORAGE, error.to_string()).about(subject))?;
    if let Some(line) = told {
        Trail::new(audit.clone()).send(&line);
    }
    Ok(news)
}

/// Ends the processes that a dead host's shell left running.
fn clear_up(entry: &Entry) -> Result<Option<Changed>, Refused> {
    let info = remains::info(entry);
    let ended = remains::end(|| remains::orphans(entry));
    if !ended.left.is_empty() {
        let message = format!("still running: {}", remains::named(&ended.left));
        return Err(refused(REMOVE, RefusalCode::INTERNAL, message)
            .about(entry.instance().0)
            .hint("SIGKILL did not end them: try again when what they wait for is there"));
    }
    let Some(mut info) = info.filter(|_| !ended.found.is_empty()) else {
        return Ok(None);
    };
    info.extensions.push(Extension {
        name: ENDED_PROCESSES.to_owned(),
        value: remains::named(&ended.found).into_bytes(),
    });
    Ok(Some(Changed { info }))
}

fn terminate(entry: &Entry) -> Result<(), HostError> {
    let mut socket = HostSocket::connect(entry)?;
    socket.send(
        &ToHost::Terminate(Terminate {
            extensions: Login::here().extensions(),
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

fn kill(process: ProcessId) {
    if let Some(descriptor) = process.open() {
        let _ = rustix::process::pidfd_send_signal(&descriptor, Signal::KILL);
        let _ = ends_within(&descriptor, PATIENCE);
    }
}
