//! Places in the log from which a client may want to go on.
//!
//! A place is a record's number with the output before it. While the record is there, the log
//! knows that; once it is dropped, a gap that begins there is exact only if somebody kept the
//! place. Clients go on behind what they acknowledged or were sent, so those are kept.

use std::collections::{BTreeMap, VecDeque};

use outlast_protocol::id::Seq;

use crate::log::Position;

/// Places kept; the ones noted longest ago go first.
const MOST: usize = 4096;

/// The places.
#[derive(Debug, Default)]
pub(super) struct Places {
    offsets: BTreeMap<Seq, u64>,
    noted: VecDeque<Seq>,
}

impl Places {
    /// Keeps a place.
    pub(super) fn note(&mut self, place: Position) {
        if self.offsets.insert(place.seq, place.offset).is_none() {
            self.noted.push_back(place.seq);
        }
        while self.noted.len() > MOST {
            if let Some(old) = self.noted.pop_front() {
                self.offsets.remove(&old);
            }
        }
    }

    /// The place of that record, if it was kept.
    pub(super) fn at(&self, seq: Seq) -> Option<Position> {
        let offset = *self.offsets.get(&seq)?;
        Some(Position { seq, offset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_places_are_kept() {
        let mut places = Places::default();
        let last = MOST as u64 + 10;
        for seq in 1..=last {
            for _ in 0..2 {
                let offset = seq * 100;
                let seq = Seq(seq);
                places.note(Position { seq, offset });
            }
        }
        assert_eq!(places.at(Seq(10)), None);
        let kept = places.at(Seq(11)).map(|place| place.offset);
        assert_eq!(kept, Some(1100));
        assert!(places.at(Seq(last)).is_some());
        assert_eq!(places.offsets.len(), MOST);
    }
}
