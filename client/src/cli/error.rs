//! Everything that can stop a verb: a kind, one sentence, and what to do about it.

use std::io;
use std::path::PathBuf;

use outlast_protocol::control::to_cli::{Failed, FailureKind};
use outlast_protocol::hello::Incompatible;
use outlast_protocol::id::NameError;
use outlast_protocol::limits::MAX_SCRIPT;
use outlast_rendezvous::DirectoryError;
use outlast_rendezvous::start::ConnectError;

use super::exit;
use crate::config::ConfigError;
use crate::place::Homeless;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Why a verb, or one target of it, failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line contradicts itself.
    #[error("{message}")]
    Usage { message: String, hint: String },
    /// A name nobody can have.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Nothing here goes by that name.
    #[error("no session here is `{selector}`")]
    UnknownSession { selector: String },
    /// Nothing there goes by that name.
    #[error("no session on {computer} is `{selector}`")]
    UnknownSessionThere { selector: String, computer: String },
    /// More than one where one is needed.
    #[error("`{selector}` fits {count} sessions, and one is needed")]
    Ambiguous { selector: String, count: usize },
    /// The text to run cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Script { path: PathBuf, source: io::Error },
    /// The text to run does not fit.
    #[error(
        "the script with its arguments and variables has {0} bytes; {MAX_SCRIPT} are the limit"
    )]
    ScriptTooLong(usize),
    /// The mux, or the remote end through it, refused.
    #[error("{}", .0.message)]
    Refused(Failed),
    /// The mux stays away.
    #[error("the connection to the background process was lost and did not come back in {0}")]
    MuxLost(String),
    /// The mux is there and says nothing.
    #[error("the background process (process {pid}) does not answer: is it stopped?")]
    MuxSilent { pid: i32 },
    /// The mux speaks another protocol.
    #[error("this is outlast {version}, but the background process {0}", version = VERSION)]
    Incompatible(MuxVersion),
    /// The mux said something that has no place here.
    #[error("the background process broke the protocol: {0}")]
    Protocol(String),
    /// The mux cannot be started or reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Our directory is not usable.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// Our configuration file is not usable.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// We have no directory.
    #[error(transparent)]
    Homeless(#[from] Homeless),
    /// What was asked for may have been done all the same.
    #[error("{source}")]
    Uncertain {
        source: Box<Self>,
        /// How to ask again.
        again: String,
    },
    /// Whoever read our output has gone.
    #[error("standard output was closed")]
    BrokenPipe,
    /// The system refused something.
    #[error("{action}: {source}")]
    System {
        action: &'static str,
        source: io::Error,
    },
}

/// The other version, as far as it can be told.
#[derive(Debug, thiserror::Error)]
#[error("({}) speaks control protocol {} to {} instead of {} to {}",
    .0.program, .0.theirs.0, .0.theirs.1, .0.ours.0, .0.ours.1)]
pub struct MuxVersion(pub Incompatible);

impl Error {
    /// A mistake in the command line.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage {
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// The error of a request that was sent, and may have been carried out although nobody could
    /// say so: `again` tells how to ask. What the mux says itself needs no such addition.
    #[must_use]
    pub fn uncertain(self, again: impl FnOnce() -> String) -> Self {
        match self {
            Self::MuxLost(_)
            | Self::MuxSilent { .. }
            | Self::Incompatible(_)
            | Self::Protocol(_)
            | Self::Connect(_) => Self::Uncertain {
                source: Box::new(self),
                again: again(),
            },
            other => other,
        }
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Usage { .. }
            | Self::Config(_)
            | Self::Name(_)
            | Self::UnknownSession { .. }
            | Self::UnknownSessionThere { .. }
            | Self::Ambiguous { .. }
            | Self::Script { .. }
            | Self::ScriptTooLong(_) => FailureKind::Usage,
            Self::Refused(failed) => failed.kind,
            Self::Uncertain { source, .. } => source.kind(),
            Self::MuxLost(_) | Self::MuxSilent { .. } => FailureKind::Unreachable,
            Self::Incompatible(_) | Self::Protocol(_) => FailureKind::Protocol,
            Self::Connect(_)
            | Self::Directory(_)
            | Self::Homeless(_)
            | Self::BrokenPipe
            | Self::System { .. } => FailureKind::Internal,
        }
    }

    /// The exit code when this is all there is to say.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::BrokenPipe => exit::BROKEN_PIPE,
            other => exit::of_failure(other.kind()),
        }
    }

    /// What the user can do; empty when there is nothing to say.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Usage { hint, .. } => hint.clone(),
            Self::Config(error) => error.hint(),
            Self::UnknownSession { .. } => {
                "`outlast get` lists the sessions known here; `outlast get HOST` looks on a host"
                    .to_owned()
            }
            Self::UnknownSessionThere { computer, .. } => {
                format!("`outlast get {computer}` lists them")
            }
            Self::Ambiguous { .. } => "use the Id or the instance ID".to_owned(),
            Self::ScriptTooLong(_) => {
                "send data through standard input instead of the script".to_owned()
            }
            Self::Refused(failed) => failed.hint.clone(),
            Self::Uncertain { source, again } => match source.hint() {
                hint if hint.is_empty() => again.clone(),
                hint => format!("{hint}; {again}"),
            },
            Self::MuxLost(_) => "its last words may be in mux.log".to_owned(),
            Self::MuxSilent { pid } => {
                format!(
                    "`kill -CONT {pid}` lets it go on; `kill -9 {pid}` ends it, and sessions stay"
                )
            }
            Self::Incompatible(_) => {
                "`outlast mux stop` ends it; the next command starts the right one, and sessions \
                 stay"
                    .to_owned()
            }
            Self::Directory(_) | Self::Connect(ConnectError::Directory(_)) => {
                "or set OUTLAST_HOME to a directory of your own".to_owned()
            }
            Self::Name(_)
            | Self::Script { .. }
            | Self::Protocol(_)
            | Self::Connect(_)
            | Self::Homeless(_)
            | Self::BrokenPipe
            | Self::System { .. } => String::new(),
        }
    }
}
