//! Keystrokes on their way to a session: each arrives once, or it is known how many do not.

use std::collections::VecDeque;

use bytes::Bytes;
use outlast_protocol::control::window::{Step, Window};

/// Pasted text that may wait for a program that does not read, besides what is under way.
const OVERFLOW: usize = 16 * 1024 * 1024;

/// What was typed and not taken yet.
#[derive(Debug, Default)]
pub(super) struct Keystrokes {
    window: Window,
    /// What does not fit into the window yet.
    overflow: VecDeque<Bytes>,
    overflowing: usize,
    /// What nobody will ever see, in bytes; and that of it which was not reported yet.
    dropped: usize,
    unreported: usize,
}

impl Keystrokes {
    /// Adds some; says whether there was room for them. While the session is `away`, there is for
    /// a window of them only.
    pub(super) fn push(&mut self, bytes: Bytes, away: bool) -> bool {
        let room = if away { 0 } else { OVERFLOW };
        let count = bytes.len();
        if self.window.wants() && self.overflow.is_empty() {
            self.window.push(bytes);
        } else if self.overflowing.saturating_add(count) <= room {
            self.overflowing = self.overflowing.saturating_add(count);
            self.overflow.push_back(bytes);
        } else {
            self.dropped = self.dropped.saturating_add(count);
            self.unreported = self.unreported.saturating_add(count);
            return false;
        }
        true
    }

    /// There will be no more, and what does not fit is not waited for.
    pub(super) fn finish(&mut self) {
        self.dropped = self.dropped.saturating_add(self.overflowing);
        self.overflow.clear();
        self.overflowing = 0;
        self.window.finish();
    }

    /// What to send now, if anything; it counts as sent.
    pub(super) fn step(&mut self) -> Option<Step> {
        while self.window.wants()
            && let Some(bytes) = self.overflow.pop_front()
        {
            self.overflowing = self.overflowing.saturating_sub(bytes.len());
            self.window.push(bytes);
        }
        self.window.step()
    }

    /// The session took everything below `offset`, or wants no more.
    pub(super) fn taken(&mut self, offset: u64, closed: bool) {
        self.window.taken(offset, closed);
    }

    /// Up to where it has taken them, as far as can be told.
    pub(super) fn offset(&self) -> u64 {
        self.window.offset()
    }

    /// Begins again there.
    pub(super) fn rewind(&mut self) {
        self.window.rewind();
    }

    /// Bytes that are dropped in all.
    pub(super) fn dropped(&self) -> usize {
        self.dropped
    }

    /// Bytes dropped since this was asked last.
    pub(super) fn unreported(&mut self) -> usize {
        std::mem::take(&mut self.unreported)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(keystrokes: &mut Keystrokes) -> usize {
        let mut count = 0;
        while let Some(Step::Bytes(bytes)) = keystrokes.step() {
            count += bytes.len();
        }
        count
    }

    #[test]
    fn a_large_paste_waits_for_its_program() {
        let mut keystrokes = Keystrokes::default();
        let piece = Bytes::from(vec![b'x'; 1_000_000]);
        for _ in 0..5 {
            assert!(keystrokes.push(piece.clone(), false));
        }
        let mut count = 0;
        while count < 5_000_000 {
            let now = sent(&mut keystrokes);
            assert!(now > 0, "{count}");
            count += now;
            keystrokes.taken(count as u64, false);
        }
        assert_eq!((count, keystrokes.dropped()), (5_000_000, 0));
    }

    #[test]
    fn what_is_typed_at_a_lost_link_is_kept_or_counted() {
        let mut keystrokes = Keystrokes::default();
        let piece = Bytes::from(vec![b'x'; 1_500_000]);
        assert!(keystrokes.push(piece.clone(), true));
        assert!(!keystrokes.push(piece, true));
        assert_eq!(keystrokes.unreported(), 1_500_000);
        assert_eq!(
            (keystrokes.unreported(), keystrokes.dropped()),
            (0, 1_500_000)
        );
    }
}
