//! How much of a session's output a client has received: what its mux remembers between its
//! command lines.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::From;
use crate::id::{InvocationId, Seq};
use crate::limits::MAX_SKIPS;

/// An invocation whose records were received up to another number than the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Apart {
    upto: Seq,
    /// All records from here to `upto` are this invocation's and were received.
    whole_from: Option<Seq>,
}

/// Everything up to `base` was received, except where `apart` says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    base: Seq,
    apart: BTreeMap<InvocationId, Apart>,
}

impl Cursor {
    /// Where a reader of everything not yet received starts, and what it may skip.
    #[must_use]
    pub fn request(&self) -> (From, Vec<(InvocationId, Seq)>) {
        let lowest = self.apart.values().map(|apart| apart.upto).min();
        let from = lowest.map_or(self.base, |lowest| lowest.min(self.base));
        let start = if from == Seq(0) {
            From::Start
        } else {
            From::Seq(from.next())
        };
        let ahead = self
            .apart
            .iter()
            .filter(|(_, apart)| apart.upto > self.base);
        (
            start,
            ahead
                .map(|(id, apart)| (*id, apart.upto))
                .take(MAX_SKIPS)
                .collect(),
        )
    }

    /// Whether a record has not been received yet.
    #[must_use]
    pub fn wants(&self, invocation: Option<InvocationId>, seq: Seq) -> bool {
        let apart = invocation.and_then(|invocation| self.apart.get(&invocation));
        seq > apart.map_or(self.base, |apart| apart.upto)
    }

    /// An invocation's own reader received it up to `seq`.
    pub fn received(&mut self, invocation: InvocationId, seq: Seq) {
        let base = self.base;
        let apart = self.apart.entry(invocation).or_insert(Apart {
            upto: base,
            whole_from: None,
        });
        apart.upto = apart.upto.max(seq);
    }

    /// An invocation's own reader is there: what it will get is not to be delivered by another.
    pub fn begin(&mut self, invocation: InvocationId, from: Seq) {
        // Of a command that is asked for again, a reader of everything may have had a part.
        let upto = self.base.max(Seq(from.0.saturating_sub(1)));
        self.apart.entry(invocation).or_insert(Apart {
            upto,
            whole_from: None,
        });
    }

    /// That reader received all there was: `records` records from `from` on.
    pub fn finish(&mut self, invocation: InvocationId, from: Seq, records: u64) {
        if let Some(apart) = self.apart.get_mut(&invocation)
            && apart.upto.next().0.saturating_sub(from.0) == records
        {
            apart.whole_from = Some(from);
        }
        // All of it was received before.
        if self
            .apart
            .get(&invocation)
            .is_some_and(|apart| apart.upto == self.base)
        {
            self.apart.remove(&invocation);
        }
        self.compact();
    }

    /// A reader of everything received it up to `seq`. Invocations in `busy` have readers of
    /// their own that are not done.
    pub fn caught_up(&mut self, seq: Seq, busy: &[InvocationId]) {
        self.base = self.base.max(seq);
        let base = self.base;
        self.apart
            .retain(|id, apart| busy.contains(id) || apart.upto > base);
    }

    /// Moves the base over what was received whole right behind it.
    fn compact(&mut self) {
        let base = self.base;
        self.apart
            .retain(|_, apart| apart.whole_from.is_none() || apart.upto > base);
        while let Some((id, upto)) = self.apart.iter().find_map(|(id, apart)| {
            (apart.whole_from == Some(self.base.next())).then_some((*id, apart.upto))
        }) {
            self.base = upto;
            self.apart.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn id(number: u128) -> InvocationId {
        InvocationId(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn foreground_commands_one_after_the_other_leave_nothing_behind() {
        let mut cursor = Cursor::default();
        for n in 0..1000u64 {
            let from = Seq(n * 3 + 1);
            cursor.begin(id(n.into()), from);
            cursor.received(id(n.into()), Seq(from.0 + 2));
            cursor.finish(id(n.into()), from, 3);
        }
        assert_eq!(
            cursor,
            Cursor {
                base: Seq(3000),
                apart: BTreeMap::new()
            }
        );
        assert_eq!(cursor.request(), (From::Seq(Seq(3001)), vec![]));
    }

    #[test]
    fn what_ran_in_the_background_before_is_still_to_come() {
        let mut cursor = Cursor::default();
        // Records 1 to 10 are a background command's; 11 to 13 were read in the foreground.
        cursor.begin(id(2), Seq(11));
        cursor.received(id(2), Seq(13));
        cursor.finish(id(2), Seq(11), 3);
        assert_eq!(cursor.request(), (From::Start, vec![(id(2), Seq(13))]));
        assert!(cursor.wants(Some(id(1)), Seq(4)));
        assert!(!cursor.wants(Some(id(2)), Seq(12)));
        assert!(
            cursor.wants(Some(id(2)), Seq(14)),
            "late output of its background children"
        );
        cursor.caught_up(Seq(20), &[]);
        assert_eq!(
            cursor,
            Cursor {
                base: Seq(20),
                apart: BTreeMap::new()
            }
        );
    }

    #[test]
    fn a_reader_of_everything_does_not_swallow_a_foreground_command() {
        let mut cursor = Cursor::default();
        cursor.begin(id(1), Seq(1));
        cursor.received(id(1), Seq(4));
        cursor.caught_up(Seq(9), &[id(1)]);
        // Its command line was killed: records 5 to 9 of it were never received.
        assert!(cursor.wants(Some(id(1)), Seq(5)));
        assert!(!cursor.wants(Some(id(2)), Seq(5)));
        assert_eq!(cursor.request(), (From::Seq(Seq(5)), vec![]));
    }

    #[test]
    fn a_command_taken_up_again_keeps_what_was_received_with_the_rest() {
        let mut cursor = Cursor::default();
        cursor.caught_up(Seq(9), &[]);
        cursor.begin(id(1), Seq(3));
        assert!(!cursor.wants(Some(id(1)), Seq(9)));
        assert!(cursor.wants(Some(id(1)), Seq(10)));
    }

    #[test]
    fn asking_again_for_what_was_received_changes_nothing() {
        let received = Cursor {
            base: Seq(20),
            apart: BTreeMap::new(),
        };
        let mut cursor = received.clone();
        cursor.begin(id(1), Seq(3));
        cursor.received(id(1), Seq(7));
        assert!(!cursor.wants(Some(id(1)), Seq(8)), "it was received before");
        cursor.finish(id(1), Seq(3), 5);
        assert_eq!(cursor, received);
    }

    #[test]
    fn mixed_records_are_not_taken_for_whole() {
        let mut cursor = Cursor::default();
        cursor.begin(id(1), Seq(1));
        cursor.received(id(1), Seq(10));
        cursor.finish(id(1), Seq(1), 7);
        assert_eq!(cursor.request(), (From::Start, vec![(id(1), Seq(10))]));
    }
}
