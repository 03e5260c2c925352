//! A session as this client sees it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{InstanceId, InvocationId, SessionName};

/// State of a session, relative to the asking client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// It is being made.
    Opening,
    /// This client holds it.
    Opened,
    /// It is being left.
    Disconnecting,
    /// It lives, but this client does not hold it.
    Disconnected,
    /// This client is taking hold of it.
    Connecting,
    /// It is over.
    Closed,
    /// Its host process is gone, or it cannot be opened.
    Broken,
}

/// What can be done with a session now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Availability {
    /// It is idle.
    Available,
    /// It runs a command, or another client holds it.
    Busy,
    /// It has to be connected first, or is over.
    None,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Display for Availability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A session in this client's list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Number of this client for it.
    pub id: u32,
    /// Its name.
    pub name: SessionName,
    /// Where it is, as the user named that computer.
    pub computer_name: String,
    /// Its state for this client.
    pub state: State,
    /// What can be done with it.
    pub availability: Availability,
    /// The session configuration.
    pub configuration: String,
    /// Its name everywhere.
    pub instance: InstanceId,
    /// Its idle timeout in seconds; none is for ever.
    pub idle_timeout_s: Option<u32>,
    /// When it was made, in Unix milliseconds.
    pub created_ms: u64,
    /// Since when nobody holds it.
    pub disconnected_ms: Option<u64>,
    /// When its idle timeout ends it.
    pub expires_ms: Option<u64>,
    /// What it runs.
    pub running: Option<InvocationId>,
    /// Since when, in Unix milliseconds.
    pub running_since_ms: Option<u64>,
    /// What, in words; also what somebody left running on its terminal.
    pub activity: String,
    /// What a program there asks that waits for an answer.
    pub asks: Option<String>,
    /// How many invocations wait behind that.
    pub queued: u32,
    /// Why it is Closed or Broken, or who else holds it, in words.
    pub note: String,
    /// The SSH connections on the way, the nearest first; none where there is no SSH or no
    /// connection.
    pub route: Vec<Hop>,
    /// What it outlives, by the name of a class; empty where its computer does not say.
    pub durability: String,
}

/// One SSH connection: what was agreed on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// The name or address connected to.
    pub host: String,
    /// And the port.
    pub port: u16,
    /// The user logged in as.
    pub user: String,
    /// The server's identification.
    pub server: String,
    /// The key exchange.
    pub kex: String,
    /// The cipher.
    pub cipher: String,
    /// The message authentication; empty where it is part of the cipher.
    pub mac: String,
    /// The host key: its type and fingerprint.
    pub host_key: String,
    /// Whether the handshake was protected against dropped messages (strict key exchange).
    pub strict_kex: bool,
    /// The methods of authentication that were accepted.
    pub authentication: Vec<String>,
    /// The key that was accepted: its fingerprint and where it is; empty for none.
    pub key: String,
    /// In which way a recent `ssh` would have done better; empty for none.
    pub weaker: String,
}
