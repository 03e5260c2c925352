//! The clocks a session reads.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// Where a session reads the time: the operating system, or a simulation's virtual time.
pub(super) trait Clock {
    /// Wall clock, in Unix milliseconds: for people, never for deciding what is over.
    fn wall_ms(&self) -> u64;

    /// Time since boot, sleep included: what idle timeouts count.
    fn boot_time(&self) -> Duration;
}

/// The clocks of this computer.
pub(super) struct SystemClock;

impl Clock for SystemClock {
    fn wall_ms(&self) -> u64 {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn boot_time(&self) -> Duration {
        let now = clock_gettime(ClockId::Boottime);
        Duration::new(
            u64::try_from(now.tv_sec).unwrap_or_default(),
            u32::try_from(now.tv_nsec).unwrap_or_default(),
        )
    }
}
