//! What a command line says to the mux.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::target::Target;
use crate::hello::Hello;
use crate::id::{InstanceId, InvocationId, Seq};
pub use crate::link::to_host::Resize;
use crate::link::{AttachMode, Command, From, Level, TerminalSize};
use crate::message::messages;
use crate::secret::Secret;
use crate::session::{Buffering, IdleTimeout};

messages! {
    /// Command line to mux.
    ToMux {
        0x01 Hello,
        0x02 Select,
        0x03 Enumerate,
        0x04 New,
        0x05 Connect,
        0x06 Disconnect,
        0x07 Remove,
        0x08 Invoke bulk,
        0x09 Receive,
        0x0a MuxStatus,
        0x0b MuxStop,
        0x0c Watch,
        0x0d Enter,
        0x0e Examine,
        0x0f Askpass,
        0x10 Stdin bulk,
        0x11 StdinEnd,
        0x12 Consumed,
        0x13 Cancel,
        0x14 Answer,
        0x15 Resize,
        0x16 More bulk,
        0x17 Execute bulk,
    }
}

/// What of the caller's surroundings the mux uses for this request, instead of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surroundings {
    /// `SSH_AUTH_SOCK`.
    pub agent_socket: Option<String>,
    /// Whether somebody can be asked.
    pub interactive: bool,
    /// The environment variables: for what a configuration takes from them, and for the programs
    /// it names.
    pub environment: Vec<(String, String)>,
    /// The working directory, absolute; empty if there is none.
    pub directory: String,
    /// Number of the command line among those of this client: a login that was refused to it is not
    /// tried again for it.
    pub run: u64,
}

/// Asks for the sessions of this client that the selectors name; all of them if there are none.
/// A selector is an Id, a name, a glob over names, an instance ID or a unique prefix of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Select {
    /// The selectors.
    pub selectors: Vec<String>,
}

/// Asks a computer for all sessions of the user there. Each gets an Id of this client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enumerate {
    /// Which computer.
    pub target: Target,
    /// Of the caller.
    pub surroundings: Surroundings,
}

/// Makes a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct New {
    /// Where.
    pub target: Target,
    /// Of the caller.
    pub surroundings: Surroundings,
    /// Its instance ID.
    pub instance: InstanceId,
    /// Its name; empty for the next `SessionN`.
    pub name: String,
    /// Its configuration; empty for the remote user's default.
    pub configuration: String,
    /// Its idle timeout.
    pub idle_timeout: IdleTimeout,
    /// Its buffering mode.
    pub buffering: Buffering,
    /// Environment variables for its shell.
    pub environment: Vec<(String, String)>,
    /// How long its shell may take, in milliseconds.
    pub open_timeout_ms: u32,
    /// End it when this connection ends: a session that lives for one command.
    pub temporary: bool,
    /// The name of the class of durability that it needs; empty for any.
    pub durability: String,
}

/// Takes hold of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connect {
    /// Which.
    pub instance: InstanceId,
    /// How.
    pub mode: AttachMode,
    /// Of the caller.
    pub surroundings: Surroundings,
}

/// Leaves a session running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disconnect {
    /// Which.
    pub instance: InstanceId,
    /// A new idle timeout.
    pub idle_timeout: Option<IdleTimeout>,
    /// Of the caller.
    pub surroundings: Surroundings,
}

/// Ends a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remove {
    /// Which.
    pub instance: InstanceId,
    /// Of the caller.
    pub surroundings: Surroundings,
}

/// Runs a command. The body is as in the link protocol's Submit; what does not fit into the frame
/// follows in [`More`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoke {
    /// In which session.
    pub instance: InstanceId,
    /// The command's ID.
    pub invocation: InvocationId,
    /// What the body is.
    pub command: Command,
    /// Bytes of the body that are environment entries.
    pub environment_len: u32,
    /// Bytes of the body that are arguments.
    pub arguments_len: u32,
    /// Bytes of the body that are not in this frame and follow.
    pub more_len: u32,
    /// Whether standard input follows.
    pub stdin: bool,
    /// Run it on the session's terminal, of this size, instead of on pipes.
    pub terminal: Option<TerminalSize>,
    /// Whether it gets a socket to the caller's SSH agent.
    pub agent: bool,
    /// Stop it after this many milliseconds of running.
    pub timeout_ms: Option<u64>,
    /// When it is stopped: SIGTERM this many milliseconds after the interrupt, and SIGKILL after as
    /// many more. None is five seconds where its time is up, and never where a client asked.
    pub kill_after_ms: Option<u64>,
    /// Whether to queue behind a running command.
    pub wait: bool,
    /// Start it, leave the session, and do not wait for output.
    pub detached: bool,
    /// For a repeat after the mux was lost: the last record written out, and the offset in its
    /// standard input up to which the command took it.
    pub resume: Option<(Seq, u64)>,
    /// How long to try to get a lost connection back, in milliseconds.
    pub reconnect_for_ms: u64,
    /// Of the caller.
    pub surroundings: Surroundings,
}

