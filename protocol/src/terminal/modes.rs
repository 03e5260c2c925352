//! The modes that programs set on a terminal and expect to find set: which screen is shown, how
//! keys, pastes and the mouse are reported, what a newline does, the shape of the cursor, the title.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use super::private::{ON_AT_FIRST, REPORTED, SHOWN, Set};

/// Ways to the other screen.
const SCREENS: [u16; 3] = [47, 1047, 1049];
/// The keypad, as a private mode.
const KEYPAD: u16 = 66;
/// Margins that leave all of a terminal to scroll.
const ALL: (u16, u16) = (1, 0);
/// Longest title that is kept, in bytes.
const TITLE: usize = 1024;
/// Deepest stack of kitty's keyboard flags.
const DEEPEST: usize = 16;

/// Character sets: which are designated as G0 to G3, and which of them is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Charsets {
    /// The intermediate and the final byte that designate them.
    designated: [(u8, u8); 4],
    used: u8,
}

impl Default for Charsets {
    fn default() -> Self {
        Self {
            designated: [(b'(', b'B'), (b')', b'B'), (b'*', b'B'), (b'+', b'B')],
            used: 0,
        }
    }
}

/// What `CSI ? s` has saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Saved {
    known: Set,
    /// Of those: which were other than at first.
    changed: Set,
    screen: Option<Option<u16>>,
    keypad: Option<bool>,
}

/// The modes that are set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Modes {
    /// Private modes that are other than at first.
    changed: Set,
    /// How the other screen was come to, where that is shown.
    screen: Option<u16>,
    insert: bool,
    new_line: bool,
    keypad: bool,
    charsets: Charsets,
    /// First and last line of what scrolls; 0 is the last there is.
    margins: (u16, u16),
    saved: Saved,
    cursor_shape: u16,
    title: String,
    /// Kitty's keyboard flags, as they were pushed.
    keyboard: Vec<u16>,
    /// xterm's modifyOtherKeys.
    other_keys: u16,
}

impl Default for Modes {
    fn default() -> Self {
        Self {
            changed: Set::default(),
            screen: None,
            insert: false,
            new_line: false,
            keypad: false,
            charsets: Charsets::default(),
            margins: ALL,
            saved: Saved::default(),
            cursor_shape: 0,
            title: String::new(),
            keyboard: Vec::new(),
            other_keys: 0,
        }
    }
}

impl Modes {
    /// Takes in one whole escape sequence.
    pub fn take(&mut self, sequence: &[u8]) {
        match sequence {
            b"\x1bc" => *self = Self::default(),
            b"\x1b=" => self.keypad = true,
            b"\x1b>" => self.keypad = false,
            b"\x1bn" => self.shift(2),
            b"\x1bo" => self.shift(3),
            [0x1b, b'[', rest @ ..] => self.control(rest),
            [0x1b, b']', rest @ ..] => self.command(rest),
            [0x1b, into @ (b'('..=b'+' | b'-'..=b'/'), set] => self.designate(*into, *set),
            _ => {}
        }
    }

    /// Another of the designated character sets is used: by a control character, no sequence.
    pub fn shift(&mut self, to: u8) {
        self.charsets.used = to;
    }

    /// All of the terminal scrolls again.
    pub fn forget_margins(&mut self) {
        self.margins = ALL;
    }

    /// Whether the other screen is shown, that of full-screen programs.
    #[must_use]
    pub fn is_alternate(&self) -> bool {
        self.screen.is_some()
    }

    fn designate(&mut self, into: u8, set: u8) {
        // Those of 96 characters have other intermediates.
        let at = into.wrapping_sub(if into < b'-' { b'(' } else { b',' });
        if let Some(designated) = self.charsets.designated.get_mut(usize::from(at)) {
            *designated = (into, set);
        }
    }

