//! Taking turns: so many at a time for each key, the others wait in order.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Turns by key. They order attempts and protect no state.
pub(super) struct Turns<K> {
    places: usize,
    keys: RefCell<BTreeMap<K, Arc<Semaphore>>>,
}

impl<K: Ord> Turns<K> {
    /// At most `places` at a time for each key.
    pub(super) fn new(places: usize) -> Self {
        Self {
            places,
            keys: RefCell::default(),
        }
    }

    /// Waits for a turn, which lasts until the returned value is dropped.
    pub(super) async fn take(&self, key: K) -> Option<OwnedSemaphorePermit> {
        let turns = {
            let mut keys = self.keys.borrow_mut();
            // Keys nobody uses or waits for are not kept.
            keys.retain(|_, turns| Arc::strong_count(turns) > 1);
            let new = || Arc::new(Semaphore::new(self.places));
            keys.entry(key).or_insert_with(new).clone()
        };
        turns.acquire_owned().await.ok()
    }
}
