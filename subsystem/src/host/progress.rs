//! Whether output should wait for its readers, or rather be dropped.
//!
//! In `block` mode it waits, in `drop` mode never. In `spool` mode the job is not to be slowed by
//! a reader that is gone or stands still; but one that is merely slower than the command must not
//! lose what it is about to read, and be told of success: `ssh` would not do that either. So at
//! the quota output waits as long as a reader gets on.

use std::time::Duration;

/// A reader that has not moved for so long stands still.
const STANDSTILL: Duration = Duration::from_secs(2);

/// How long output must wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Wait {
    /// Not at all.
    No,
    /// Until a reader has moved, at most this long.
    AtMost(Duration),
    /// Until a reader has moved.
    ForReader,
}

/// What the readers of a session do.
#[derive(Debug, Default)]
pub(super) struct Progress {
    readers: usize,
    moved: Duration,
}

impl Progress {
    /// A reader came, at that time of a monotonic clock.
    pub(super) fn opened(&mut self, now: Duration) {
        self.readers = self.readers.saturating_add(1);
        self.moved = now;
    }

    /// A reader is gone.
    pub(super) fn closed(&mut self) {
        self.readers = self.readers.saturating_sub(1);
    }

    /// A reader got on.
    pub(super) fn moved(&mut self, now: Duration) {
        self.moved = now;
    }

    /// How long to wait for the readers there are, if it is worth waiting.
    pub(super) fn patience(&self, now: Duration) -> Option<Duration> {
        let left = self.moved.saturating_add(STANDSTILL).checked_sub(now)?;
        (self.readers > 0 && !left.is_zero()).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_is_waited_for_as_long_as_it_gets_on() {
        let s = Duration::from_secs;
        let mut progress = Progress::default();
        assert_eq!(progress.patience(s(1)), None, "nobody reads");
        progress.opened(s(10));
        assert_eq!(progress.patience(s(11)), Some(s(1)));
        assert_eq!(progress.patience(s(12)), None, "it stands still");
        progress.moved(s(20));
        assert_eq!(progress.patience(s(20)), Some(s(2)));
        progress.closed();
        assert_eq!(progress.patience(s(20)), None, "it is gone");
    }
}
