//! Standard input of one invocation between the link and the command's pipe.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};
use outlast_protocol::limits::STDIN_WINDOW;

/// Input received and not yet taken by the command. Offsets count from the first byte, so a
/// piece that comes twice is recognised and one that is missing is noticed.
#[derive(Debug, Default)]
pub(super) struct Input {
    pending: VecDeque<Bytes>,
    received: u64,
    taken: u64,
    end: Option<u64>,
    closed: bool,
}

/// Input that cannot follow what came before.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum InputError {
    /// Bytes are missing in between.
    Hole,
    /// More than the window allows.
    Overflow,
}

impl Input {
    /// An input nobody will feed.
    pub(super) fn closed() -> Self {
        Self {
            closed: true,
            ..Self::default()
        }
    }

    /// Bytes from `offset` on.
    pub(super) fn receive(&mut self, offset: u64, mut bytes: Bytes) -> Result<(), InputError> {
        if self.closed {
            return Ok(());
        }
        if offset > self.received {
            return Err(InputError::Hole);
        }
        let known = self.received.saturating_sub(offset);
        if known >= bytes.len() as u64 {
            return Ok(());
        }
        bytes.advance(usize::try_from(known).unwrap_or(bytes.len()));
        let received = self.received.saturating_add(bytes.len() as u64);
        if received.saturating_sub(self.taken) > STDIN_WINDOW {
            return Err(InputError::Overflow);
        }
        self.received = received;
        self.pending.push_back(bytes);
        Ok(())
    }

    /// There is no more after `offset` bytes. Whoever ends it may know of less than another gave
    /// before: what was received is fed all the same.
    pub(super) fn end(&mut self, offset: u64) -> Result<(), InputError> {
        if !self.closed && offset > self.received {
            return Err(InputError::Hole);
        }
        self.end = Some(self.received.max(offset));
        Ok(())
    }

    /// What the command should be fed next.
    pub(super) fn front(&self) -> Option<Bytes> {
        self.pending.front().cloned()
    }

    /// The command took `count` bytes of the front.
    pub(super) fn take(&mut self, count: usize) {
        self.taken = self.taken.saturating_add(count as u64);
        if let Some(front) = self.pending.front_mut() {
            front.advance(count.min(front.len()));
            if front.is_empty() {
                self.pending.pop_front();
            }
        }
    }

    /// The command takes no more.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.pending.clear();
    }

    /// Whether the command has been fed everything there will be.
    pub(super) fn is_drained(&self) -> bool {
        self.closed || self.end.is_some_and(|end| self.taken >= end)
    }

    /// Bytes the command took, and whether it takes no more.
    pub(super) fn progress(&self) -> (u64, bool) {
        (self.taken, self.closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_that_comes_twice_is_fed_once() {
        let mut input = Input::default();
        input.receive(0, Bytes::from_static(b"abc")).unwrap();
        input.receive(0, Bytes::from_static(b"abc")).unwrap();
        input.receive(1, Bytes::from_static(b"bcde")).unwrap();
        let mut fed = Vec::new();
        while let Some(front) = input.front() {
            fed.extend_from_slice(&front);
            input.take(front.len());
        }
        assert_eq!(fed, b"abcde");
        assert!(!input.is_drained());
        input.end(5).unwrap();
        assert!(input.is_drained());
    }

    #[test]
    fn a_hole_and_an_overflow_are_refused() {
        let mut input = Input::default();
        assert_eq!(
            input.receive(1, Bytes::from_static(b"x")),
            Err(InputError::Hole)
        );
        let window = usize::try_from(STDIN_WINDOW).unwrap();
        assert!(input.receive(0, Bytes::from(vec![0; window])).is_ok());
        let more = input.receive(STDIN_WINDOW, Bytes::from_static(b"x"));
        assert_eq!(more, Err(InputError::Overflow));
        assert_eq!(input.end(STDIN_WINDOW + 3), Err(InputError::Hole));
        assert_eq!(input.end(3), Ok(()));
        assert!(!input.is_drained(), "all that came is fed before the end");
    }
}
