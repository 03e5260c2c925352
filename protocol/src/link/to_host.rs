//! What a client says to the remote end.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{AttachMode, Command, From, Level, Source, TerminalSize};
use crate::hello::{Extension, Hello};
use crate::id::{ClientId, InstanceId, InvocationId, ReaderId, Seq, SessionName};
use crate::message::messages;
use crate::secret::Secret;
use crate::session::{Buffering, IdleTimeout};

messages! {
    /// Client to remote end. The first five requests come before a session is attached, one per
    /// channel; the rest needs an attached session.
    ToHost {
        0x01 Hello,
        0x02 List,
        0x03 Create,
        0x04 Attach,
        0x05 Remove,
        0x06 Examine,
        0x10 Submit bulk,
        0x11 Stdin bulk,
        0x12 StdinEnd,
        0x13 Cancel,
        0x14 ReaderOpen,
        0x15 ReaderAck,
        0x16 ReaderClose,
        0x17 Detach,
        0x18 End,
        0x19 Resize,
        0x1a Answer,
        0x1b AgentData bulk,
        0x1c AgentEnd,
        0x1d More bulk,
        0x1e Ping,
        0x1f Pong,
    }
}

/// Name of the extension of [`Attach`] by which a client that steals promises to say something as
/// soon as it is attached; only then the session changes hands. Its value is empty.
pub const CONFIRMS: &str = "confirms";

/// Name of the extension of [`Create`] by which a client says that it makes the session for one
/// command or visit. Its value is empty.
pub const TEMPORARY: &str = "temporary";

/// Asks for all sessions of the user on this computer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// Further wishes, by name.
    pub extensions: Vec<Extension>,
}

/// Makes a session and attaches to it. Sent again with the same instance ID it makes no second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Create {
    /// The session's instance ID, chosen by the client before sending.
    pub instance: InstanceId,
    /// The asking client.
    pub client: ClientId,
    /// Name, unique among the user's live sessions here.
    pub name: SessionName,
    /// Session configuration; empty for the user's default.
    pub configuration: String,
    /// How long it may stay disconnected and idle.
    pub idle_timeout: IdleTimeout,
    /// What happens to output nobody receives.
    pub buffering: Buffering,
    /// Environment variables for the shell.
    pub environment: Vec<(String, String)>,
    /// How long the shell may take to become ready, in milliseconds.
    pub open_timeout_ms: u32,
    /// Further properties, by name.
    pub extensions: Vec<Extension>,
}

/// Attaches to a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attach {
    /// Which.
    pub instance: InstanceId,
    /// The asking client. A client gets its own session back even while an old link of it lingers.
    pub client: ClientId,
    /// How.
    pub mode: AttachMode,
    /// Further wishes, by name.
    pub extensions: Vec<Extension>,
}

/// Ends a session: its shell, what it runs, its files. Works on one another client holds too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remove {
    /// Which.
    pub instance: InstanceId,
    /// Further wishes, by name.
    pub extensions: Vec<Extension>,
}

/// Asks whether sessions can live here, and how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Examine {
    /// Further wishes, by name.
    pub extensions: Vec<Extension>,
}

/// Submits a command. The body is environment entries and arguments, each ended by a NUL byte,
/// then the script. What does not fit into the frame follows in [`More`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submit {
    /// Its ID, chosen by the client before sending; sent again it runs nothing twice.
    pub invocation: InvocationId,
    /// What the body is.
    pub command: Command,
    /// Bytes of the body that are environment entries.
    pub environment_len: u32,
    /// Bytes of the body that are arguments.
    pub arguments_len: u32,
    /// Bytes of the body that are not in this frame and follow.
    pub more_len: u32,
    /// Whether standard input will come; without it the command reads an empty one.
    pub stdin: bool,
    /// Run it on the session's terminal, of this size, instead of on pipes.
    pub terminal: Option<TerminalSize>,
    /// Whether it gets a socket to the client's SSH agent.
    pub agent: bool,
    /// Stop it after this many milliseconds of running.
    pub timeout_ms: Option<u64>,
    /// When it is stopped: SIGTERM this many milliseconds after the interrupt, and SIGKILL after as
    /// many more. None is five seconds where its time is up, and never where a client asked.
    pub kill_after_ms: Option<u64>,
    /// Whether to queue behind a running command, or to be refused.
    pub wait: bool,
    /// Further properties, by name.
    pub extensions: Vec<Extension>,
}

impl Submit {
    /// A plain submission, which waits for its turn.
    #[must_use]
    pub fn new(invocation: InvocationId, command: Command) -> Self {
        Self {
            invocation,
            command,
            environment_len: 0,
            arguments_len: 0,
            more_len: 0,
            stdin: false,
            terminal: None,
            agent: false,
            timeout_ms: None,
            kill_after_ms: None,
            wait: true,
            extensions: Vec::new(),
        }
    }
}

/// Standard input for an invocation. The body is the bytes from `offset` on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stdin {
    /// For which.
    pub invocation: InvocationId,
    /// Bytes before these.
    pub offset: u64,
}

/// The end of an invocation's standard input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StdinEnd {
    /// Of which.
    pub invocation: InvocationId,
    /// How many bytes there were in all.
    pub offset: u64,
}

/// Stops a running invocation, or takes a queued one out of the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// Which.
    pub invocation: InvocationId,
    /// How hard.
    pub level: Level,
}

/// Opens a reader of the session's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReaderOpen {
    /// Its ID, chosen by the client, new on this attachment.
    pub reader: ReaderId,
    /// Which log it reads.
    pub source: Source,
    /// Where it starts.
    pub from: From,
    /// Only records of this invocation, and gaps.
    pub only: Option<InvocationId>,
    /// Records of these invocations only above the given number: the rest was received before.
    pub skip: Vec<(InvocationId, Seq)>,
    /// Bytes that may be sent beyond the last acknowledged record.
    pub credit: u32,
    /// What records received on earlier links and not consumed yet cost of that credit, in bytes.
    pub owed: u64,
}

/// Everything up to `seq` was consumed: written out, not merely received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReaderAck {
    /// By which reader.
    pub reader: ReaderId,
    /// The last consumed record.
    pub seq: Seq,
}

/// Closes a reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReaderClose {
    /// Which.
    pub reader: ReaderId,
}

/// Leaves the session running, on purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detach {
    /// A new idle timeout.
    pub idle_timeout: Option<IdleTimeout>,
}

/// Ends the attached session, like [`Remove`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Further wishes, by name.
    pub extensions: Vec<Extension>,
}

/// The client's terminal has another size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resize {
    /// Of now.
    pub size: TerminalSize,
}

/// Answers a question of a program's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The question's number.
    pub question: u32,
    /// What was typed, without the end of the line; none if nobody could be asked.
    pub text: Option<Secret>,
}

/// Bytes of the client's SSH agent. The body is the bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentData {
    /// On which connection.
    pub connection: u32,
}

/// The end of a connection to the client's SSH agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentEnd {
    /// Of which.
    pub connection: u32,
}

/// The next bytes of the body of a [`Submit`], right behind it or behind the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct More {
    /// Of which invocation.
    pub invocation: InvocationId,
}

/// Asks for a [`Pong`] with the same number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping {
    /// Any number.
    pub number: u64,
}

/// Answers a [`Ping`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// The ping's number.
    pub number: u64,
}
