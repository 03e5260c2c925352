use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Where a configuration line stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Location {
    /// A path, or `command line`.
    pub file: String,
    /// 0 where there are no lines.
    pub line: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}", self.file),
        }
    }
}

#[derive(Debug, Error)]
pub enum ConfigError {
    #[error("{location}: unknown ssh option `{name}`")]
    UnknownOption { name: String, location: Location },
    #[error("{location}: {reason}")]
    Invalid { reason: String, location: Location },
    #[error("cannot read {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} may be written by others: ssh would refuse it too", path.display())]
    Permissions { path: PathBuf },
    #[error("{location}: files include each other more than 16 deep")]
    IncludeDepth { location: Location },
    #[error("{location}: `{what}` needs the ssh program, which is not on PATH")]
    NeedsOpenSsh { what: String, location: Location },
    #[error("the transport `openssh` needs the ssh program, which is not on PATH")]
    NoOpenSsh,
    #[error("`ssh -G {host}` failed: {detail}")]
    OpenSsh { host: String, detail: String },
    #[error("the jump hosts of `{host}` lead back to it")]
    JumpLoop { host: String },
    #[error("the value `{value}` of {option} cannot be expanded: {reason}")]
    Expansion {
        option: &'static str,
        value: String,
        reason: String,
    },
}

impl ConfigError {
    pub(super) fn invalid(location: &Location, reason: impl Into<String>) -> Self {
        Self::Invalid {
            reason: reason.into(),
            location: location.clone(),
        }
    }
}