    fn control(&mut self, rest: &[u8]) {
        let Some((name, parameters)) = rest.split_last() else {
            return;
        };
        let (prefix, parameters) = match parameters.split_first() {
            Some((prefix @ b'<'..=b'?', parameters)) => (*prefix, parameters),
            _ => (0, parameters),
        };
        match (prefix, *name) {
            (b'?', b'h' | b'l') => {
                numbers(parameters).for_each(|mode| self.set_private(mode, *name == b'h'));
            }
            (b'?', b's') => numbers(parameters).for_each(|mode| self.save(mode)),
            (b'?', b'r') => numbers(parameters).for_each(|mode| self.restore(mode)),
            (0, b'h' | b'l') => {
                for mode in numbers(parameters) {
                    match mode {
                        4 => self.insert = *name == b'h',
                        20 => self.new_line = *name == b'h',
                        _ => {}
                    }
                }
            }
            (0, b'r') => {
                let mut numbers = numbers(parameters);
                let (top, bottom) = (numbers.next(), numbers.next());
                let (top, bottom) = (top.unwrap_or(0).max(1), bottom.unwrap_or(0));
                // Terminals ignore what leaves nothing to scroll.
                if bottom == 0 || top < bottom {
                    self.margins = (top, bottom);
                }
            }
            (0, b'p') if parameters == b"!" => self.soft_reset(),
            (0, b'q') if parameters.ends_with(b" ") => {
                let shape = parameters.strip_suffix(b" ").unwrap_or_default();
                self.cursor_shape = first(shape);
            }
            (b'>', b'u') if self.keyboard.len() < DEEPEST => self.keyboard.push(first(parameters)),
            (b'<', b'u') => {
                let count = usize::from(first(parameters).max(1));
                self.keyboard
                    .truncate(self.keyboard.len().saturating_sub(count));
            }
            (b'>', b'm') => {
                let mut numbers = numbers(parameters);
                if numbers.next() == Some(4) {
                    self.other_keys = numbers.next().unwrap_or(0);
                }
            }
            _ => {}
        }
    }

    fn set_private(&mut self, mode: u16, on: bool) {
        if SCREENS.contains(&mode) {
            self.screen = on.then_some(self.screen.unwrap_or(mode));
        } else if mode == KEYPAD {
            self.keypad = on;
        } else if let Some(one) = Set::of(mode) {
            let changed = on != ON_AT_FIRST.contains(&mode);
            self.changed = self.changed.with(one, changed);
        }
    }

    fn save(&mut self, mode: u16) {
        if SCREENS.contains(&mode) {
            self.saved.screen = Some(self.screen);
        } else if mode == KEYPAD {
            self.saved.keypad = Some(self.keypad);
        } else if let Some(one) = Set::of(mode) {
            self.saved.known = self.saved.known.with(one, true);
            self.saved.changed = self.saved.changed.with(one, self.changed.has(one));
        }
    }

    fn restore(&mut self, mode: u16) {
        if SCREENS.contains(&mode) {
            self.screen = self.saved.screen.unwrap_or(self.screen);
        } else if mode == KEYPAD {
            self.keypad = self.saved.keypad.unwrap_or(self.keypad);
        } else if let Some(one) = Set::of(mode).filter(|one| self.saved.known.has(*one)) {
            self.changed = self.changed.with(one, self.saved.changed.has(one));
        }
    }

