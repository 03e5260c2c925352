//! What decides how long a session lives, and the decision. All times are of the boot-time clock.

use std::time::Duration;

use outlast_protocol::limits::ENDED_RETENTION;
use outlast_protocol::session::End;

/// How a session stands at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Whether its shell lives.
    pub(super) live: bool,
    /// Whether a client asked for the end.
    pub(super) removal: bool,
    /// When its idle timeout passes; none while somebody is attached or something runs.
    pub(super) idle_deadline: Option<Duration>,
    /// Whether it is over and nobody needs anything of it any more.
    pub(super) done: bool,
    /// When it ended.
    pub(super) ended_at: Option<Duration>,
}

/// What is to be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The session is to end, for this reason.
    Ends(End),
    /// Nothing, until something happens or that time has come.
    Stays(Option<Duration>),
    /// The host is to leave, with everything that was kept.
    Leaves,
}

impl Standing {
    /// What is to be done at `now`.
    pub(super) fn verdict(&self, now: Duration) -> Verdict {
        if self.live {
            return match self.idle_deadline {
                _ if self.removal => Verdict::Ends(End::Removed),
                Some(deadline) if deadline <= now => Verdict::Ends(End::IdleTimeout),
                deadline => Verdict::Stays(deadline),
            };
        }
        let retention = Duration::from_secs(ENDED_RETENTION.into());
        let until = self.ended_at.map(|ended| ended.saturating_add(retention));
        if self.removal || self.done || until.is_some_and(|until| until <= now) {
            return Verdict::Leaves;
        }
        Verdict::Stays(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn hours(count: u64) -> Duration {
        Duration::from_secs(count * 3600)
    }

    const LIVE: Standing = Standing {
        live: true,
        removal: false,
        idle_deadline: None,
        done: false,
        ended_at: None,
    };

    const ENDED: Standing = Standing {
        live: false,
        ended_at: Some(hours(100)),
        ..LIVE
    };

    #[test]
    fn an_idle_session_ends_at_its_deadline_and_not_before() {
        let idle = Standing {
            idle_deadline: Some(hours(7)),
            ..LIVE
        };
        let before = hours(7) - Duration::from_nanos(1);
        assert_eq!(idle.verdict(before), Verdict::Stays(Some(hours(7))));
        assert_eq!(idle.verdict(hours(7)), Verdict::Ends(End::IdleTimeout));
        // A suspend that went past it.
        assert_eq!(idle.verdict(hours(700)), Verdict::Ends(End::IdleTimeout));
    }

    /// The alarm rang, and a client came before anybody looked: there is no deadline any more.
    #[test]
    fn an_attached_session_does_not_end_however_late_it_is() {
        assert_eq!(LIVE.verdict(hours(9999)), Verdict::Stays(None));
    }

    #[test]
    fn an_ended_session_stays_for_seventy_two_hours_unless_it_is_done_with() {
        assert_eq!(ENDED.verdict(hours(100)), Verdict::Stays(Some(hours(172))));
        let last = hours(172) - Duration::from_nanos(1);
        assert_eq!(ENDED.verdict(last), Verdict::Stays(Some(hours(172))));
        assert_eq!(ENDED.verdict(hours(172)), Verdict::Leaves);
        let done = Standing {
            done: true,
            ..ENDED
        };
        assert_eq!(done.verdict(hours(100)), Verdict::Leaves);
    }

    #[test]
    fn removal_comes_before_everything() {
        let removal = Standing {
            removal: true,
            idle_deadline: Some(hours(1)),
            ..LIVE
        };
        assert_eq!(removal.verdict(hours(2)), Verdict::Ends(End::Removed));
        let removal = Standing {
            removal: true,
            ..ENDED
        };
        assert_eq!(removal.verdict(hours(100)), Verdict::Leaves);
    }
}
