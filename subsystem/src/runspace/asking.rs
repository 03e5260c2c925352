//! A program that reads a password from the terminal while nobody sits there.
//!
//! An invocation on pipes has a terminal all the same, its shell's, and sudo, ssh or passwd ask
//! there. That somebody is asked shows in the terminal's modes: what is typed is not shown. It is
//! looked for when the terminal has said something, and for a moment after that: some programs
//! print their prompt first.

use std::time::Duration;

use tokio::time::Instant;

use super::Runspace;
use super::spec::Event;
use super::terminal::Echo;

const PAUSE: Duration = Duration::from_millis(10);
/// The looks are further and further apart: a second in all.
const LOOKS: u32 = 6;
/// Of what was said last, in bytes.
const PROMPT: usize = 1000;
/// Lines of that.
const LINES: usize = 4;
const END_OF_FILE: &[u8] = b"\x04";

/// What is known of a question.
#[derive(Default)]
pub(super) struct Asking {
    /// Whether one is open.
    asked: bool,
    /// What was said last, since the invocation began or an answer was given.
    said: Vec<u8>,
    /// A look whether there is one.
    look: Option<(Instant, u32)>,
}

impl Asking {
    pub(super) fn next_look(&self) -> Option<Instant> {
        self.look.map(|(at, _)| at)
    }
}

impl Runspace {
    /// Answers [`Event::Asked`]; with none the program reads the end of the file.
    pub fn answer(&mut self, text: Option<&str>) {
        // The program may be gone, and what is typed now be shown.
        if !self.asking.asked || !self.is_asked() {
            return;
        }
        self.asking.asked = false;
        match text {
            Some(text) => self.terminal.type_line(&[text.as_bytes(), b"\n"].concat()),
            None => self.terminal.type_line(END_OF_FILE),
        }
        self.asking.said.clear();
        self.events.push_back(Event::AskedNoMore);
    }

    /// The terminal said something: perhaps a prompt.
    pub(super) fn suspect_question(&mut self, bytes: &[u8]) {
        if self.invocation.is_some() && !self.on_terminal {
            let said = &mut self.asking.said;
            said.extend_from_slice(bytes);
            said.drain(..said.len().saturating_sub(PROMPT));
            self.asking.look = Some((Instant::now(), 0));
        }
    }

    /// An invocation begins.
    pub(super) fn forget_questions(&mut self) {
        self.asking = Asking::default();
    }

    /// Whether a password could be typed.
    fn is_asked(&self) -> bool {
        let shell = i32::try_from(self.shell.pid()).ok();
        match self.terminal.echo() {
            Echo::On => false,
            Echo::Off => true,
            // A program that draws the screen itself; or one that shows a star for each key.
            Echo::Raw => self.terminal.foreground() != shell && is_prompt(&self.said()),
        }
    }

    fn said(&self) -> String {
        lines(&String::from_utf8_lossy(&self.asking.said))
    }

    /// Whether the cursor stands behind something: a prompt waits there for its answer.
    fn is_in_line(&self) -> bool {
        !self.asking.said.ends_with(b"\n")
    }

    /// Does what is due.
    pub(super) fn look_for_question(&mut self, now: Instant) {
        let Some((at, count)) = self.asking.look else {
            return;
        };
        if at > now {
            return;
        }
        self.asking.look = None;
        let running = self.is_running() && !self.on_terminal;
        // Behind an answer, programs end the line before they show again what is typed.
        let asked = running && self.is_asked() && (self.is_in_line() || count == LOOKS);
        if asked && !self.asking.asked {
            self.asking.asked = true;
            let text = self.said();
            self.events.push_back(Event::Asked { text });
        } else if !asked && self.asking.asked {
            self.ask_no_more();
        } else if running && !asked && count < LOOKS {
            let pause = PAUSE.saturating_mul(1 << count);
            self.asking.look = Some((now + pause, count.saturating_add(1)));
        }
    }

    /// The invocation is over, or its question is.
    pub(super) fn ask_no_more(&mut self) {
        if std::mem::take(&mut self.asking.asked) {
            self.events.push_back(Event::AskedNoMore);
        }
    }
}

/// What was said in its last lines, without escape sequences. The last is mostly a prompt.
fn lines(said: &str) -> String {
    let shown = said.split(['\n', '\r']).map(plain);
    let mut lines: Vec<String> = shown.filter(|line| !line.trim().is_empty()).collect();
    lines.drain(..lines.len().saturating_sub(LINES));
    lines.join("\n")
}

fn plain(line: &str) -> String {
    let mut shown = String::new();
    let mut escaped = false;
    for character in line.chars() {
        match character {
            '\x1b' => escaped = true,
            _ if escaped => escaped = !character.is_ascii_alphabetic(),
            _ if character.is_control() => {}
            _ => shown.push(character),
        }
    }
    shown
}

/// Whether the last line asks for something that is not shown.
fn is_prompt(said: &str) -> bool {
    let line = said.lines().last().unwrap_or_default();
    let line = line.trim_end().to_lowercase();
    let words = [
        "password",
        "passphrase",
        "passcode",
        "pin",
        "code",
        "otp",
        "kennwort",
    ];
    line.trim_end_matches('*').trim_end().ends_with([':', '?'])
        && words.iter().any(|word| line.contains(word))
}

#[cfg(test)]
mod tests {
    use super::{is_prompt, lines};

    #[test]
    fn the_last_lines_are_as_they_are_seen() {
        let said = "\r\nSorry, try again.\r\n\x1b[1m[sudo] password for ada:\x1b[0m ";
        assert_eq!(lines(said), "Sorry, try again.\n[sudo] password for ada: ");
        assert!(is_prompt(&lines(said)));
        assert_eq!(lines("1\n2\n3\n4\nToken:\r\n"), "2\n3\n4\nToken:");
        assert_eq!(lines(""), "");
    }

    #[test]
    fn a_prompt_asks_for_something_secret_at_the_end_of_its_line() {
        for line in [
            "[sudo] password for ada: ",
            "Enter passphrase for key '/home/ada/.ssh/id': ",
            "[sudo: authenticate] Password: ***",
            "Verification code: ",
        ] {
            assert!(is_prompt(line), "{line}");
        }
        for line in ["", "-- INSERT --", "password changed", "Continue? "] {
            assert!(!is_prompt(line), "{line}");
        }
    }
}
