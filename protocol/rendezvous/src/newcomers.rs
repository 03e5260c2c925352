//! Peers that have connected and not yet said what they want: bounded, whoever they are.

use std::collections::VecDeque;

/// Peers in their first seconds, oldest first. Where one more is too many, the oldest has to go:
/// who means it has said what it wants at once, and who connects only to stay keeps nobody out.
#[derive(Debug)]
pub struct Newcomers<T> {
    most: usize,
    admitted: u64,
    waiting: VecDeque<(u64, T)>,
}

impl<T> Newcomers<T> {
    /// At most so many at the same time.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            most,
            admitted: 0,
            waiting: VecDeque::new(),
        }
    }

    /// The number the next one will have.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.admitted
    }

    /// Takes one in, by what is needed to end it. Returns the one that has to go for it.
    #[must_use = "the one that has to go does not go by itself"]
    pub fn admit(&mut self, newcomer: T) -> Option<T> {
        self.waiting.push_back((self.admitted, newcomer));
        self.admitted = self.admitted.saturating_add(1);
        if self.waiting.len() <= self.most {
            return None;
        }
        self.waiting.pop_front().map(|(_, oldest)| oldest)
    }

    /// It has said what it wants, or has gone.
    pub fn leave(&mut self, number: u64) {
        self.waiting.retain(|(waiting, _)| *waiting != number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_for_the_newest_and_who_has_spoken_stays() {
        let mut newcomers = Newcomers::new(2);
        assert_eq!(newcomers.next(), 0);
        assert_eq!(newcomers.admit("a"), None);
        assert_eq!(newcomers.admit("b"), None);
        assert_eq!(newcomers.admit("c"), Some("a"));
        newcomers.leave(1);
        assert_eq!(newcomers.next(), 3);
        assert_eq!(newcomers.admit("d"), None);
        assert_eq!(newcomers.admit("e"), Some("c"));
        newcomers.leave(0);
        assert_eq!(newcomers.admit("f"), Some("d"));
    }
}
