//! What the mux says to a command line.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::session::Session;
use crate::hello::Hello;
use crate::id::{InvocationId, Seq};
pub use crate::link::to_client::Examined;
use crate::message::messages;
use crate::record::RecordKind;
use crate::secret::Secret;

messages! {
    /// Mux to command line.
    ToCli {
        0x81 Hello,
        0x82 Sessions,
        0x83 Question,
        0x84 Notice,
        0x85 Accepted,
        0x86 Record bulk,
        0x87 StdinTaken,
        0x88 Interrupted,
        0x89 Resumed,
        0x8a Finished,
        0x8b Failed,
        0x8c MuxReport,
        0x8d CaughtUp,
        0x8e QuestionOver,
        0x8f Examined,
        0x90 Answered,
        0x91 Modes bulk,
        0x92 Sent,
        0x93 Executed bulk,
    }
}

/// The sessions asked for, or the one acted on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    /// Some of them.
    pub sessions: Vec<Session>,
    /// Whether another frame follows.
    pub more: bool,
}

/// Something only the user knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Number for the answer.
    pub question: u32,
    /// What to show first; may be several lines.
    pub text: String,
    /// The fields to ask for: prompt, and whether typing is shown.
    pub fields: Vec<(String, bool)>,
    /// Whether it is a question of yes or no.
    pub confirm: bool,
}

/// Something the user should know; not an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// One sentence.
    pub text: String,
}

/// The command is accepted and will run once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Which.
    pub invocation: InvocationId,
    /// How many run or wait before it.
    pub ahead: u32,
}

/// One record. Output bytes are the body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its number.
    pub seq: Seq,
    /// When it was made, in Unix milliseconds.
    pub time_ms: u64,
    /// Which invocation it belongs to.
    pub invocation: Option<InvocationId>,
    /// What it says.
    pub kind: RecordKind,
}

impl From<crate::link::to_client::Record> for Record {
    fn from(record: crate::link::to_client::Record) -> Self {
        let crate::link::to_client::Record {
            seq,
            time_ms,
            invocation,
            kind,
            ..
        } = record;
        Self {
            seq,
            time_ms,
            invocation,
            kind,
        }
    }
}

/// The command took standard input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StdinTaken {
    /// Everything below was taken.
    pub offset: u64,
    /// Send no more.
    pub closed: bool,
}

/// The connection is lost; the mux is trying to get it back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interrupted {
    /// Why, in words.
    pub reason: String,
}

/// The connection is back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed;

/// The request is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished;

/// Kinds of failure, which decide the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureKind {
    /// The user asked for something that cannot be.
    Usage,
    /// The computer could not be reached, or the connection was lost for good.
    Unreachable,
    /// It refused to let us in.
    Authentication,
    /// It does not have what is needed, or breaks the protocol.
    Protocol,
    /// The session is over.
    SessionLost,
    /// The session is held by another client, or busy.
    Busy,
    /// Something of ours failed.
    Internal,
}

/// The request failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// What kind of failure.
    pub kind: FailureKind,
    /// One sentence.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
}

/// What the mux holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MuxReport {
    /// Its process ID.
    pub pid: u32,
    /// Its program and version.
    pub program: String,
    /// Since when it runs, in Unix milliseconds.
    pub started_ms: u64,
    /// Connections to computers: name and how.
    pub connections: Vec<(String, String)>,
    /// Sessions it holds attached.
    pub attached: u32,
    /// Seconds of holding nothing after which it leaves.
    pub idle_exit_s: u32,
}

/// Every record there is has been sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaughtUp {
    /// Number the next record will get.
    pub next: Seq,
}

/// Where records of the terminal are missing: the modes that it was in behind them. What sets them
/// is the body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Modes {
    /// The record they are in force before.
    pub before: Seq,
}

/// What the user said to an `Askpass`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// None if nobody could be asked, or the user declined.
    pub text: Option<Secret>,
}

/// How far the file of an `Execute` has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Bytes of it that were sent.
    pub bytes: u64,
}

/// How an `Execute` ended. The body is the begin of its standard output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Executed {
    /// Its exit status; none if it was killed, or nobody said.
    pub status: Option<u32>,
    /// The begin of its standard error, and what is known of its end.
    pub words: String,
}

/// A question needs no answer any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuestionOver {
    /// Which.
    pub question: u32,
}
