//! The caller's SSH agent, lent to the programs of a held session: connections that the host opens
//! end at the agent's socket here, while somebody lends it and the link is there.

use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use outlast_protocol::limits::{MAX_AGENT_CONNECTIONS, MAX_CHUNK};
use outlast_protocol::link::to_host::{AgentData, AgentEnd};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::Held;

/// Pieces that may wait for the agent. A program that says more before it is answered speaks no
/// agent protocol.
const WAITING: usize = 64;

/// Who lends which agent, and the connections to it.
#[derive(Default)]
pub(super) struct Agent {
    /// Sockets by whoever lends them; the last counts.
    lent: Vec<(u64, String)>,
    last: u64,
    connections: BTreeMap<u32, (u64, Sender<Bytes>)>,
}

impl Agent {
    /// The link is gone, and the connections with it.
    pub(super) fn hang_up(&mut self) {
        self.connections.clear();
    }

    /// The program has closed its connection.
    pub(super) fn end(&mut self, connection: u32) {
        self.connections.remove(&connection);
    }

    fn ends(&mut self, connection: u32, number: u64) -> bool {
        let same = self.connections.get(&connection).map(|(same, _)| *same) == Some(number);
        if same {
            self.connections.remove(&connection);
        }
        same
    }
}

/// An agent is lent for as long as this lives.
pub(in crate::mux) struct Lending {
    held: Rc<Held>,
    number: u64,
}

impl Drop for Lending {
    fn drop(&mut self) {
        let mut inner = self.held.inner.borrow_mut();
        let agent = &mut inner.agent;
        agent.lent.retain(|(number, _)| *number != self.number);
        if agent.lent.is_empty() {
            agent.connections.clear();
        }
    }
}

impl Held {
    /// Lends the agent behind that socket to the session.
    pub(in crate::mux) fn lend(self: &Rc<Self>, socket: String) -> Lending {
        let mut inner = self.inner.borrow_mut();
        let agent = &mut inner.agent;
        agent.last = agent.last.saturating_add(1);
        let number = agent.last;
        agent.lent.push((number, socket));
        drop(inner);
        Lending {
            held: self.clone(),
            number,
        }
    }

    /// A program says something to the agent. Where nobody lends one, the host is told.
    pub(super) fn agent_data(self: &Rc<Self>, connection: u32, bytes: Bytes) {
        let mut inner = self.inner.borrow_mut();
        let agent = &mut inner.agent;
        let known = agent.connections.get(&connection);
        let taken = match known {
            Some((_, sender)) => sender.try_send(bytes).is_ok(),
            None => match agent.lent.last() {
                Some((_, socket)) if agent.connections.len() < MAX_AGENT_CONNECTIONS => {
                    let socket = socket.clone();
                    let (sender, receiver) = channel(WAITING);
                    let taken = sender.try_send(bytes).is_ok();
                    agent.last = agent.last.saturating_add(1);
                    let number = agent.last;
                    agent.connections.insert(connection, (number, sender));
                    let held = self.clone();
                    tokio::task::spawn_local(async move {
                        held.converse_with_agent(connection, &socket, receiver)
                            .await;
                        held.agent_ended(connection, number);
                    });
                    taken
                }
                _ => false,
            },
        };
        if !taken {
            agent.connections.remove(&connection);
            let end = AgentEnd { connection };
            inner.attachment.say(end.into(), Bytes::new());
        }
    }

    /// Carries one connection to its end.
    async fn converse_with_agent(&self, connection: u32, socket: &str, mut said: Receiver<Bytes>) {
        let Ok(stream) = UnixStream::connect(socket).await else {
            return;
        };
        let (mut read, mut write) = stream.into_split();
        let mut buffer = vec![0; MAX_CHUNK];
        loop {
            tokio::select! {
                said = said.recv() => match said {
                    Some(bytes) => if write.write_all(&bytes).await.is_err() {
                        return;
                    },
                    None => return,
                },
                count = read.read(&mut buffer) => match count {
                    Ok(0) | Err(_) => return,
                    Ok(count) => {
                        let bytes = buffer.get(..count).unwrap_or_default();
                        let bytes = Bytes::copy_from_slice(bytes);
                        let data = AgentData { connection };
                        self.inner.borrow_mut().attachment.say(data.into(), bytes);
                        self.wake.notify_one();
                    }
                },
            }
        }
    }

    fn agent_ended(&self, connection: u32, number: u64) {
        let mut inner = self.inner.borrow_mut();
        // On another link the same number is another connection.
        if inner.agent.ends(connection, number) {
            let end = AgentEnd { connection };
            inner.attachment.say(end.into(), Bytes::new());
            drop(inner);
            self.wake.notify_one();
        }
    }
}
