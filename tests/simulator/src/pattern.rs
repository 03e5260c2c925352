//! What streams are made of: every byte follows from the stream and its offset, so that a piece
//! that comes twice, too early or not at all is told by its content alone.

use crate::random::mix;

/// Bytes that follow from one number.
const WORD: u64 = 8;

/// A stream's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern(u64);

impl Pattern {
    /// The content of stream `stream` of the command numbered `command`.
    #[must_use]
    pub fn new(command: u64, stream: u64) -> Self {
        Self(mix(command.wrapping_mul(8).wrapping_add(stream)))
    }

    fn word(self, offset: u64) -> [u8; 8] {
        mix(self.0.wrapping_add(offset / WORD)).to_le_bytes()
    }

    /// The bytes from `offset` on.
    #[must_use]
    pub fn bytes(self, offset: u64, count: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(count.saturating_add(16));
        let skip = usize::try_from(offset % WORD).unwrap_or_default();
        let mut at = offset.saturating_sub(skip as u64);
        while out.len() < count.saturating_add(skip) {
            out.extend_from_slice(&self.word(at));
            at = at.saturating_add(WORD);
        }
        out.drain(..skip);
        out.truncate(count);
        out
    }

    /// Whether these are the bytes from `offset` on.
    #[must_use]
    pub fn is_at(self, offset: u64, bytes: &[u8]) -> bool {
        self.bytes(offset, bytes.len()) == bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_the_same_however_it_is_cut() {
        let pattern = Pattern::new(3, 1);
        let whole = pattern.bytes(0, 100);
        for cut in 0..100usize {
            let (head, tail) = whole.split_at(cut);
            assert!(pattern.is_at(0, head) && pattern.is_at(cut as u64, tail));
        }
        assert!(!pattern.is_at(1, &whole));
        assert!(!Pattern::new(3, 2).is_at(0, &whole));
    }
}