    /// `CSI ! p`: what is shown and how, and the keys; mouse and pastes stay.
    fn soft_reset(&mut self) {
        for one in SHOWN.into_iter().filter_map(Set::of) {
            self.changed = self.changed.with(one, false);
        }
        self.insert = false;
        self.keypad = false;
        self.charsets = Charsets::default();
        self.forget_margins();
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

    /// What sets on a terminal on which nothing is set all that is in force on this one, which has
    /// so many lines.
    #[must_use]
    pub fn restoring(&self, rows: u16) -> String {
        let mut out = self.saving();
        if let Some(screen) = self.screen {
            put(&mut out, screen, true);
        }
        let first = Charsets::default();
        for (known, (into, set)) in first.designated.iter().zip(self.charsets.designated) {
            if *known != (into, set) {
                out.extend(['\x1b', char::from(into), char::from(set)]);
            }
        }
        out.push_str(match self.charsets.used {
            1 => "\x0e",
            2 => "\x1bn",
            3 => "\x1bo",
            _ => "",
        });
        if self.insert {
            out.push_str("\x1b[4h");
        }
        if self.new_line {
            out.push_str("\x1b[20h");
        }
        match self.margins {
            (1, 0) => {}
            (top, 0) => {
                let _ = write!(out, "\x1b[{top}r");
            }
            (1, bottom) if bottom >= rows => {}
            (top, bottom) => {
                let _ = write!(out, "\x1b[{top};{bottom}r");
            }
        }
        for mode in self.changed.modes() {
            put(&mut out, mode, !ON_AT_FIRST.contains(&mode));
        }
        out.push_str(&self.besides());
        out
    }

    /// What saves what was saved, and leaves nothing set.
    fn saving(&self) -> String {
        let mut out = String::new();
        for (mode, one) in Set::all().filter(|(_, one)| self.saved.known.has(*one)) {
            let at_first = ON_AT_FIRST.contains(&mode);
            put(&mut out, mode, self.saved.changed.has(one) != at_first);
            let _ = write!(out, "\x1b[?{mode}s");
            put(&mut out, mode, at_first);
        }
        let screen = self.saved.screen.map(|screen| match screen {
            Some(mode) => (mode, true),
            None => (1049, false),
        });
        let keypad = self.saved.keypad.map(|on| (KEYPAD, on));
        for (mode, on) in screen.into_iter().chain(keypad) {
            put(&mut out, mode, on);
            let _ = write!(out, "\x1b[?{mode}s");
            put(&mut out, mode, false);
        }
        out
    }

    /// The same without what an emulator of the screen has by itself.
    #[must_use]
    pub fn setting(&self) -> String {
        let mut out = String::new();
        for mode in self.changed.modes().filter(|mode| REPORTED.contains(mode)) {
            put(&mut out, mode, true);
        }
        out.push_str(&self.besides());
        out
    }

    /// What sets what is no private mode, nor the emulator's.
    fn besides(&self) -> String {
        let mut out = String::new();
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

    /// What sets back what [`Self::setting`] sets. The title is the affair of whoever saved it.
    #[must_use]
    pub fn unsetting(&self) -> String {
        let mut out = String::new();
        // Not every terminal can save modes: on one that cannot, what was restored is as it was.
        let perhaps = self.changed.or(self.saved.known);
        for mode in perhaps.modes().filter(|mode| !SHOWN.contains(mode)) {
            put(&mut out, mode, false);
        }
        if self.keypad || self.saved.keypad.is_some() {
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

    /// What a sequence that restores saved modes has just done, said so that it does not matter
    /// what was saved; none for any other sequence.
    #[must_use]
    pub fn restored(&self, sequence: &[u8]) -> Option<String> {
        let parameters = sequence.strip_prefix(b"\x1b[?")?.strip_suffix(b"r")?;
        let mut out = String::new();
        for mode in numbers(parameters) {
            let on = if SCREENS.contains(&mode) {
                self.saved.screen.map(|_| self.screen.is_some())
            } else {
                let one = Set::of(mode).filter(|one| self.saved.known.has(*one));
                one.map(|one| self.changed.has(one) != ON_AT_FIRST.contains(&mode))
            };
            if let Some(on) = on {
                put(&mut out, mode, on);
            }
        }
        Some(out)
    }
}

fn put(out: &mut String, mode: u16, on: bool) {
    let _ = write!(out, "\x1b[?{mode}{}", if on { 'h' } else { 'l' });
}

fn numbers(parameters: &[u8]) -> impl Iterator<Item = u16> {
    parameters.split(|byte| *byte == b';').map(number)
}

fn first(parameters: &[u8]) -> u16 {
    numbers(parameters).next().unwrap_or(0)
}

/// 0 for what is none. Terminals obey control characters in the middle of a sequence, and read on.
fn number(word: &[u8]) -> u16 {
    let digits = word.iter().filter(|byte| **byte >= b' ');
    let number = digits.copied().try_fold(0u16, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        Some(number.saturating_mul(10).saturating_add(digit.into()))
    });
    number.unwrap_or(0)
}

#[cfg(test)]
mod tests;
