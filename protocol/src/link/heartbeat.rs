//! Telling a silent peer from a dead link, without blaming the peer for our own sleep.

use core::time::Duration;

use crate::limits::{DEAD_AFTER, HEARTBEAT};

/// What a heartbeat wants done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Beat {
    /// Nothing.
    Quiet,
    /// Send a ping.
    Ping,
    /// The link is dead.
    Dead,
}

/// One end's heartbeat. Times are measured from any fixed moment of a monotonic clock.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    heard: Duration,
    pinged: Duration,
    looked: Duration,
}

impl Heartbeat {
    /// A link that was heard from at `now`.
    #[must_use]
    pub fn new(now: Duration) -> Self {
        Self {
            heard: now,
            pinged: now,
            looked: now,
        }
    }

    /// Bytes came.
    pub fn heard(&mut self, now: Duration) {
        self.heard = now;
    }

    /// When [`Self::check`] wants to be called.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.heard.max(self.pinged).saturating_add(HEARTBEAT)
    }

    /// Judges the silence at `now`.
    pub fn check(&mut self, now: Duration) -> Beat {
        let late = now.saturating_sub(self.looked) > HEARTBEAT.saturating_mul(2);
        self.looked = now;
        if now.saturating_sub(self.heard) < HEARTBEAT {
            return Beat::Quiet;
        }
        if late {
            // This process slept (SIGSTOP, suspend): what the peer sent meanwhile may be waiting
            // unread. Give it one full measure from now.
            self.heard = now.saturating_sub(HEARTBEAT);
        }
        if now.saturating_sub(self.heard) >= DEAD_AFTER {
            return Beat::Dead;
        }
        if now.saturating_sub(self.pinged) < HEARTBEAT {
            return Beat::Quiet;
        }
        self.pinged = now;
        Beat::Ping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_silent_peer_is_pinged_then_dead_after_twenty_seconds() {
        let mut beat = Heartbeat::new(s(0));
        let mut now = s(0);
        let mut seen = alloc::vec::Vec::new();
        loop {
            now = beat.deadline().max(now);
            match beat.check(now) {
                Beat::Dead => break,
                other => seen.push(other),
            }
        }
        assert_eq!(now, s(20));
        assert_eq!(seen, [Beat::Ping; 3]);
    }

    #[test]
    fn an_answering_peer_lives_for_ever() {
        let mut beat = Heartbeat::new(s(0));
        for _ in 0..1000 {
            let now = beat.deadline();
            assert_eq!(beat.check(now), Beat::Ping);
            beat.heard(now + Duration::from_millis(1));
        }
    }

    #[test]
    fn our_own_sleep_is_not_held_against_the_peer() {
        let mut beat = Heartbeat::new(s(0));
        assert_eq!(beat.check(s(5)), Beat::Ping);
        assert_eq!(beat.check(s(3600)), Beat::Ping);
        assert_eq!(beat.check(s(3605)), Beat::Ping);
        assert_eq!(beat.check(s(3610)), Beat::Ping);
        assert_eq!(beat.check(s(3615)), Beat::Dead);
    }
}
