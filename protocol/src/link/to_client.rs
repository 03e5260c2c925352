//! What the remote end says to a client.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

pub use super::refusal::Refused;
pub use super::to_host::{AgentData, AgentEnd, Ping, Pong};
use crate::finding::Finding;
use crate::hello::Hello;
use crate::id::{InstanceId, InvocationId, Lease, ReaderId, Seq};
use crate::message::messages;
use crate::record::RecordKind;
use crate::session::{End, Holder, SessionInfo};

messages! {
    /// Remote end to client.
    ToClient {
        0x81 Hello,
        0x82 Listed,
        0x83 Attached,
        0x84 Removed,
        0x85 Refused,
        0x86 Examined,
        0x90 Submitted,
        0x91 StdinTaken,
        0x92 Record bulk,
        0x93 CaughtUp,
        0x94 Changed,
        0x95 Stolen,
        0x96 Detached,
        0x97 Ended,
        0x98 Question,
        0x99 QuestionOver,
        0x9a AgentData bulk,
        0x9b AgentEnd,
        0x9c Modes bulk,
        0x9e Ping,
        0x9f Pong,
    }
}

/// Sessions of the user. Several frames when there are many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Some of them.
    pub sessions: Vec<SessionInfo>,
    /// Whether another frame follows.
    pub more: bool,
}

/// The session is attached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// The host's own greeting: it can be older than the relay that spoke first.
    pub hello: Hello,
    /// Fencing number of this attachment.
    pub lease: Lease,
    /// The session as it is now.
    pub info: SessionInfo,
}

/// The session is gone with everything it ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Which.
    pub instance: InstanceId,
}

/// What the relay found where it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Examined {
    /// One for each thing it looked at.
    pub findings: Vec<Finding>,
}

/// The command is accepted: it will run once. Also the answer to a resend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submitted {
    /// Which.
    pub invocation: InvocationId,
    /// Invocations that run or wait before it.
    pub ahead: u32,
    /// Bytes of its standard input already taken over.
    pub stdin_offset: u64,
    /// No record of it has a number below this one.
    pub from: Seq,
}

/// The command took standard input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StdinTaken {
    /// Which invocation.
    pub invocation: InvocationId,
    /// Everything below this offset was written to the command.
    pub offset: u64,
    /// The command closed its standard input or is over: send no more.
    pub closed: bool,
}

/// One record. Output bytes are the body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// For which reader.
    pub reader: ReaderId,
    /// Its number.
    pub seq: Seq,
    /// When it was made, in Unix milliseconds.
    pub time_ms: u64,
    /// Which invocation it belongs to.
    pub invocation: Option<InvocationId>,
    /// What it says.
    pub kind: RecordKind,
}

/// The reader has been sent everything there is; sent again each time that becomes true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaughtUp {
    /// Which reader.
    pub reader: ReaderId,
    /// Number the next record will get.
    pub next: Seq,
    /// Invocations that run or wait now.
    pub active: u32,
}

/// Where records of the terminal are missing: the modes that it was in behind them. What sets them
/// is the body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Modes {
    /// Which reader.
    pub reader: ReaderId,
    /// The record they are in force before.
    pub before: Seq,
}

/// The session changed: something started, ended, was queued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// As it is now.
    pub info: SessionInfo,
}

/// Another client took the session over; this attachment is void.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stolen {
    /// Who has it now.
    pub by: Holder,
}

/// The session is disconnected, as asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detached {
    /// As it was left.
    pub info: SessionInfo,
}

/// The session is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// How.
    pub end: End,
}

/// A program reads something from the session's terminal that is not shown, a password mostly,
/// and nobody is there to type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Number for the answer, new in this session.
    pub question: u32,
    /// Of which invocation.
    pub invocation: InvocationId,
    /// What the program said last, a few lines at most; the last is mostly a prompt.
    pub text: String,
}

/// A question was answered, or its program is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuestionOver {
    /// Which.
    pub question: u32,
}
