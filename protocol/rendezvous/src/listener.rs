//! A listening socket that appears under its name only when it can be connected to.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::directory::PrivateDirectory;
use crate::error::DirectoryError;
use crate::lock::Lock;

/// As many waiting connections as Linux lets a socket have by default.
const BACKLOG: i32 = 4096;

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// A live process listens there.
    #[error("another process already listens on {}", .0.display())]
    Occupied(PathBuf),
    /// Something that is not a socket has the name.
    #[error("{} is not a socket: remove it", .0.display())]
    InTheWay(PathBuf),
    /// The directory or the system refused.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

/// Binds the socket `name` in `directory` (mode 0600) and listens on it. A socket that nobody
/// listens on any more is replaced.
pub fn bind(directory: &PrivateDirectory, name: &str) -> Result<UnixListener, BindError> {
    directory.check_name(name)?;
    // The link below has no limit on the name, but whoever connects to it has.
    address(directory, name).map_err(|errno| directory.refused("listen on", name, errno))?;
    let temporary = Temporary {
        directory,
        name: directory.temporary_name()?,
    };
    let socket = temporary
        .listen()
        .map_err(|errno| directory.refused("listen on", name, errno))?;
    if !temporary.publish(name)? {
        // One at a time, so that nobody removes the socket somebody else has just put there.
        let _lock = Lock::acquire(directory, &format!("{name}.bind"))?;
        while !temporary.publish(name)? {
            if is_alive(directory, name)? {
                return Err(BindError::Occupied(directory.path().join(name)));
            }
            directory.remove_file(name)?;
        }
    }
    Ok(UnixListener::from(socket))
}

/// A socket under a name nobody knows, removed again whatever happens.
struct Temporary<'a> {
    directory: &'a PrivateDirectory,
    name: String,
}

impl Temporary<'_> {
    fn listen(&self) -> rustix::io::Result<OwnedFd> {
        let socket = stream_socket(SocketFlags::CLOEXEC)?;
        rustix::net::bind(&socket, &address(self.directory, &self.name)?)?;
        // bind() went by the umask; until listen() nobody can connect anyway.
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::chmodat(
            self.directory.fd(),
            self.name.as_str(),
            mode,
            AtFlags::empty(),
        )?;
        rustix::net::listen(&socket, BACKLOG)?;
        Ok(socket)
    }

    /// Gives the socket its name; false if the name is taken.
    fn publish(&self, name: &str) -> Result<bool, DirectoryError> {
        let fd = self.directory.fd();
        match rustix::fs::linkat(fd, self.name.as_str(), fd, name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(errno) => Err(self.directory.refused("publish the socket", name, errno)),
        }
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        // Left behind, it is a dead socket in our own directory and harms nobody.
        let _ = self.directory.remove_file(&self.name);
    }
}

/// Whether somebody listens on `name`.
fn is_alive(directory: &PrivateDirectory, name: &str) -> Result<bool, BindError> {
    let refused = |errno: Errno| directory.refused("connect to", name, errno);
    match rustix::fs::statat(directory.fd(), name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Socket => {}
        Ok(_) => return Err(BindError::InTheWay(directory.path().join(name))),
        Err(Errno::NOENT) => return Ok(false),
        Err(errno) => return Err(refused(errno).into()),
    }
    let socket = stream_socket(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK).map_err(refused)?;
    match rustix::net::connect(&socket, &address(directory, name).map_err(refused)?) {
        // EAGAIN: it listens, and its queue is full.
        Ok(()) | Err(Errno::AGAIN) => Ok(true),
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(false),
        Err(errno) => Err(refused(errno).into()),
    }
}

pub(crate) fn stream_socket(flags: SocketFlags) -> rustix::io::Result<OwnedFd> {
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

/// The socket's address by way of our descriptor, so that the directory may be as deep as it
/// likes: an address holds 107 bytes. Without /proc the plain path has to fit.
pub(crate) fn address(
    directory: &PrivateDirectory,
    name: &str,
) -> rustix::io::Result<SocketAddrUnix> {
    let by_descriptor = format!("/proc/self/fd/{}", directory.fd().as_raw_fd());
    let base = Path::new(&by_descriptor);
    if base.exists() {
        SocketAddrUnix::new(base.join(name))
    } else {
        SocketAddrUnix::new(directory.path().join(name))
    }
}

impl From<BindError> for io::Error {
    fn from(error: BindError) -> Self {
        match error {
            BindError::Directory(error) => error.into(),
            BindError::Occupied(_) => Self::new(io::ErrorKind::AddrInUse, error),
            BindError::InTheWay(_) => Self::new(io::ErrorKind::AlreadyExists, error),
        }
    }
}
