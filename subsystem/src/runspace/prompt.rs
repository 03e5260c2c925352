//! A shell that shows its prompt in the middle of an invocation has lost its driver.

use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use super::stop::Target;
use super::tree;

const PAUSE: Duration = Duration::from_millis(20);
/// Looks that have to agree: the driver sleeps nowhere between two invocations for so long.
const AGREE: u32 = 2;
/// The looks that find nothing are further and further apart: ten seconds in all. A busy
/// machine may take its time between what the terminal says and the wait for an answer.
const LOOKS: u32 = 9;

/// A prompt is always something that the terminal says, so there is nothing to poll for.
pub(super) struct Prompt {
    seen: u32,
    looks: u32,
    pub(super) next: Instant,
}

impl Prompt {
    pub(super) fn suspected() -> Self {
        Self {
            seen: 0,
            looks: 0,
            next: Instant::now() + PAUSE,
        }
    }

    /// Types `line` at the prompt. Says whether another look is needed. `pressed` is whether
    /// there was a ^C.
    pub(super) fn look(&mut self, target: &Target<'_>, line: &[u8], pressed: bool) -> bool {
        let Ok(shell) = i32::try_from(target.shell) else {
            return false;
        };
        // Where it does not edit a line itself, it reads one for a script.
        if !target.terminal.is_raw() || !tree::waits_at_terminal(shell) {
            self.seen = 0;
            self.next = Instant::now() + PAUSE.saturating_mul(1 << self.looks.min(LOOKS));
            self.looks = self.looks.saturating_add(1);
            return self.looks <= LOOKS;
        }
        self.seen = self.seen.saturating_add(1);
        if self.seen >= AGREE {
            let held = pressed && tree::kill_held(shell);
            if !held && target.terminal.foreground() == Some(shell) {
                target.terminal.type_line(line);
                return false;
            }
            if pressed {
                // It takes the terminal then, and shows its prompt again. Typed now, the line
                // would be the end: it could not read it.
                tree::send(shell, Signal::INT);
                self.seen = 0;
            }
            self.looks = self.looks.saturating_add(1);
        }
        self.next = Instant::now() + PAUSE;
        self.looks <= LOOKS
    }
}
