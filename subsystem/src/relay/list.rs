//! Listing: the hosts are asked at the same time, and those that hang delay the list for as long
//! as one of them.

use std::time::{Duration, Instant};

use outlast_protocol::handover::{Inquire, ToHost, ToRelay};
use outlast_protocol::id::InstanceId;
use outlast_protocol::link::to_client::{Listed, ToClient};
use outlast_protocol::session::{Life, SessionInfo};

use super::broken;
use super::client::{Client, ClientError};
use super::host_socket::{HostError, HostSocket};
use crate::audit::Settings;
use crate::registry::{Entry, HostState, MetaLife, Registry};
use crate::remains;

/// How long the hosts asked at the same time have to answer, together.
const PATIENCE: Duration = Duration::from_secs(1);
/// The least wait for a host whose answer may be there already: zero would mean for ever.
const A_MOMENT: Duration = Duration::from_millis(1);
/// Sessions in one frame: far below the frame limit whatever their names.
const PER_FRAME: usize = 200;
/// Hosts asked at the same time: each costs two descriptors, of which there may be few.
const AT_ONCE: usize = 128;

/// Answers a list request.
pub(super) fn answer(
    client: &mut Client,
    registry: &Registry,
    audit: &Settings,
) -> Result<(), ClientError> {
    let instances = registry.instances().unwrap_or_default();
    let together = instances.chunks(AT_ONCE);
    let mut sessions: Vec<_> = together
        .flat_map(|instances| inquire(registry, instances, audit))
        .collect();
    sessions.sort_by_key(|info| (info.created_ms, info.instance));
    let mut rest = sessions.as_slice();
    loop {
        let (now, later) = rest.split_at(rest.len().min(PER_FRAME));
        let more = !later.is_empty();
        client.send(&ToClient::Listed(Listed {
            sessions: now.to_vec(),
            more,
        }))?;
        if !more {
            return Ok(());
        }
        rest = later;
    }
}

/// The sessions as their hosts describe them, or as their directories do where a host is gone.
fn inquire(registry: &Registry, instances: &[InstanceId], audit: &Settings) -> Vec<SessionInfo> {
    let started = Instant::now();
    let mut sessions = Vec::with_capacity(instances.len());
    let mut asked = Vec::with_capacity(instances.len());
    for &instance in instances {
        // A session that ends while we look is not an error of the list.
        let Ok(entry) = registry.entry(instance) else {
            continue;
        };
        // What reads out a dead session's log knows no more of it than its directory does.
        if entry.host() != HostState::Lives {
            broken::note(&entry, audit);
            sessions.extend(remains::info(&entry));
            continue;
        }
        match ask(&entry, left(started)) {
            Ok(socket) => asked.push((entry, socket)),
            Err(error) => sessions.extend(unanswered(&entry, &error, started)),
        }
    }
    for (entry, mut socket) in asked {
        sessions.extend(match answer_of(&mut socket, left(started)) {
            Ok(info) => Some(info),
            Err(error) => unanswered(&entry, &error, started),
        });
    }
    sessions
}

fn left(started: Instant) -> Duration {
    PATIENCE.saturating_sub(started.elapsed()).max(A_MOMENT)
}

fn ask(entry: &Entry, patience: Duration) -> Result<HostSocket, HostError> {
    let mut socket = HostSocket::connect_within(entry, patience)?;
    let inquire = Inquire {
        extensions: Vec::new(),
    };
    socket.send(&ToHost::Inquire(inquire), &[], &[])?;
    Ok(socket)
}

fn answer_of(socket: &mut HostSocket, patience: Duration) -> Result<SessionInfo, HostError> {
    match socket.receive(patience)? {
        ToRelay::Status(status) => Ok(status.info),
        other => Err(HostError::Unexpected(other.name().to_owned())),
    }
}

fn unanswered(entry: &Entry, error: &HostError, started: Instant) -> Option<SessionInfo> {
    if entry.host() != HostState::Lives {
        // It ended between the two questions.
        return remains::info(entry);
    }
    let Ok(meta) = entry.meta() else {
        return remains::info(entry);
    };
    if meta.life == MetaLife::Opening {
        // It listens as soon as its shell is there.
        return Some(meta.info(Life::Live));
    }
    let waited = started.elapsed().as_secs_f32();
    Some(meta.info(Life::Broken(format!("{error} (asked for {waited:.1} s)"))))
}
