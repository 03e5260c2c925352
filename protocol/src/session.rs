//! A session as its host describes it.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::hello::Extension;
use crate::id::{ClientId, InstanceId, InvocationId, Seq, SessionName};
use crate::outcome::ExitStatus;

/// What to do with output nobody has received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Buffering {
    /// Keep it on disk up to the quota, then drop the oldest and say so with a gap.
    #[default]
    Spool,
    /// Keep it up to the quota, then make the command wait.
    Block,
    /// Keep the latest in memory only; drop the oldest and say so with a gap.
    Drop,
}

/// How long a session may stay disconnected and idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IdleTimeout {
    /// For ever.
    Never,
    /// This many seconds, at least [`crate::limits::MIN_IDLE_TIMEOUT`].
    Seconds(u32),
}

impl IdleTimeout {
    /// The seconds, if there is an end.
    #[must_use]
    pub fn seconds(self) -> Option<u32> {
        match self {
            Self::Never => None,
            Self::Seconds(seconds) => Some(seconds),
        }
    }
}

/// Who holds a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The client installation.
    pub client: ClientId,
    /// User name it runs as.
    pub user: String,
    /// Host name it runs on, as it says.
    pub host: String,
    /// Address sshd saw it come from; empty for a local client.
    pub address: String,
    /// Since when, in Unix milliseconds.
    pub since_ms: u64,
}

/// Whether a session's shell lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Life {
    /// It does.
    Live,
    /// It ended in an orderly way.
    Ended(End),
    /// Its host process is gone: the reason as far as it can be told.
    Broken(String),
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// The shell ended by itself (`exec`, its own death): its status.
    Shell(ExitStatus),
    /// A client removed it.
    Removed,
    /// Nobody came back within the idle timeout.
    IdleTimeout,
    /// It could not be opened: the reason.
    OpenFailed(String),
}

/// Environment variable of a session's shell: its instance ID. Whatever the shell starts can be
/// told by it.
pub const INSTANCE_VARIABLE: &str = "OUTLAST_INSTANCE_ID";

/// Extension of a session that was removed: the processes of its dead host's shell that were still
/// running and were ended, in words (UTF-8).
pub const ENDED_PROCESSES: &str = "ended-processes";

/// A session as listed by its computer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionInfo {
    /// Its name everywhere.
    pub instance: InstanceId,
    /// Its name for people.
    pub name: SessionName,
    /// The session configuration, e.g. `bash`.
    pub configuration: String,
    /// Whether its shell lives.
    pub life: Life,
    /// Who is attached.
    pub holder: Option<Holder>,
    /// What runs now.
    pub running: Option<InvocationId>,
    /// How many invocations wait behind it.
    pub queued: u32,
    /// Since when it runs, in Unix milliseconds.
    pub running_since_ms: Option<u64>,
    /// What runs, in words: the begin of a script, a command, or what somebody left running on
    /// the terminal. Empty where the shell is free.
    pub activity: String,
    /// What a program asks that waits for an answer (see `Question`), the last line of it.
    pub asks: Option<String>,
    /// When it was made, in Unix milliseconds.
    pub created_ms: u64,
    /// Since when nobody is attached, in Unix milliseconds.
    pub disconnected_ms: Option<u64>,
    /// When its idle timeout will end it, in Unix milliseconds, if the clock is running.
    pub expires_ms: Option<u64>,
    /// Its idle timeout.
    pub idle_timeout: IdleTimeout,
    /// What happens to output nobody has received.
    pub buffering: Buffering,
    /// Process ID of the host process; 0 when there is none.
    pub host_pid: u32,
    /// Oldest record still kept.
    pub first: Seq,
    /// Number the next record will get.
    pub next: Seq,
    /// Further properties, by name.
    pub extensions: Vec<Extension>,
}
