//! Byte streams to a remote end: a channel of an SSH connection, or a child of our own.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;

use outlast_protocol::control::to_cli::FailureKind;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::process::Command;

use super::failure::Failure;

/// What a link needs of its stream.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Duplex for T {}

/// A stream to a relay.
pub(super) type Stream = Box<dyn Duplex>;

/// Asks what the remote end said besides the protocol: its standard error, its exit status.
pub(super) type Diagnose = Box<dyn Fn() -> String>;

/// Both of one stream.
pub(super) type Opened = (Stream, Diagnose);

/// Environment variable that names the remote end's program for sessions on this computer.
const SUBSYSTEM: &str = "OUTLAST_SUBSYSTEM";
const PROGRAM: &str = "outlast-subsystem";
const INSTALLED: &str = "/usr/lib/outlast/outlast-subsystem";

/// Starts a relay on this computer, as sshd would on another.
pub(super) fn local() -> Result<Opened, Failure> {
    let program = program()?;
    let cannot = |error: io::Error| {
        Failure::new(
            FailureKind::Protocol,
            format!("cannot start {}: {error}", program.display()),
        )
        .hint(format!("set {SUBSYSTEM} to the path of {PROGRAM}"))
    };
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(cannot)?;
    ours.set_nonblocking(true).map_err(cannot)?;
    let input = theirs.try_clone().map_err(cannot)?;
    let mut child = Command::new(&program)
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(input)))
        .stdout(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
        .stderr(Stdio::inherit())
        // A session is no part of the one that happened to start the mux.
        .env_remove("SSH_CONNECTION")
        .env_remove("SSH_CLIENT")
        .env_remove("SSH_TTY")
        .spawn()
        .map_err(cannot)?;
    tokio::task::spawn_local(async move {
        let _ = child.wait().await;
    });
    let stream = UnixStream::from_std(ours).map_err(cannot)?;
    Ok((Box::new(stream), Box::new(String::new)))
}

fn program() -> Result<PathBuf, Failure> {
    find().ok_or_else(|| {
        Failure::new(
            FailureKind::Protocol,
            format!("{PROGRAM} is not installed on this computer"),
        )
        .hint(format!("install it, or set {SUBSYSTEM} to its path"))
    })
}

/// The remote end's program on this computer.
pub(crate) fn find() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(SUBSYSTEM).filter(|value| !value.is_empty()) {
        return Some(PathBuf::from(named));
    }
    let beside = std::env::current_exe()
        .ok()
        .map(|own| own.with_file_name(PROGRAM));
    let path = std::env::var_os("PATH").unwrap_or_default();
    beside
        .into_iter()
        .chain([PathBuf::from(INSTALLED)])
        .chain(std::env::split_paths(&path).map(|directory| directory.join(PROGRAM)))
        .find(|candidate| candidate.is_file())
}
