//! Connecting to a background process, which is started where there is none.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::SocketFlags;
use rustix::net::sockopt::{Timeout, set_socket_timeout};

use crate::directory::PrivateDirectory;
use crate::error::DirectoryError;
use crate::listener::{address, stream_socket};
use crate::lock::Lock;
use crate::peer::{PeerError, check_peer};

/// Longest wait for a process that listens but does not accept.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody listens.
    #[error("nobody listens on {}", .0.display())]
    Absent(PathBuf),
    /// It listens, but accepts nothing.
    #[error("the process on {} does not answer: is it stopped?", .0.display())]
    Busy(PathBuf),
    /// The other end is another user's.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// The directory or the system refused.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The background process could not be started.
    #[error("cannot start the process for {}: {source}", .path.display())]
    Start { path: PathBuf, source: io::Error },
}

/// Connects to the socket `name` in `directory` and makes sure that the other end is ours.
pub fn connect(directory: &PrivateDirectory, name: &str) -> Result<UnixStream, ConnectError> {
    connect_within(directory, name, CONNECT_TIMEOUT)
}

/// Connects like [`connect`], but waits only so long for a process that accepts nothing.
pub fn connect_within(
    directory: &PrivateDirectory,
    name: &str,
    patience: Duration,
) -> Result<UnixStream, ConnectError> {
    directory.check_name(name)?;
    let refused = |errno: Errno| directory.refused("connect to", name, errno);
    let socket = stream_socket(SocketFlags::CLOEXEC).map_err(refused)?;
    set_socket_timeout(&socket, Timeout::Send, Some(patience)).map_err(refused)?;
    let address = address(directory, name).map_err(refused)?;
    match rustix::io::retry_on_intr(|| rustix::net::connect(&socket, &address)) {
        Ok(()) => {}
        Err(Errno::NOENT | Errno::CONNREFUSED) => {
            return Err(ConnectError::Absent(directory.path().join(name)));
        }
        Err(Errno::AGAIN) => return Err(ConnectError::Busy(directory.path().join(name))),
        Err(errno) => return Err(refused(errno).into()),
    }
    set_socket_timeout(&socket, Timeout::Send, None).map_err(refused)?;
    let stream = UnixStream::from(socket);
    check_peer(&stream)?;
    Ok(stream)
}

/// Connects like [`connect`]; where nobody listens, calls `start` and connects then. `start`
/// returns when the new process listens. Of any number of callers one starts, the others wait
/// for it, on the lock `lock_name`.
pub fn connect_or_start(
    directory: &PrivateDirectory,
    name: &str,
    lock_name: &str,
    start: impl FnOnce() -> io::Result<()>,
) -> Result<UnixStream, ConnectError> {
    match connect(directory, name) {
        Err(ConnectError::Absent(_)) => {}
        other => return other,
    }
    let _lock = Lock::acquire(directory, lock_name)?;
    match connect(directory, name) {
        Err(ConnectError::Absent(_)) => {}
        other => return other,
    }
    start().map_err(|source| ConnectError::Start {
        path: directory.path().join(name),
        source,
    })?;
    connect(directory, name)
}
