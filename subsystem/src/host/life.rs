//! The end of a session: by removal, by its idle timeout, by its shell; and how long the host
//! stays for those who have not heard of it.

use std::rc::Rc;
use std::time::Duration;

use outlast_protocol::session::End;
use outlast_rendezvous::failpoint;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use super::descriptor::Descriptor;
use super::session::Session;
use super::standing::Verdict;

/// Waits until the session is over and nobody wants anything of it any more.
pub(super) async fn watch(session: &Rc<Session>) {
    let timer = Alarm::new();
    loop {
        // Looked at and acted on in one step: an attach comes before it or after it.
        let verdict = session.core().verdict();
        match verdict {
            Verdict::Ends(end) => {
                if end == End::IdleTimeout {
                    failpoint::reach("host.expires");
                }
                session.end(end);
            }
            Verdict::Leaves => return,
            Verdict::Stays(until) => tokio::select! {
                () = session.life() => {}
                () = wait(session, &timer, until) => {}
            },
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
