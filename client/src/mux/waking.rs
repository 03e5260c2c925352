//! The clock that links go by, and the bell that rings when the computer has slept.

use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use tokio::sync::Notify;

use super::complain;

/// Time since boot, sleep included: the event loop's own clock stands still meanwhile, and would
/// not notice an hour of suspend.
pub(super) fn boot_time() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or_default(),
        u32::try_from(now.tv_nsec).unwrap_or_default(),
    )
}

/// Rung when the computer woke up, or somebody set its clock: the time to look at every link.
#[derive(Clone, Debug, Default)]
pub(super) struct Waking {
    bell: Arc<Notify>,
}

impl Waking {
    /// Has the bell rung from now on. Where that cannot be, a link is looked at when its next
    /// heartbeat is due.
    pub(super) fn listen() -> Self {
        let waking = Self::default();
        let bell = Arc::clone(&waking.bell);
        let listening = std::thread::Builder::new()
            .name("waking".to_owned())
            .spawn(move || {
                if let Err(error) = ring(&bell) {
                    complain(&format!("sleep of this computer is noticed late: {error}"));
                }
            });
        if let Err(error) = listening {
            complain(&format!("sleep of this computer is noticed late: {error}"));
        }
        waking
    }

    /// Waits for the bell. Whoever is not waiting looks at his link soon enough.
    pub(super) async fn rung(&self) {
        self.bell.notified().await;
    }
}

/// Blocks its thread between one waking and the next.
fn ring(bell: &Notify) -> Result<(), Errno> {
    let timer = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::CLOEXEC)?;
    let zero = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // It never goes off. It is cancelled when the wall clock makes a step against the monotonic
    // one, and suspend is such a step.
    let never = Itimerspec {
        it_interval: zero,
        it_value: Timespec {
            tv_sec: i64::MAX / 1_000_000_000,
            tv_nsec: 0,
        },
    };
    let how = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
    timerfd_settime(&timer, how, &never)?;
    loop {
        match rustix::io::read(&timer, &mut [0; 8]) {
            Err(Errno::CANCELED) => bell.notify_waiters(),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_goes_on_and_nobody_rings_without_a_reason() {
        let before = boot_time();
        let waking = Waking::listen();
        assert!(boot_time() > before);
        let mut rung = std::pin::pin!(waking.rung());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(rung.as_mut().poll(&mut context).is_pending());
        // What the thread does when a read is cancelled.
        waking.bell.notify_waiters();
        assert!(rung.as_mut().poll(&mut context).is_ready());
    }
}
