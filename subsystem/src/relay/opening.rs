//! Waiting for a session whose shell is still starting: a client that lost its link while it made
//! one asks again, and is not to be turned away because the shell takes its time.

use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::fs::{AtFlags, statat};
use rustix::io::Errno;

use crate::registry::{Entry, HostState};

/// Looked at this often where the system tells of no change, as some network file systems do not.
const LOOK: Duration = Duration::from_secs(1);

/// Returns when the session's host listens, is gone, or does not start its shell; at the latest
/// after `most`.
pub(super) fn wait(entry: &Entry, most: Duration) {
    // As a rule it listens: nothing more is asked, least of all its attention.
    if !is_opening(entry) {
        return;
    }
    let deadline = Instant::now() + most;
    let changes = changes(entry).ok();
    while is_opening(entry) && Instant::now() < deadline {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(timeout) = Timespec::try_from(left.min(LOOK)) else {
            return;
        };
        let mut fds: Vec<PollFd<'_>> = changes
            .iter()
            .map(|changes| PollFd::new(changes, PollFlags::IN))
            .collect();
        if poll(&mut fds, Some(&timeout)).is_err_and(|error| error != Errno::INTR) {
            return;
        }
        if let Some(changes) = &changes {
            drain(changes);
        }
    }
}

/// Whether there is a host that does not listen yet.
fn is_opening(entry: &Entry) -> bool {
    if has_socket(entry) {
        return false;
    }
    let starting = match entry.meta() {
        // Its life is written down as begun a moment before it listens.
        Ok(meta) => meta.life.is_live(),
        // Its host has the lock already, and writes that file next.
        Err(_) => true,
    };
    starting && entry.host() == HostState::Lives
}

/// A socket has its name from the moment on when it can be connected to.
fn has_socket(entry: &Entry) -> bool {
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    statat(entry.directory().fd(), Entry::SOCKET, flags).is_ok()
}

/// The socket appears, the directory goes, or the lock is closed: each is worth a look.
fn changes(entry: &Entry) -> Result<rustix::fd::OwnedFd, Errno> {
    let changes = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
    let events = WatchFlags::CREATE
        | WatchFlags::MOVED_TO
        | WatchFlags::DELETE
        | WatchFlags::DELETE_SELF
        | WatchFlags::CLOSE_WRITE;
    inotify::add_watch(&changes, entry.directory().path(), events)?;
    Ok(changes)
}

fn drain(changes: &rustix::fd::OwnedFd) {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(changes, &mut buffer);
    while events.next().is_ok() {}
}
