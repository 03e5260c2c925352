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

#[cfg(test)]
mod tests {
    use outlast_protocol::link::AttachMode;
    use outlast_protocol::link::to_host::ToHost;
    use tokio::net::UnixListener;
    use tokio::task::LocalSet;

    use super::super::tests::held;
    use super::*;

    /// What the link is given to say next.
    async fn said(held: &Held) -> (ToHost, Bytes) {
        loop {
            if let Some(message) = held.poll_message() {
                return message;
            }
            held.wake.notified().await;
        }
    }

    fn ends(message: &ToHost, connection: u32) -> bool {
        matches!(message, ToHost::AgentEnd(end) if end.connection == connection)
    }

    fn agent() -> (tempfile::TempDir, UnixListener, String) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("agent");
        let listener = UnixListener::bind(&path).unwrap();
        (directory, listener, path.to_str().unwrap().to_owned())
    }

    #[tokio::test]
    async fn what_is_said_reaches_the_agent_and_its_answer_comes_back() {
        let here = async {
            let (_directory, listener, path) = agent();
            let held = held(AttachMode::Connect);
            let lending = held.lend(path);
            held.agent_data(7, Bytes::from_static(b"ask"));
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 3];
            stream.read_exact(&mut asked).await.unwrap();
            assert_eq!(&asked, b"ask");
            stream.write_all(b"answer").await.unwrap();
            let (message, body) = said(&held).await;
            assert!(matches!(message, ToHost::AgentData(data) if data.connection == 7));
            assert_eq!(&body[..], b"answer");
            // The agent hangs up: the host is told.
            drop(stream);
            assert!(ends(&said(&held).await.0, 7));
            // Another connection, and nobody lends the agent any more: it is gone at once.
            held.agent_data(8, Bytes::from_static(b"ask"));
            let (mut stream, _) = listener.accept().await.unwrap();
            drop(lending);
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.unwrap();
            held.agent_data(9, Bytes::from_static(b"ask"));
            assert!(ends(&said(&held).await.0, 9), "not even a new one");
        };
        LocalSet::new().run_until(here).await;
    }

    #[tokio::test]
    async fn no_agent_is_reached_that_nobody_lends() {
        let here = async {
            let (_directory, listener, path) = agent();
            let held = held(AttachMode::Connect);
            held.agent_data(1, Bytes::from_static(b"steal"));
            assert!(ends(&said(&held).await.0, 1));
            let _lending = held.lend(path);
            held.agent_data(2, Bytes::from_static(b"ask"));
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 3];
            stream.read_exact(&mut asked).await.unwrap();
            assert_eq!(&asked, b"ask", "the first that ever came");
            // A lost link ends every connection.
            held.link_down("gone".to_owned());
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.unwrap();
            assert!(rest.is_empty());
        };
        LocalSet::new().run_until(here).await;
    }

    #[tokio::test]
    async fn a_host_gets_so_many_connections_and_no_more() {
        let here = async {
            let (_directory, _listener, path) = agent();
            let held = held(AttachMode::Connect);
            let _lending = held.lend(path);
            let most = u32::try_from(MAX_AGENT_CONNECTIONS).unwrap();
            for connection in 0..=most {
                held.agent_data(connection, Bytes::from_static(b"x"));
            }
            assert_eq!(
                held.inner.borrow().agent.connections.len(),
                MAX_AGENT_CONNECTIONS
            );
            assert!(ends(&said(&held).await.0, most));
        };
        LocalSet::new().run_until(here).await;
    }
}
