//! Why a host is not believed.

use std::path::PathBuf;

use thiserror::Error;

#[derive(Clone, Debug, Error)]
pub enum HostKeyError {
    #[error(
        "the host key of {host} has CHANGED: it presents {key_type} {fingerprint}, \
         which differs from {}:{line}", file.display()
    )]
    Changed {
        host: String,
        key_type: String,
        fingerprint: String,
        file: PathBuf,
        line: usize,
    },
    #[error("the key that {host} presents is revoked by {}:{line}", file.display())]
    Revoked {
        host: String,
        file: PathBuf,
        line: usize,
    },
    #[error("the key that {host} presents is revoked by {} (RevokedHostKeys)", file.display())]
    InRevokedFile { host: String, file: PathBuf },
    #[error(
        "the file {} of RevokedHostKeys cannot be used ({reason}), so no host is believed",
        file.display()
    )]
    RevokedFileUnusable { file: PathBuf, reason: String },
    #[error("KnownHostsCommand `{command}` failed: {reason}")]
    CommandFailed { command: String, reason: String },
    #[error("the host {host} is unknown: it presents {key_type} {fingerprint}")]
    Unknown {
        host: String,
        key_type: String,
        fingerprint: String,
        /// Whether it could have been asked about had there been a terminal.
        askable: bool,
    },
    #[error("the host key of {host} was declined")]
    Declined { host: String },
}
