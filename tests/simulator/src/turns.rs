//! The order in which what was accepted takes its turn.

use outlast_protocol::id::InvocationId;

use crate::violation::{Violation, ensure};

/// Those who wait, as the witness saw them come.
#[derive(Default)]
pub struct Turns(Vec<InvocationId>);

impl Turns {
    /// The queue is like that now: some may have been withdrawn, new ones come at the end.
    pub fn see(&mut self, waiting: Vec<InvocationId>) -> Result<(), Violation> {
        self.0.retain(|id| waiting.contains(id));
        ensure(waiting.starts_with(&self.0), || {
            format!("turns: {waiting:?} wait, {:?} came in that order", self.0)
        })?;
        self.0 = waiting;
        Ok(())
    }

    /// That one begins.
    pub fn begins(&mut self, invocation: InvocationId) -> Result<(), Violation> {
        let first = self.0.first().copied();
        ensure(first == Some(invocation), || {
            format!("turns: {invocation} begins, it is the turn of {first:?}")
        })?;
        self.0.remove(0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_pushes_in_is_seen() {
        let id = |number| InvocationId(uuid::Uuid::from_u128(number));
        let mut turns = Turns::default();
        assert_eq!(turns.see(vec![id(1), id(2), id(3)]), Ok(()));
        assert_eq!(turns.see(vec![id(1), id(3), id(4)]), Ok(()));
        assert!(turns.begins(id(3)).is_err());
        assert_eq!(turns.begins(id(1)), Ok(()));
        assert!(turns.see(vec![id(5), id(3), id(4)]).is_err());
    }
}
