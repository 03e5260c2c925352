//! The way from an invocation to its client's SSH agent.
//!
//! An invocation that was submitted with it gets a socket of its own ([`place`]). Each connection
//! to it is carried by a task ([`relay`]) between the program and the queues of a pure machine
//! ([`connections`]), from which the conversation with that client fetches and to which it brings.

mod connection;
mod connections;
mod place;
mod relay;

use std::io;
use std::rc::Rc;

use outlast_protocol::id::ClientId;
use tokio::net::UnixListener;
use tokio::task::AbortHandle;

pub(super) use self::connections::{Connections, Said};
use self::place::Place;
use super::session::Session;

/// Where programs look for their agent.
pub(super) const VARIABLE: &[u8] = b"SSH_AUTH_SOCK";

/// The socket of one invocation. With it go its connections.
pub(super) struct AgentSocket {
    place: Place,
    listening: AbortHandle,
}

impl AgentSocket {
    /// Listens for the programs of an invocation that `client` submitted. `name` is the socket's;
    /// one that is used again is found again by what still has its address.
    pub(super) fn start(
        session: &Rc<Session>,
        runspace: &std::path::Path,
        name: &str,
        client: ClientId,
    ) -> io::Result<Self> {
        let instance = session.core().meta.instance;
        let place = Place::choose(runspace, instance, name)?;
        let listener = place.listen()?;
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener)?;
        let task = tokio::task::spawn_local(relay::serve(session.clone(), listener, client));
        Ok(Self {
            place,
            listening: task.abort_handle(),
        })
    }

    /// What the variable says.
    pub(super) fn address(&self) -> &[u8] {
        self.place.address()
    }
}

impl Drop for AgentSocket {
    fn drop(&mut self) {
        self.place.clear();
        self.listening.abort();
    }
}
