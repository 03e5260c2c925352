//! How long a test waits for an event before it says that the event did not come.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// A point in time at which waiting becomes a failure.
#[derive(Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    /// Generous, because a deadline is only reached by a broken program or a starved machine.
    /// `OUTLAST_TEST_DEADLINE` (seconds) changes it.
    pub fn usual() -> Self {
        let seconds = std::env::var("OUTLAST_TEST_DEADLINE")
            .ok()
            .and_then(|value| value.parse().ok())
            .unwrap_or(60);
        Self::after(Duration::from_secs(seconds))
    }

    pub fn after(duration: Duration) -> Self {
        Self(Instant::now() + duration)
    }

    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    pub fn has_passed(self) -> bool {
        self.remaining().is_zero()
    }

    /// Waits for one descriptor; `false` when the deadline came first.
    #[must_use]
    pub fn poll(self, fd: impl AsFd, events: PollFlags) -> bool {
        loop {
            let timeout = Timespec::try_from(self.remaining()).expect("a deadline fits a timespec");
            let mut fds = [PollFd::new(&fd, events)];
            match poll(&mut fds, Some(&timeout)) {
                Ok(0) => return false,
                Ok(_) => return true,
                Err(Errno::INTR) => {}
                Err(error) => panic!("poll: {error}"),
            }
        }
    }
}
