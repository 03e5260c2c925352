//! Has a full-screen program draw its screen again, where what it drew was not kept: the terminal
//! is one line less for a moment, as when somebody drags a window's edge and back.

use std::time::Duration;

use outlast_protocol::link::TerminalSize;
use tokio::time::Instant;

/// Two changes of the size that come close together are one to a program: it has to have had time
/// to look at the first.
const LEAST: Duration = Duration::from_millis(100);
/// A program that has not drawn anything by then does not draw on a new size.
const MOST: Duration = Duration::from_secs(1);

/// Whether the terminal is one line less.
#[derive(Debug, Default)]
pub(super) struct Nudge {
    begun: Option<(Instant, TerminalSize)>,
    answered: bool,
}

impl Nudge {
    /// Begins at `now`; gives back the size for the meantime.
    pub(super) fn begin(&mut self, size: TerminalSize, now: Instant) -> Option<TerminalSize> {
        let rows = size.rows.checked_sub(1).filter(|rows| *rows > 0)?;
        self.begun = Some((now, size));
        self.answered = false;
        Some(TerminalSize { rows, ..size })
    }

    /// The program has drawn something.
    pub(super) fn answered(&mut self) {
        self.answered = true;
    }

    /// When the terminal is to have its own size again.
    pub(super) fn ends(&self) -> Option<Instant> {
        let pause = if self.answered { LEAST } else { MOST };
        let (begun, _) = self.begun?;
        Some(begun + pause)
    }

    /// Ends it, if it is under way; gives back the size that the terminal really has.
    pub(super) fn end(&mut self) -> Option<TerminalSize> {
        let (_, size) = self.begun.take()?;
        Some(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: TerminalSize = TerminalSize {
        columns: 80,
        rows: 24,
    };

    #[test]
    fn it_ends_soon_behind_an_answer_and_some_time_without_one() {
        let now = Instant::now();
        let mut nudge = Nudge::default();
        assert_eq!(nudge.ends(), None);
        let less = nudge.begin(SIZE, now).unwrap();
        assert_eq!((less.columns, less.rows), (80, 23));
        assert_eq!(nudge.ends(), Some(now + MOST));
        nudge.answered();
        assert_eq!(nudge.ends(), Some(now + LEAST));
        assert_eq!(nudge.end(), Some(SIZE));
        assert_eq!((nudge.ends(), nudge.end()), (None, None));
        nudge.answered();
        assert_eq!(nudge.ends(), None);
        nudge.begin(SIZE, now);
        assert_eq!(
            nudge.ends(),
            Some(now + MOST),
            "an answer to an earlier one"
        );
    }

    #[test]
    fn a_terminal_of_one_line_has_none_to_spare() {
        let mut nudge = Nudge::default();
        for rows in [0, 1] {
            assert_eq!(
                nudge.begin(TerminalSize { rows, ..SIZE }, Instant::now()),
                None
            );
            assert_eq!(nudge.ends(), None);
        }
    }
}
