//! The tasks between programs and the queues of their connections.

use std::io;
use std::rc::Rc;

use bytes::Bytes;
use outlast_protocol::id::ClientId;
use outlast_rendezvous::peer::check_peer;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::connection::Answer;
use crate::host::session::Session;

/// Read from a program at once. What they ask is short.
const PIECE: usize = 16 * 1024;

/// Accepts programs for as long as it is not aborted, and with it end their connections.
pub(super) async fn serve(session: Rc<Session>, listener: UnixListener, client: ClientId) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Closed at once where nobody is there to be asked.
                    if let Some((open, stream)) = admit(&session, stream, client) {
                        connections.spawn_local(carry(open, stream));
                    }
                }
                Err(error) => {
                    // Out of descriptors: one that ends makes room, and tells us nothing of it.
                    crate::host::complain(&format!("cannot accept an agent's user: {error}"));
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            },
            _ended = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

/// Makes a connection, if the client that the agent belongs to has the session now.
fn admit(
    session: &Rc<Session>,
    stream: UnixStream,
    client: ClientId,
) -> Option<(Open, UnixStream)> {
    let stream = stream.into_std().ok()?;
    if let Err(error) = check_peer(&stream) {
        crate::host::complain(&format!("no agent for a stranger: {error}"));
        return None;
    }
    let stream = UnixStream::from_std(stream).ok()?;
    let bell = Rc::new(Notify::new());
    let mut core = session.core();
    let lease = core.holding.writes_as(client)?;
    let id = core.agents.open(lease, bell.clone())?;
    drop(core);
    let session = session.clone();
    Some((Open { session, id, bell }, stream))
}

/// A connection for as long as its program is there.
struct Open {
    session: Rc<Session>,
    id: u32,
    bell: Rc<Notify>,
}

impl Open {
    /// What comes next for the program, and whether it may say more.
    fn look(&self) -> (Answer, bool) {
        let agents = &self.session.core().agents;
        (agents.answer(self.id), agents.has_room(self.id))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.session.core().agents.leave(self.id);
        self.session.changed();
    }
}

async fn carry(open: Open, stream: UnixStream) {
    // However it ends, the agent's other users are not concerned.
    let _ = carry_all(&open, &stream).await;
}

async fn carry_all(open: &Open, stream: &UnixStream) -> io::Result<()> {
    let mut scratch = vec![0; PIECE];
    loop {
        let (answer, room) = open.look();
        let answer = match answer {
            Answer::Bytes(bytes) => bytes,
            Answer::Later => Bytes::new(),
            Answer::End => return Ok(()),
        };
        tokio::select! {
            ready = stream.readable(), if room => {
                ready?;
                match stream.try_read(&mut scratch) {
                    Ok(0) => return Ok(()),
                    Ok(count) => {
                        let said = scratch.get(..count).unwrap_or_default();
                        let said = Bytes::copy_from_slice(said);
                        open.session.core().agents.ask(open.id, said);
                        open.session.changed();
                    }
                    Err(error) => would_block(error)?,
                }
            }
            ready = stream.writable(), if !answer.is_empty() => {
                ready?;
                match stream.try_write(&answer) {
                    Ok(count) => open.session.core().agents.take(open.id, count),
                    Err(error) => would_block(error)?,
                }
            }
            () = open.bell.notified() => {}
        }
    }
}

fn would_block(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::WouldBlock => Ok(()),
        _ => Err(error),
    }
}
