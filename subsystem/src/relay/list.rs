//! Listing: every host is asked at the same time, and one that hangs delays nobody for long.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use outlast_protocol::handover::{Inquire, ToHost, ToRelay};
use outlast_protocol::id::InstanceId;
use outlast_protocol::link::to_client::{Listed, ToClient};
use outlast_protocol::session::{Life, SessionInfo};

use super::client::{Client, ClientError};
use super::host_socket::{HostError, HostSocket};
use crate::registry::{Entry, Registry};

const PATIENCE: Duration = Duration::from_secs(1);
/// Sessions in one frame: far below the frame limit whatever their names.
const PER_FRAME: usize = 200;
/// Hosts asked at the same time: each costs a thread's stack.
const WORKERS: usize = 16;

/// Answers a list request.
pub(super) fn answer(client: &mut Client, registry: &Registry) -> Result<(), ClientError> {
    let instances = registry.instances().unwrap_or_default();
    let mut sessions = inquire_all(registry, &instances);
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

fn inquire_all(registry: &Registry, instances: &[InstanceId]) -> Vec<SessionInfo> {
    // A session that ends while we look is not an error of the list.
    let ask = |instance: &InstanceId| inquire(&registry.entry(*instance).ok()?);
    if instances.len() <= 1 {
        return instances.iter().filter_map(ask).collect();
    }
    let queue = std::sync::Mutex::new(instances.iter());
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..WORKERS.min(instances.len()) {
            let sender = sender.clone();
            let queue = &queue;
            scope.spawn(move || {
                loop {
                    let next = queue.lock().ok().and_then(|mut queue| queue.next());
                    let Some(instance) = next else { break };
                    if let Some(info) = ask(instance) {
                        let _ = sender.send(info);
                    }
                }
            });
        }
        drop(sender);
        receiver.iter().collect()
    })
}

/// The session as its host describes it, or as its directory does where the host is gone.
fn inquire(entry: &Entry) -> Option<SessionInfo> {
    if !entry.is_alive() {
        return entry.info_without_host().ok();
    }
    let started = Instant::now();
    match ask(entry) {
        Ok(info) => Some(info),
        // It may have ended between the two questions.
        Err(_) if !entry.is_alive() => entry.info_without_host().ok(),
        Err(error) => {
            let meta = entry.meta().ok()?;
            let waited = started.elapsed().as_secs_f32();
            Some(meta.info(Life::Broken(format!("{error} (asked for {waited:.1} s)"))))
        }
    }
}

fn ask(entry: &Entry) -> Result<SessionInfo, HostError> {
    let mut socket = HostSocket::connect(entry)?;
    socket.send(
        &ToHost::Inquire(Inquire {
            extensions: Vec::new(),
        }),
        &[],
        &[],
    )?;
    match socket.receive(PATIENCE)? {
        ToRelay::Status(status) => Ok(status.info),
        other => Err(HostError::Unexpected(other.name().to_owned())),
    }
}
