//! Ids and names set aside for sessions that are being made: in the order they were asked for,
//! however long each of them takes.

use std::rc::Rc;

use outlast_protocol::id::InstanceId;

use super::Mux;

/// What is set aside.
#[derive(Debug)]
pub(super) struct Reserved {
    pub(super) instance: InstanceId,
    pub(super) id: u32,
    pub(super) name: String,
}

/// Given back when dropped, unless the session is on the list by then.
pub(super) struct Reservation {
    mux: Rc<Mux>,
    instance: InstanceId,
}

impl Reservation {
    /// Sets the next Id aside.
    pub(super) fn new(mux: &Rc<Mux>, instance: InstanceId) -> Self {
        mux.registry.borrow_mut().reserve(instance);
        Self {
            mux: mux.clone(),
            instance,
        }
    }

    /// Sets a name aside that nobody here has or is about to have: `Session1`, `Session2`, …
    pub(super) fn free_name(&self, taken: &[String]) -> String {
        let mut registry = self.mux.registry.borrow_mut();
        let name = registry.free_name(taken);
        registry.reserve_name(self.instance, &name);
        name
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.mux.registry.borrow_mut().give_back(self.instance);
    }
}
