//! A visitor who is not there: how long the visit stands all the same.
//!
//! The visitor is there as long as the writing attachment, of the same client, reads the terminal
//! for this visit: the next visit of a client whose mux and command line are both lost is another.
//! Whoever lost a mux comes back with the next one, but perhaps behind somebody else who lost the
//! same one: so a client that holds the session again has a moment to bring its visitor along.
//! Another client has not: while that holds the session, the visitor cannot come back.

use std::time::Duration;

use outlast_protocol::limits::VISITOR_GRACE;

/// The absence of the visitor of the moment.
#[derive(Debug, Default)]
pub(super) struct Absence {
    /// When the visit ends unless the visitor is back.
    until: Option<Duration>,
}

impl Absence {
    /// The visitor is there, or there is none, or nobody is there at all: then there is no telling
    /// when the visitor's client will be back.
    pub(super) fn ends(&mut self) {
        self.until = None;
    }

    /// The visitor is not there, and perhaps on the way.
    pub(super) fn lasts(&mut self, may_return: bool, now: Duration) {
        let grace = if may_return {
            VISITOR_GRACE
        } else {
            Duration::ZERO
        };
        let until = now.saturating_add(grace);
        self.until = Some(self.until.map_or(until, |before| before.min(until)));
    }

    /// How long the visitor still has, where that is known.
    pub(super) fn left(&self, now: Duration) -> Option<Duration> {
        self.until.map(|until| until.saturating_sub(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_client_that_is_back_has_a_moment_to_bring_its_visitor() {
        let mut absence = Absence::default();
        assert_eq!(absence.left(s(100)), None, "nobody knows");
        absence.lasts(true, s(100));
        absence.lasts(true, s(103));
        assert_eq!(absence.left(s(104)), Some(VISITOR_GRACE - s(4)));
        absence.ends();
        assert_eq!(
            absence.left(s(900)),
            None,
            "it is back, or its link is lost again"
        );
    }

    #[test]
    fn another_client_does_not_wait() {
        let mut absence = Absence::default();
        absence.lasts(true, s(11));
        absence.lasts(false, s(12));
        assert_eq!(absence.left(s(12)), Some(Duration::ZERO));
    }
}
