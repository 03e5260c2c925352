//! Failures as the mux tells them to a command line.

use outlast_protocol::control::to_cli::{Failed, FailureKind};
use outlast_protocol::link::refusal::{RefusalCode, Refused};

use crate::ssh::{ConnectError, OpenError};

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct Failure {
    pub(super) kind: FailureKind,
    pub(super) message: String,
    pub(super) hint: String,
    /// Whether the same try may succeed later.
    pub(super) passing: bool,
}

impl Failure {
    pub(super) fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: String::new(),
            passing: false,
        }
    }

    pub(super) fn unreachable(message: impl Into<String>) -> Self {
        Self {
            passing: true,
            ..Self::new(FailureKind::Unreachable, message)
        }
    }

    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Usage, message)
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Internal, message)
    }

    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        let Failure {
            kind,
            message,
            hint,
            ..
        } = failure;
        Self {
            kind,
            message,
            hint,
        }
    }
}

impl From<&Refused> for Failure {
    fn from(refused: &Refused) -> Self {
        let kind = match refused.code {
            RefusalCode::BAD_REQUEST
            | RefusalCode::NAME_TAKEN
            | RefusalCode::READ_ONLY
            | RefusalCode::NOT_DURABLE
            | RefusalCode::UNKNOWN_CONFIGURATION => FailureKind::Usage,
            RefusalCode::HELD | RefusalCode::BUSY => FailureKind::Busy,
            RefusalCode::UNKNOWN_SESSION | RefusalCode::ENDED | RefusalCode::BROKEN => {
                FailureKind::SessionLost
            }
            _ => FailureKind::Protocol,
        };
        Self::new(kind, refused.message.clone()).hint(refused.hint.clone())
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let kind = if error.is_auth_refused() {
            FailureKind::Authentication
        } else if error.is_unreachable() {
            FailureKind::Unreachable
        } else {
            FailureKind::Protocol
        };
        Self {
            kind,
            message: error.to_string(),
            hint: error.hint().unwrap_or_default(),
            passing: error.may_retry(),
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::RequestRefused { .. } => {
                Self::new(FailureKind::Protocol, error.to_string()).hint(MISSING)
            }
            OpenError::CommandRefused { .. } => Self::new(FailureKind::Protocol, error.to_string())
                .hint("its sshd lets this login run no commands (ForceCommand, sftp only)"),
            OpenError::ChannelRefused { .. } => Self::unreachable(error.to_string()).hint(CHANNELS),
            OpenError::TimedOut { .. } | OpenError::Disconnected { .. } => {
                Self::unreachable(error.to_string())
            }
        }
    }
}

/// What to do where not even the first channel of a connection is granted.
const CHANNELS: &str = "its sshd may have MaxSessions 0, or no process left to give; its log says";

/// What to do where the remote end is not installed.
pub(super) const MISSING: &str = "install outlast-subsystem on the host: `outlast install HOST` \
    does it (with `--system` for everybody there, by a `Subsystem outlast` line for its sshd)";
