//! Telling a silent peer from a dead link, without blaming the peer for our own sleep.

use core::time::Duration;

use crate::limits::{AFTER_SLEEP, DEAD_AFTER, HEARTBEAT};

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

/// One end's heartbeat. Times are measured from any fixed moment of a clock that is never set; it
/// should go on while the computer sleeps, or that sleep goes unnoticed.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    heard: Duration,
    pinged: Duration,
    /// When this process last ran, as far as this link can tell.
    looked: Duration,
    sleep: Sleep,
}

/// Whether this process slept so long that the peer may have given it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sleep {
    /// It did not, or the peer has answered since.
    Over,
    /// It did, and the peer is to be asked.
    Noticed,
    /// The peer was asked then.
    Asked(Duration),
}

impl Heartbeat {
    /// A link that was heard from at `now`.
    #[must_use]
    pub fn new(now: Duration) -> Self {
        Self {
            heard: now,
            pinged: now,
            looked: now,
            sleep: Sleep::Over,
        }
    }

    /// Bytes came.
    pub fn heard(&mut self, now: Duration) {
        if self.slept(now) {
            // They may have been waiting here all that time: no sign of life now.
            self.sleep = Sleep::Noticed;
        }
        self.looked = now;
        if self.sleep != Sleep::Noticed {
            self.sleep = Sleep::Over;
            self.heard = now;
        }
    }

    /// When [`Self::check`] wants to be called.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        match self.sleep {
            Sleep::Over => self.heard.max(self.pinged).saturating_add(HEARTBEAT),
            Sleep::Noticed => self.looked,
            Sleep::Asked(asked) => asked.saturating_add(AFTER_SLEEP),
        }
    }

    /// Judges the silence at `now`.
    pub fn check(&mut self, now: Duration) -> Beat {
        if self.slept(now) {
            self.sleep = Sleep::Noticed;
        }
        let late = now.saturating_sub(self.looked) > HEARTBEAT.saturating_mul(2);
        self.looked = now;
        match self.sleep {
            Sleep::Noticed => {
                self.sleep = Sleep::Asked(now);
                return self.ping(now);
            }
            Sleep::Asked(asked) if now.saturating_sub(asked) >= AFTER_SLEEP => return Beat::Dead,
            Sleep::Asked(_) => return Beat::Quiet,
            Sleep::Over => {}
        }
        if now.saturating_sub(self.heard) < HEARTBEAT {
            return Beat::Quiet;
        }
        if late {
            // This process stood still for a while (SIGSTOP, a busy computer): what the peer sent
            // meanwhile may be waiting unread. Give it one full measure from now.
            self.heard = now.saturating_sub(HEARTBEAT);
        }
        if now.saturating_sub(self.heard) >= DEAD_AFTER {
            return Beat::Dead;
        }
        if now.saturating_sub(self.pinged) < HEARTBEAT {
            return Beat::Quiet;
        }
        self.ping(now)
    }

    fn ping(&mut self, now: Duration) -> Beat {
        self.pinged = now;
        Beat::Ping
    }

    /// Whether this process did not run for so long that an awake peer has given it up. One that
    /// slept as well (both in one suspended computer) has not: it is asked, and answers at once.
    fn slept(&self, now: Duration) -> bool {
        now.saturating_sub(self.looked) >= DEAD_AFTER
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
    fn standing_still_for_a_while_is_not_held_against_the_peer() {
        let mut beat = Heartbeat::new(s(0));
        assert_eq!(beat.check(s(5)), Beat::Ping);
        assert_eq!(
            beat.check(s(24)),
            Beat::Ping,
            "it had no chance to be heard"
        );
        assert_eq!(beat.check(s(29)), Beat::Ping);
        assert_eq!(beat.check(s(34)), Beat::Ping);
        assert_eq!(beat.check(s(39)), Beat::Dead);
    }

    /// An hour of suspend: a peer that stayed awake has given us up long ago.
    #[test]
    fn after_a_long_sleep_a_dead_link_is_noticed_at_once() {
        let mut beat = Heartbeat::new(s(0));
        assert_eq!(beat.check(s(5)), Beat::Ping);
        assert_eq!(beat.check(s(3600)), Beat::Ping);
        assert_eq!(beat.deadline(), s(3600) + AFTER_SLEEP);
        assert_eq!(beat.check(s(3601)), Beat::Quiet);
        assert_eq!(beat.check(s(3600) + AFTER_SLEEP), Beat::Dead);
    }

    /// Both ends in one suspended computer, or both stopped: the answer comes at once.
    #[test]
    fn after_a_long_sleep_a_healthy_link_lives_on() {
        let mut beat = Heartbeat::new(s(0));
        assert_eq!(beat.check(s(3600)), Beat::Ping);
        beat.heard(s(3601));
        assert_eq!(beat.deadline(), s(3606));
        assert_eq!(beat.check(s(3606)), Beat::Ping);
        beat.heard(s(3607));
    }

    #[test]
    fn what_waited_unread_through_a_long_sleep_is_no_sign_of_life() {
        let mut beat = Heartbeat::new(s(0));
        beat.heard(s(3600));
        beat.heard(s(3600));
        assert_eq!(beat.deadline(), s(3600), "the peer is asked at once");
        assert_eq!(beat.check(s(3600)), Beat::Ping);
        assert_eq!(beat.check(s(3600) + AFTER_SLEEP), Beat::Dead);
    }

    /// A stream that keeps a link busy for an hour, then pauses: nobody slept.
    #[test]
    fn a_busy_link_is_no_sleep() {
        let mut beat = Heartbeat::new(s(0));
        for now in 1..3600 {
            beat.heard(s(now));
        }
        assert_eq!(beat.check(s(3604)), Beat::Ping);
        assert_eq!(beat.check(s(3609)), Beat::Ping);
        assert_eq!(beat.check(s(3614)), Beat::Ping);
        assert_eq!(beat.check(s(3619)), Beat::Dead);
    }
}
