//! The end of a session: by removal, by its idle timeout, by its shell; and how long the host
//! stays for those who have not heard of it.

use std::rc::Rc;
use std::time::Duration;

use outlast_protocol::limits::ENDED_RETENTION;
use outlast_protocol::session::End;
use outlast_rendezvous::failpoint;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use super::core::{Core, Session};
use super::descriptor::Descriptor;

/// Waits until the session is over and nobody wants anything of it any more.
pub(super) async fn watch(session: &Rc<Session>) {
    let timer = Alarm::new();
    while session.core().is_live() {
        let due = due(&session.core());
        if let Some(end) = due {
            if end == End::IdleTimeout {
                failpoint::reach("host.expires");
            }
            session.end(end);
            break;
        }
        let deadline = session.core().idle_deadline();
        tokio::select! {
            () = session.life() => {}
            () = wait(session, &timer, deadline) => {}
        }
    }
    if !session.core().removal_requested() {
        linger(session, &timer).await;
    }
}

/// How the session is to end, if it is time.
pub(super) fn due(core: &Core) -> Option<End> {
    if core.removal_requested() {
        return Some(End::Removed);
    }
    let now = core.surroundings.boot_time();
    let expired = core.idle_deadline().is_some_and(|deadline| deadline <= now);
    expired.then_some(End::IdleTimeout)
}

/// Whether nobody wants anything more of a session that is over.
pub(super) fn is_settled(core: &Core) -> bool {
    core.removal_requested() || (core.is_received() && core.holding.is_free())
}

/// Stays until somebody has received the rest, at most for the retention time.
async fn linger(session: &Rc<Session>, timer: &Option<Alarm>) {
    let now = || session.core().surroundings.boot_time();
    let until = now().saturating_add(Duration::from_secs(ENDED_RETENTION.into()));
    while now() < until && !is_settled(&session.core()) {
        tokio::select! {
            () = session.life() => {}
            () = wait(session, timer, Some(until)) => {}
        }
    }
}

async fn wait(session: &Session, timer: &Option<Alarm>, deadline: Option<Duration>) {
    match (timer, deadline) {
        (Some(timer), Some(deadline)) => timer.wait(deadline).await,
        // Without the timer the monotonic clock has to do: it stands still during suspend.
        (None, Some(deadline)) => {
            let now = session.core().surroundings.boot_time();
            tokio::time::sleep(deadline.saturating_sub(now)).await;
        }
        (_, None) => std::future::pending().await,
    }
}

/// A timer on the clock that goes on while the computer sleeps.
struct Alarm {
    descriptor: Descriptor,
    raw: rustix::fd::OwnedFd,
}

impl Alarm {
    fn new() -> Option<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let raw = timerfd_create(TimerfdClockId::Boottime, flags).ok()?;
        let descriptor = Descriptor::new(raw.try_clone().ok()?).ok()?;
        Some(Self { descriptor, raw })
    }

    async fn wait(&self, deadline: Duration) {
        let spec = Itimerspec {
            it_interval: Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: Timespec::try_from(deadline).unwrap_or(Timespec {
                tv_sec: i64::MAX,
                tv_nsec: 0,
            }),
        };
        if timerfd_settime(&self.raw, TimerfdTimerFlags::ABSTIME, &spec).is_err() {
            return std::future::pending().await;
        }
        let mut expirations = Vec::with_capacity(8);
        let _ = self.descriptor.read(&mut expirations).await;
    }
}
