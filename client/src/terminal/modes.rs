//! Modes of a terminal that the emulator does not follow: how keys, pastes and the mouse are
//! reported, the shape of the cursor, the title.

use std::collections::BTreeSet;
use std::fmt::Write;

/// Private modes that are followed: kinds and codings of mouse reports, focus reports, pastes.
const FOLLOWED: [u16; 11] = [
    9, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 2004,
];
/// Longest title that is kept, in bytes.
const TITLE: usize = 1024;
/// Deepest stack of kitty's keyboard flags.
const DEEPEST: usize = 16;

/// The modes that are set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    set: BTreeSet<u16>,
    keypad: bool,
    cursor_shape: u16,
    title: String,
    /// Kitty's keyboard flags, as they were pushed.
    keyboard: Vec<u16>,
    /// xterm's modifyOtherKeys.
    other_keys: u16,
}

impl Modes {
    /// Takes in one whole escape sequence.
    pub fn take(&mut self, sequence: &[u8]) {
        match sequence {
            b"\x1bc" => *self = Self::default(),
            b"\x1b=" => self.keypad = true,
            b"\x1b>" => self.keypad = false,
            b"\x1b[!p" => self.keypad = false,
            [0x1b, b'[', rest @ ..] => self.control(rest),
            [0x1b, b']', rest @ ..] => self.command(rest),
            _ => {}
        }
    }

    fn control(&mut self, rest: &[u8]) {
        let Ok(text) = std::str::from_utf8(rest) else {
            return;
        };
        let (parameters, name) = text.split_at(text.len().saturating_sub(1));
        let numbers = |words: &str| -> Vec<u16> {
            let words = words.split(';');
            words.map(|word| word.parse().unwrap_or(0)).collect()
        };
        let first = |words: &str| numbers(words).first().copied().unwrap_or(0);
        match (parameters.chars().next(), name) {
            (Some('?'), "h" | "l") => {
                let words = numbers(parameters.trim_start_matches('?'));
                for mode in words.into_iter().filter(|mode| FOLLOWED.contains(mode)) {
                    if name == "h" {
                        self.set.insert(mode);
                    } else {
                        self.set.remove(&mode);
                    }
                }
            }
            (Some('>'), "u") if self.keyboard.len() < DEEPEST => {
                self.keyboard
                    .push(first(parameters.trim_start_matches('>')));
            }
            (Some('<'), "u") => {
                let count = first(parameters.trim_start_matches('<')).max(1);
                let left = self.keyboard.len().saturating_sub(usize::from(count));
                self.keyboard.truncate(left);
            }
            (Some('>'), "m") => {
                let words = numbers(parameters.trim_start_matches('>'));
                if words.first() == Some(&4) {
                    self.other_keys = words.get(1).copied().unwrap_or(0);
                }
            }
            (_, "q") if parameters.ends_with(' ') => {
                self.cursor_shape = first(parameters.trim_end_matches(' '));
            }
            _ => {}
        }
    }

    fn command(&mut self, rest: &[u8]) {
        let rest = rest.strip_suffix(b"\x07").unwrap_or(rest);
        let rest = rest.strip_suffix(b"\x1b\\").unwrap_or(rest);
        let title = rest.strip_prefix(b"0;").or(rest.strip_prefix(b"2;"));
        if let Some(title) = title.filter(|title| title.len() <= TITLE) {
            let title = String::from_utf8_lossy(title);
            self.title = title.chars().filter(|c| !c.is_control()).collect();
        }
    }

    /// What sets them on a terminal on which none is.
    #[must_use]
    pub fn setting(&self) -> String {
        let mut out = String::new();
        for mode in &self.set {
            let _ = write!(out, "\x1b[?{mode}h");
        }
        if self.keypad {
            out.push_str("\x1b=");
        }
        if self.cursor_shape > 0 {
            let _ = write!(out, "\x1b[{} q", self.cursor_shape);
        }
        for flags in &self.keyboard {
            let _ = write!(out, "\x1b[>{flags}u");
        }
        if self.other_keys > 0 {
            let _ = write!(out, "\x1b[>4;{}m", self.other_keys);
        }
        if !self.title.is_empty() {
            let _ = write!(out, "\x1b]2;{}\x07", self.title);
        }
        out
    }

    /// What sets them back. The title is the affair of whoever saved it.
    #[must_use]
    pub fn unsetting(&self) -> String {
        let mut out = String::new();
        for mode in &self.set {
            let _ = write!(out, "\x1b[?{mode}l");
        }
        if self.keypad {
            out.push_str("\x1b>");
        }
        if self.cursor_shape > 0 {
            out.push_str("\x1b[0 q");
        }
        if !self.keyboard.is_empty() {
            let _ = write!(out, "\x1b[<{}u", self.keyboard.len());
        }
        if self.other_keys > 0 {
            out.push_str("\x1b[>4;0m");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(sequences: &[&str]) -> Modes {
        let mut modes = Modes::default();
        for sequence in sequences {
            modes.take(sequence.as_bytes());
        }
        modes
    }

    #[test]
    fn what_a_program_sets_can_be_set_again_and_taken_back() {
        let modes = after(&[
            "\x1b[?1000;1006h",
            "\x1b[?2004h",
            "\x1b[?1000l",
            "\x1b=",
            "\x1b[5 q",
            "\x1b]0;vim\x1b\\",
            "\x1b[>1u",
            "\x1b[>4;2m",
            "\x1b[?25l",
        ]);
        assert_eq!(
            modes.setting(),
            "\x1b[?1006h\x1b[?2004h\x1b=\x1b[5 q\x1b[>1u\x1b[>4;2m\x1b]2;vim\x07"
        );
        assert_eq!(
            modes.unsetting(),
            "\x1b[?1006l\x1b[?2004l\x1b>\x1b[0 q\x1b[<1u\x1b[>4;0m"
        );
        let mut same = Modes::default();
        let mut splitter = super::super::sequence::Splitter::default();
        splitter.push(modes.setting().as_bytes(), |sequence| same.take(sequence));
        assert_eq!(same, modes);
        splitter.push(modes.unsetting().as_bytes(), |sequence| same.take(sequence));
        assert_eq!(same.unsetting(), "");
    }

    #[test]
    fn a_reset_forgets_everything_and_a_title_steers_nothing() {
        assert_eq!(after(&["\x1b[?2004h", "\x1bc"]), Modes::default());
        let modes = after(&["\x1b]2;a\x01b\x07"]);
        assert_eq!(modes.setting(), "\x1b]2;ab\x07");
        assert_eq!(after(&["\x1b[<9u", "\x1b[>u", "\x1b[<u"]).unsetting(), "");
    }
}
