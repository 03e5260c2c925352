//! Descriptors watched by the runtime.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::{Interest, unix::AsyncFd};

/// Watches a descriptor of ours, which has to be nonblocking.
pub fn watch(descriptor: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open and stays the same descriptor until it is dropped, and the
    // `AsyncFd` owns it. Nobody in this crate replaces it by `get_mut`.
    Ok(unsafe { AsyncFd::register_with_interest(descriptor, interest) }?)
}
