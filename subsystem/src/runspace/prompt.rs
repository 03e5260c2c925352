//! A shell that shows its prompt in the middle of an invocation has lost its driver.

use std::time::Duration;

use tokio::time::Instant;

use super::stop::Target;
use super::tree;

const PAUSE: Duration = Duration::from_millis(20);
/// Looks that have to agree: the driver sleeps nowhere between two invocations for so long.
const AGREE: u32 = 2;

/// A prompt is always something that the terminal says, so there is nothing to poll for.
pub(super) struct Prompt {
    seen: u32,
    pub(super) next: Instant,
}

impl Prompt {
    pub(super) fn suspected() -> Self {
        Self {
            seen: 0,
            next: Instant::now() + PAUSE,
        }
    }

    /// Types `line` at the prompt. Says whether another look is needed.
    pub(super) fn look(&mut self, target: &Target<'_>, line: &[u8]) -> bool {
        let Ok(shell) = i32::try_from(target.shell) else {
            return false;
        };
        if target.terminal.foreground() != Some(shell) || !tree::waits_at_terminal(shell) {
            return false;
        }
        self.seen += 1;
        if self.seen >= AGREE {
            target.terminal.type_line(line);
            return false;
        }
        self.next = Instant::now() + PAUSE;
        true
    }
}
