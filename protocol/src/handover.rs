//! What a relay says to a host over the host's socket. Frozen: a newer relay must be able to
//! talk to every older host, and so must every later one.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::hello::Extension;
use crate::link::refusal::Refused;
use crate::message::messages;
use crate::session::SessionInfo;

/// Extension of [`HandOver`] and [`Terminate`], for the audit: `SSH_CONNECTION`.
pub const LOGIN_FROM: &str = "login.from";
/// Likewise: the methods by which the login has authenticated, with commas between.
pub const LOGIN_AUTH: &str = "login.auth";
/// Likewise: the fingerprints of its keys.
pub const LOGIN_KEY: &str = "login.key";
/// Likewise: serial number, colon and ID of its certificates.
pub const LOGIN_CERTIFICATE: &str = "login.certificate";

messages! {
    /// Relay to host.
    ToHost {
        0x41 HandOver bulk,
        0x42 Inquire,
        0x43 Terminate,
    }
}

messages! {
    /// Host to relay.
    ToRelay {
        0xc1 TakenOver,
        0xc2 Status,
        0xc3 Terminated,
        0xc4 Refused,
    }
}

/// Passes a client on: its two descriptors come with the first byte of this frame (SCM_RIGHTS:
/// what the client sends, then what it receives); the body is the bytes read from it so far
/// (its Hello and one request, perhaps more).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandOver {
    /// `SSH_CONNECTION` as sshd set it; empty for a local client.
    pub connection: String,
    /// Further facts, by name.
    pub extensions: Vec<Extension>,
}

/// Asks for the session as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inquire {
    /// Further wishes, by name.
    pub extensions: Vec<Extension>,
}

/// Ends the session. Answered when the shell and its processes are gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminate {
    /// Further wishes, by name.
    pub extensions: Vec<Extension>,
}

/// The host has the descriptors; it closes this socket when it lets go of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenOver;

/// The session as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// What there is to know.
    pub info: SessionInfo,
}

/// The session is over and its files are gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminated;
