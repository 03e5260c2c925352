//! Whether a command's output should wait for its reader, or rather be dropped.
//!
//! In `block` mode it waits, in `drop` mode never. In `spool` mode a job is not to be slowed by
//! whoever receives or watches it. But a command in the foreground has one reader of its own,
//! the command line that started it; if that is merely slower than the command, dropping what it
//! is about to read, at the quota, would be what `ssh` never does. So there, and only there,
//! output waits as long as that reader gets on.

use std::collections::BTreeMap;
use std::time::Duration;

use outlast_protocol::id::{InvocationId, Lease, ReaderId, Seq};

/// A reader that has not moved for so long stands still.
const STANDSTILL: Duration = Duration::from_secs(2);

/// How long output must wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Wait {
    /// Not at all.
    No,
    /// Until its reader has moved, at most this long.
    AtMost(Duration),
    /// Until a reader has moved.
    ForReader,
}

/// One reader of its command alone.
#[derive(Debug)]
struct Foreground {
    invocation: InvocationId,
    consumed: Seq,
    moved: Duration,
}

/// The readers that wait for one command each.
#[derive(Debug, Default)]
pub(super) struct Progress {
    readers: BTreeMap<(Lease, ReaderId), Foreground>,
}

impl Progress {
    /// A command's own reader came, at that time of a monotonic clock. It has, or does not want,
    /// what is up to `consumed`.
    pub(super) fn opened(
        &mut self,
        reader: (Lease, ReaderId),
        invocation: InvocationId,
        consumed: Seq,
        now: Duration,
    ) {
        let foreground = Foreground {
            invocation,
            consumed,
            moved: now,
        };
        self.readers.insert(reader, foreground);
    }

    /// A reader is gone.
    pub(super) fn closed(&mut self, reader: (Lease, ReaderId)) {
        self.readers.remove(&reader);
    }

    /// A reader consumed everything up to `seq`.
    pub(super) fn moved(&mut self, reader: (Lease, ReaderId), seq: Seq, now: Duration) {
        if let Some(foreground) = self.readers.get_mut(&reader)
            && seq > foreground.consumed
        {
            foreground.consumed = seq;
            foreground.moved = now;
        }
    }

    /// Where the slowest of the command's readers is.
    pub(super) fn slowest(&self, invocation: InvocationId) -> Option<Seq> {
        self.of(invocation).map(|reader| reader.consumed).min()
    }

    fn of(&self, invocation: InvocationId) -> impl Iterator<Item = &Foreground> {
        let readers = self.readers.values();
        readers.filter(move |reader| reader.invocation == invocation)
    }

    /// Where the slowest of the command's readers that get on is, and how long it has until it
    /// counts as standing still.
    pub(super) fn patience(
        &self,
        invocation: InvocationId,
        now: Duration,
    ) -> Option<(Seq, Duration)> {
        let alive = self.of(invocation).filter_map(|reader| {
            let left = reader.moved.saturating_add(STANDSTILL).checked_sub(now)?;
            (!left.is_zero()).then_some((reader.consumed, left))
        });
        alive.min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn id(number: u128) -> InvocationId {
        InvocationId(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn a_reader_is_waited_for_as_long_as_it_gets_on() {
        let mut progress = Progress::default();
        let reader = (Lease(1), ReaderId(1));
        assert_eq!(progress.patience(id(1), S(1)), None, "nobody reads");
        progress.opened(reader, id(1), Seq(0), S(10));
        assert_eq!(progress.patience(id(1), S(11)), Some((Seq(0), S(1))));
        assert_eq!(progress.patience(id(2), S(11)), None, "not its command");
        assert_eq!(progress.patience(id(1), S(12)), None, "it stands still");
        progress.moved(reader, Seq(4), S(20));
        progress.moved(reader, Seq(4), S(21));
        assert_eq!(progress.patience(id(1), S(20)), Some((Seq(4), S(2))));
        assert_eq!(
            progress.patience(id(1), S(22)),
            None,
            "no news, no progress"
        );
        progress.moved(reader, Seq(5), S(30));
        progress.closed(reader);
        assert_eq!(progress.patience(id(1), S(30)), None, "it is gone");
    }

    #[test]
    fn the_slower_of_two_readers_sets_the_pace() {
        let mut progress = Progress::default();
        for number in 1..=2 {
            progress.opened((Lease(1), ReaderId(number)), id(1), Seq(0), S(0));
        }
        progress.moved((Lease(1), ReaderId(1)), Seq(9), S(1));
        assert_eq!(progress.patience(id(1), S(1)), Some((Seq(0), S(1))));
    }
}