/// Receives output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receive {
    /// Of which session.
    pub instance: InstanceId,
    /// From where; none is what this client has not received yet.
    pub from: Option<From>,
    /// Stay until what runs and waits is over.
    pub follow: bool,
    /// How long to try to get a lost connection back, in milliseconds.
    pub reconnect_for_ms: u64,
    /// Of the caller.
    pub surroundings: Surroundings,
}

/// Receives output through a read-only attachment: the session is not taken from anybody, and
/// what is consumed does not count as received by the session's holder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// Of which session.
    pub instance: InstanceId,
    /// From where; none is what this client has not received yet.
    pub from: Option<From>,
    /// Stay until what runs and waits is over.
    pub follow: bool,
    /// How long to try to get a lost connection back, in milliseconds.
    pub reconnect_for_ms: u64,
    /// Of the caller.
    pub surroundings: Surroundings,
}

impl core::convert::From<Watch> for Receive {
    fn from(watch: Watch) -> Self {
        let Watch {
            instance,
            from,
            follow,
            reconnect_for_ms,
            surroundings,
        } = watch;
        Self {
            instance,
            from,
            follow,
            reconnect_for_ms,
            surroundings,
        }
    }
}

impl core::convert::From<Receive> for Watch {
    fn from(receive: Receive) -> Self {
        let Receive {
            instance,
            from,
            follow,
            reconnect_for_ms,
            surroundings,
        } = receive;
        Self {
            instance,
            from,
            follow,
            reconnect_for_ms,
            surroundings,
        }
    }
}

/// Visits the session's terminal, or watches it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enter {
    /// Of which session.
    pub instance: InstanceId,
    /// The visit's ID.
    pub invocation: InvocationId,
    /// How to hold the session: read-only is to watch.
    pub mode: AttachMode,
    /// The caller's terminal.
    pub size: TerminalSize,
    /// Whether to wait for what runs.
    pub wait: bool,
    /// Whether the shell gets a socket to the caller's SSH agent while it is visited.
    pub agent: bool,
    /// For a repeat after the mux was lost: the last record written out, and the offset in the
    /// keystrokes up to which the terminal took them.
    pub resume: Option<(Seq, u64)>,
    /// How long to try to get a lost connection back, in milliseconds.
    pub reconnect_for_ms: u64,
    /// Of the caller.
    pub surroundings: Surroundings,
}

/// Goes to a computer over a connection of its own, layer by layer, and tells what it finds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Examine {
    /// Which computer.
    pub target: Target,
    /// Of the caller.
    pub surroundings: Surroundings,
}

/// Runs one plain command on a computer, without a session: on a channel of its own, by the login
/// shell. What it is given on its standard input is the body, then the line, then the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execute {
    /// Which computer.
    pub target: Target,
    /// Of the caller.
    pub surroundings: Surroundings,
    /// The command.
    pub command: String,
    /// A line that nobody else should see.
    pub line: Option<Secret>,
    /// The path of a file here, absolute; empty for none.
    pub file: String,
}

/// Asks what the mux holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MuxStatus;

/// Ends the mux. Sessions are left running, disconnected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MuxStop;

/// Asks the user on behalf of an ssh that the mux started: said by its `SSH_ASKPASS` program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Askpass {
    /// For whom, as the mux has told the ssh in its environment.
    pub token: String,
    /// What is wanted of the user.
    pub kind: AskpassKind,
    /// The words of ssh; may be several lines.
    pub text: String,
}

/// What an `SSH_ASKPASS` program is to do, as ssh says in `SSH_ASKPASS_PROMPT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AskpassKind {
    /// Have a line typed.
    Line,
    /// Have it confirmed: yes or no.
    Confirm,
    /// Only show it, for as long as the program lives.
    Notice,
}

/// Standard input of the command of this connection. The body is the bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stdin;

/// The end of its standard input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StdinEnd;

/// Everything up to this record was written out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consumed {
    /// The record.
    pub seq: Seq,
}

/// Stops the command of this connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// How hard.
    pub level: Level,
}

/// The next bytes of the body of an [`Invoke`], right behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct More;

/// What the user answered to a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The question's number.
    pub question: u32,
    /// One text a field; no text at all if whoever was asked gave up; none if nobody could be asked.
    pub texts: Option<Vec<Secret>>,
}
