//! Named pipes: the only way to hand a running shell a pipe that its children do not inherit.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};

/// Enough for one fill of a wake-up, and what an unprivileged user may ask for.
const PIPE_SIZE: usize = 1 << 20;
const READ_AT_ONCE: usize = 4 << 10;

/// Creates a FIFO and opens it in both directions, which never blocks.
pub(super) fn create(path: &Path) -> io::Result<OwnedFd> {
    rustix::fs::mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR)?;
    open(path, OFlags::RDWR)
}

/// Opens an end of it, nonblocking. For writing there has to be a reader.
pub(super) fn open(path: &Path, direction: OFlags) -> io::Result<OwnedFd> {
    let flags = direction | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

/// Lets it hold 1 MiB, unless the user has used up the share for pipes.
pub(super) fn enlarge(fifo: impl AsFd) {
    let _ = rustix::pipe::fcntl_setpipe_size(fifo, PIPE_SIZE);
}

/// Appends what is there to `buffer`.
pub(super) fn read(fifo: impl AsFd, buffer: &mut Vec<u8>) -> io::Result<usize> {
    buffer.reserve(READ_AT_ONCE);
    Ok(rustix::io::read(
        fifo,
        rustix::buffer::spare_capacity(buffer),
    )?)
}
