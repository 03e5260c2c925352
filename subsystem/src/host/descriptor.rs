//! Descriptors in the event loop: pipes, sockets and terminals that others opened for us.

use std::io;

use rustix::fd::OwnedFd;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::sys::readiness::watch;

/// A descriptor in non-blocking mode, registered with the event loop.
#[derive(Debug)]
pub(super) struct Descriptor {
    fd: AsyncFd<OwnedFd>,
}

impl Descriptor {
    /// Takes a descriptor over.
    pub(super) fn new(fd: OwnedFd) -> io::Result<Self> {
        fcntl_setfl(&fd, fcntl_getfl(&fd)? | OFlags::NONBLOCK)?;
        Ok(Self {
            fd: watch(fd, Interest::READABLE | Interest::WRITABLE)?,
        })
    }

    /// Waits for input and replaces what `scratch` holds with it, up to its capacity. 0 is the
    /// end. Cancel-safe: bytes are read or they are not.
    pub(super) async fn read(&self, scratch: &mut Vec<u8>) -> io::Result<usize> {
        loop {
            let mut ready = self.fd.readable().await?;
            match read_now(ready.get_inner(), scratch) {
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(Errno::INTR) => {}
                // How Linux says that the last terminal of a pty was closed.
                Err(Errno::IO) => return Ok(0),
                other => return Ok(other?),
            }
        }
    }

    /// Reads what is there without waiting; `None` if nothing is.
    pub(super) fn try_read(&self, scratch: &mut Vec<u8>) -> io::Result<Option<usize>> {
        loop {
            match read_now(self.fd.get_ref(), scratch) {
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::INTR) => {}
                other => return Ok(Some(other?)),
            }
        }
    }

    /// Writes some of `pieces`, waiting until at least a byte fits. Cancel-safe.
    pub(super) async fn write(&self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        loop {
            let mut ready = self.fd.writable().await?;
            match rustix::io::writev(ready.get_inner(), pieces) {
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(Errno::INTR) => {}
                other => return Ok(other?),
            }
        }
    }

    /// Waits until the other end of a pipe we write to is closed by its last reader.
    pub(super) async fn reader_gone(&self) {
        while let Ok(mut ready) = self.fd.ready(Interest::ERROR).await {
            if ready.ready().is_error() {
                return;
            }
            ready.clear_ready();
        }
    }

    /// Bytes waiting to be read.
    pub(super) fn waiting(&self) -> u64 {
        rustix::io::ioctl_fionread(self.fd.get_ref()).unwrap_or(0)
    }
}

/// Fills `scratch` anew, up to its capacity.
fn read_now(fd: &OwnedFd, scratch: &mut Vec<u8>) -> Result<usize, Errno> {
    scratch.clear();
    rustix::io::read(fd, rustix::buffer::spare_capacity(scratch))
}
