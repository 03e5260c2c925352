//! What a session knows of the process and the computer it lives in.

use std::rc::Rc;
use std::time::Duration;

use outlast_protocol::hello::Hello;

use super::clock::{Clock, SystemClock};

/// The outside of a session, as a value: a simulation brings its own.
#[derive(Clone)]
pub(super) struct Surroundings {
    clock: Rc<dyn Clock>,
    /// How the session's host greets.
    pub(super) greeting: Hello,
    /// The host's process ID.
    pub(super) pid: u32,
}

impl Surroundings {
    /// Those of this process.
    pub(super) fn here() -> Self {
        Self::new(
            Rc::new(SystemClock),
            crate::identity::greeting(),
            std::process::id(),
        )
    }

    pub(super) fn new(clock: Rc<dyn Clock>, greeting: Hello, pid: u32) -> Self {
        Self {
            clock,
            greeting,
            pid,
        }
    }

    /// See [`Clock::wall_ms`].
    pub(super) fn wall_ms(&self) -> u64 {
        self.clock.wall_ms()
    }

    /// See [`Clock::boot_time`].
    pub(super) fn boot_time(&self) -> Duration {
        self.clock.boot_time()
    }
}
