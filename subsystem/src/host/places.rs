//! Places in the log from which a client may want to go on.
//!
//! A place is a record's number with the output before it. While the record is there, the log
//! knows that; once it is dropped, a gap that begins there is exact only if somebody kept the
//! place. Clients go on behind what they acknowledged or were sent, so those are kept.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::{Rc, Weak};

use outlast_protocol::id::Seq;

use crate::log::Position;

/// Places kept; the ones noted longest ago go first.
const MOST: usize = 4096;

/// A record on its way to a client, or that was when its link broke.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) seq: Seq,
    /// What it costs of the reader's credit.
    pub(super) cost: u64,
    /// The place behind it.
    pub(super) behind: Position,
}

/// The places.
#[derive(Debug, Default)]
pub(super) struct Places {
    offsets: BTreeMap<Seq, u64>,
    noted: VecDeque<Seq>,
    /// Of the readers there are: a client may be back before its old link is seen to be dead.
    ways: Vec<Weak<RefCell<VecDeque<Sent>>>>,
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

    /// Knows the places of what is on its way to a reader, as long as that is there.
    pub(super) fn follow(&mut self, way: &Rc<RefCell<VecDeque<Sent>>>) {
        self.ways.retain(|way| way.strong_count() > 0);
        self.ways.push(Rc::downgrade(way));
    }

    /// Keeps the places of what was on its way to a reader that goes.
    pub(super) fn keep(&mut self, way: &RefCell<VecDeque<Sent>>) {
        for sent in way.borrow().iter() {
            self.note(sent.behind);
        }
    }

    /// The place of that record, if it was kept.
    pub(super) fn at(&self, seq: Seq) -> Option<Position> {
        if let Some(&offset) = self.offsets.get(&seq) {
            return Some(Position { seq, offset });
        }
        self.ways.iter().find_map(|way| {
            let way = way.upgrade()?;
            let way = way.borrow();
            let at = way
                .binary_search_by_key(&seq, |sent| sent.behind.seq)
                .ok()?;
            way.get(at).map(|sent| sent.behind)
        })
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

    #[test]
    fn what_is_on_its_way_is_known_while_its_reader_is_there_and_when_it_has_gone() {
        let mut places = Places::default();
        let behind = Position {
            seq: Seq(8),
            offset: 70,
        };
        let (seq, cost) = (Seq(7), 1);
        let way = Rc::new(RefCell::new(VecDeque::from([Sent { seq, cost, behind }])));
        places.follow(&way);
        assert_eq!(places.at(Seq(8)), Some(behind));
        assert_eq!(places.at(Seq(7)), None);
        places.keep(&way);
        drop(way);
        assert_eq!(places.at(Seq(8)), Some(behind));
    }
}
