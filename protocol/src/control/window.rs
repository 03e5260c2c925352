//! Standard input on its way to a command: what was sent and not yet taken is kept, so that it
//! can be sent again, and there is never more of it than a window.

use alloc::collections::VecDeque;

use crate::limits::{MAX_CHUNK, STDIN_WINDOW};
use bytes::{Buf, Bytes};

/// The part of a standard input that is under way.
#[derive(Debug, Default)]
pub struct Window {
    /// Bytes from `start` on.
    kept: VecDeque<Bytes>,
    start: u64,
    /// Where the bytes in `kept` end.
    end: u64,
    sent: u64,
    taken: u64,
    ended: bool,
    end_sent: bool,
    closed: bool,
}

/// What to send next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// These bytes.
    Bytes(Bytes),
    /// That there are no more.
    End,
}

impl Window {
    /// Whether more bytes may be added.
    #[must_use]
    pub fn wants(&self) -> bool {
        !self.ended && !self.closed && self.end.saturating_sub(self.start) < STDIN_WINDOW
    }

    /// Adds bytes.
    pub fn push(&mut self, bytes: Bytes) {
        if !self.closed && !bytes.is_empty() {
            self.end = self.end.saturating_add(bytes.len() as u64);
            self.kept.push_back(bytes);
        }
    }

    /// There will be no more.
    pub fn finish(&mut self) {
        self.ended = true;
    }

    /// The command took everything below `offset`, or wants no more.
    pub fn taken(&mut self, offset: u64, closed: bool) {
        self.taken = self.taken.max(offset);
        if closed {
            self.closed = true;
            self.kept.clear();
            self.start = self.end;
        }
        self.forget();
    }

    /// Up to where the command has taken it, as far as can be told.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.start
    }

    /// Begins again at [`Self::offset`]: what was sent beyond it may be lost.
    pub fn rewind(&mut self) {
        self.sent = self.start;
        self.end_sent = false;
    }

    /// What to send now, if anything; it counts as sent.
    pub fn step(&mut self) -> Option<Step> {
        if self.closed {
            return None;
        }
        if self.sent == self.end {
            let due = self.ended && !self.end_sent;
            self.end_sent |= due;
            return due.then_some(Step::End);
        }
        let open = self
            .taken
            .saturating_add(STDIN_WINDOW)
            .saturating_sub(self.sent);
        let piece = self.piece(usize::try_from(open).unwrap_or(MAX_CHUNK).min(MAX_CHUNK))?;
        self.sent = self.sent.saturating_add(piece.len() as u64);
        self.forget();
        Some(Step::Bytes(piece))
    }

    /// Up to `limit` bytes from `sent` on.
    fn piece(&self, limit: usize) -> Option<Bytes> {
        let mut skip = usize::try_from(self.sent.saturating_sub(self.start)).ok()?;
        for bytes in &self.kept {
            if skip < bytes.len() {
                let count = limit.min(bytes.len().saturating_sub(skip));
                return (count > 0).then(|| bytes.slice(skip..skip.saturating_add(count)));
            }
            skip = skip.saturating_sub(bytes.len());
        }
        None
    }

    /// Drops what was both sent and taken. What the command took before a break but we have not
    /// sent again since is still to be sent: the other end counts from where we said we begin.
    fn forget(&mut self) {
        let until = self.taken.min(self.sent);
        while self.start < until {
            let Some(front) = self.kept.front_mut() else {
                return;
            };
            let step = front
                .len()
                .min(usize::try_from(until - self.start).unwrap_or(usize::MAX));
            front.advance(step);
            self.start = self.start.saturating_add(step as u64);
            if front.is_empty() {
                self.kept.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn sent(window: &mut Window) -> (usize, bool) {
        let mut count = 0;
        while let Some(step) = window.step() {
            match step {
                Step::Bytes(bytes) => count += bytes.len(),
                Step::End => return (count, true),
            }
        }
        (count, false)
    }

    #[test]
    fn never_more_than_a_window_is_under_way() {
        let mut window = Window::default();
        let mut read = 0;
        while window.wants() {
            window.push(Bytes::from(vec![0; 60_000]));
            read += 60_000;
        }
        let limit = usize::try_from(STDIN_WINDOW).unwrap();
        assert!(read < limit + 60_000);
        assert_eq!(sent(&mut window), (limit, false));
        window.finish();
        window.taken(60_000, false);
        assert_eq!(sent(&mut window), (read - limit, true));
    }

    #[test]
    fn what_was_not_taken_is_sent_again() {
        let mut window = Window::default();
        window.push(Bytes::from_static(b"hello "));
        window.push(Bytes::from_static(b"world"));
        window.finish();
        assert_eq!(sent(&mut window), (11, true));
        window.taken(8, false);
        assert_eq!(window.offset(), 8);
        window.rewind();
        assert_eq!(window.step(), Some(Step::Bytes(Bytes::from_static(b"rld"))));
        assert_eq!(window.step(), Some(Step::End));
        assert_eq!(window.step(), None);
    }

    #[test]
    fn what_was_taken_unheard_is_still_sent_in_order() {
        let mut window = Window::default();
        window.push(Bytes::from_static(b"abcdef"));
        assert_eq!(sent(&mut window), (6, false));
        window.rewind();
        window.taken(4, false);
        assert_eq!(
            window.step(),
            Some(Step::Bytes(Bytes::from_static(b"abcdef")))
        );
        assert_eq!(window.offset(), 4);
    }

    #[test]
    fn a_closed_input_wants_nothing() {
        let mut window = Window::default();
        window.push(Bytes::from_static(b"abc"));
        window.taken(0, true);
        assert!(!window.wants());
        assert_eq!(window.step(), None);
    }
}
