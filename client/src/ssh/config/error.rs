use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::keyword;

/// Where a configuration line stands.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Location {
    /// A path, or `command line`; empty for a default.
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
    #[error(
        "{location}: unknown ssh option `{name}`{}", nearest.map(|it| format!("; is `{it}` meant?"))
            .unwrap_or_else(|| "; `IgnoreUnknown` before it lets it pass".to_owned())
    )]
    UnknownOption {
        name: String,
        nearest: Option<&'static str>,
        location: Location,
    },
    #[error("{location}: {reason}")]
    Invalid { reason: String, location: Location },
    #[error("cannot read {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error(
        "{}, as ssh would: chmod go-w {}", permission_problem(path, *foreign), path.display()
    )]
    Permissions {
        path: PathBuf,
        /// It belongs to somebody else.
        foreign: bool,
    },
    #[error("{location}: files include each other more than 16 deep")]
    IncludeDepth { location: Location },
    #[error("{location}: RefuseConnection: {reason}")]
    Refused { reason: String, location: Location },
    #[error("{location}: `{what}` needs the ssh program, which is not on PATH")]
    NeedsOpenSsh { what: String, location: Location },
    #[error("the transport `openssh` needs the ssh program, which is not on PATH")]
    NoOpenSsh,
    #[error("`ssh -G {host}` failed: {detail}")]
    OpenSsh { host: String, detail: String },
    #[error("the jump hosts of `{host}` lead back to it")]
    JumpLoop { host: String },
    #[error("{location}: the value `{value}` of {option} cannot be expanded: {reason}")]
    Expansion {
        option: &'static str,
        value: String,
        reason: String,
        location: Location,
    },
}

fn permission_problem(path: &std::path::Path, foreign: bool) -> String {
    let path = path.display();
    match foreign {
        true => format!("{path} belongs to another user and is refused"),
        false => format!("{path} may be written by others and is refused"),
    }
}

impl ConfigError {
    pub(super) fn invalid(location: &Location, reason: impl Into<String>) -> Self {
        Self::Invalid {
            reason: reason.into(),
            location: location.clone(),
        }
    }

    pub(super) fn unknown(written: &str, location: &Location) -> Self {
        Self::UnknownOption {
            name: written.to_owned(),
            nearest: keyword::nearest(&written.to_ascii_lowercase()),
            location: location.clone(),
        }
    }

    pub(super) fn needs_openssh(what: impl Into<String>, location: &Location) -> Self {
        Self::NeedsOpenSsh {
            what: what.into(),
            location: location.clone(),
        }
    }

    /// Whether an `ssh` of another version may see it differently.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::UnknownOption { .. }
            | Self::Invalid { .. }
            | Self::Permissions { .. }
            | Self::IncludeDepth { .. }
            | Self::NeedsOpenSsh { .. }
            | Self::Expansion { .. } => true,
            Self::Unreadable { .. }
            | Self::Refused { .. }
            | Self::NoOpenSsh
            | Self::OpenSsh { .. }
            | Self::JumpLoop { .. } => false,
        }
    }
}
