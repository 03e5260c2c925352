//! Where escape sequences and characters end: what a program writes to its terminal is cut
//! anywhere on its way, and nothing of ours may be put into the middle of one.

use alloc::vec::Vec;

/// A sequence longer than this (a picture, a clipboard) is passed on in parts.
const LONGEST: usize = 64 * 1024;

pub(super) const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    #[default]
    Ground,
    /// In a UTF-8 character: so many bytes are missing.
    Character(u8),
    Escape,
    /// Behind the `(` of `ESC ( B`.
    Intermediate,
    Csi,
    /// An operating system command, which a BEL may end.
    Osc,
    /// Another string: DCS, SOS, PM, APC.
    Text,
    /// Behind the ESC that may begin the end of a string.
    End,
}

/// Cuts a stream where sequences and characters end.
#[derive(Debug, Default)]
pub struct Splitter {
    state: State,
    /// The begin of a sequence whose end has not come yet.
    kept: Vec<u8>,
    /// Whether the begin of the present sequence was passed on already.
    passed: bool,
}

impl Splitter {
    /// Takes bytes in; gives back what is whole by now, and shows each whole sequence to `each`.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8])) -> Vec<u8> {
        let mut all = core::mem::take(&mut self.kept);
        let known = all.len();
        all.extend_from_slice(bytes);
        let mut begin = 0;
        for (at, byte) in all.iter().enumerate().skip(known) {
            if self.state == State::Ground {
                begin = at;
            }
            // A broken sequence ends where the next begins.
            if *byte == ESC && self.state == State::End {
                begin = at;
            }
            let (next, ended) = step(self.state, *byte);
            if *byte == ESC && next == State::Escape {
                begin = at;
            }
            if next == State::Escape && self.state == State::End && *byte != ESC {
                // The ESC before was no end but a begin.
                begin = at.saturating_sub(1);
                let (again, ended) = step(State::Escape, *byte);
                self.settle(again, ended, all.get(begin..=at), &mut each);
                continue;
            }
            self.settle(next, ended, all.get(begin..=at), &mut each);
        }
        if self.state == State::Ground {
            return all;
        }
        if self.passed || all.len().saturating_sub(begin) > LONGEST {
            self.passed = true;
            return all;
        }
        self.kept = all.split_off(begin);
        all
    }

    fn settle(
        &mut self,
        next: State,
        ended: bool,
        sequence: Option<&[u8]>,
        each: &mut impl FnMut(&[u8]),
    ) {
        self.state = next;
        if next == State::Ground {
            if ended && !self.passed {
                each(sequence.unwrap_or_default());
            }
            self.passed = false;
        }
    }

    /// Whether everything passed on so far is whole.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.passed
    }
}

/// The state behind a byte, and whether a sequence ended with it.
pub(super) fn step(state: State, byte: u8) -> (State, bool) {
    let cancels = matches!(byte, 0x18 | 0x1a);
    match state {
        _ if cancels => (State::Ground, false),
        State::Osc | State::Text if byte == ESC => (State::End, false),
        State::Osc if byte == BEL => (State::Ground, true),
        State::Osc | State::Text => (state, false),
        State::End if byte == b'\\' => (State::Ground, true),
        _ if byte == ESC => (State::Escape, false),
        State::End => (State::Escape, false),
        State::Character(missing) if byte & 0xc0 == 0x80 => match missing {
            0 | 1 => (State::Ground, false),
            more => (State::Character(more - 1), false),
        },
        State::Ground | State::Character(_) => match byte {
            0xc2..=0xdf => (State::Character(1), false),
            0xe0..=0xef => (State::Character(2), false),
            0xf0..=0xf4 => (State::Character(3), false),
            _ => (State::Ground, false),
        },
        State::Escape => match byte {
            b'[' => (State::Csi, false),
            b']' => (State::Osc, false),
            b'P' | b'X' | b'^' | b'_' => (State::Text, false),
            0x20..=0x2f => (State::Intermediate, false),
            0x30..=0x7e => (State::Ground, true),
            _ => (state, false),
        },
        State::Intermediate if matches!(byte, 0x30..=0x7e) => (State::Ground, true),
        State::Csi if matches!(byte, 0x40..=0x7e) => (State::Ground, true),
        State::Intermediate | State::Csi => (state, false),
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    const STREAM: &str = "a\x1b[31mred\x1b[0m é€😀 \x1b]0;title\x07\x1b(0q\x1b(B\x1bP1;2|x\x07y\x1b\\\x1b]8;;u\
         \x1b\\z\x1b[?1;2\x18c\x1b[\x1b[2Jend";

    fn sequences(pieces: &[&[u8]]) -> (Vec<u8>, Vec<Vec<u8>>) {
        let mut splitter = Splitter::default();
        let mut found = Vec::new();
        let mut passed = Vec::new();
        for piece in pieces {
            passed.extend(splitter.push(piece, |sequence| found.push(sequence.to_vec())));
        }
        (passed, found)
    }

    #[test]
    fn wherever_it_is_cut_the_same_sequences_are_seen() {
        let whole = sequences(&[STREAM.as_bytes()]);
        let words: Vec<_> = whole.1.iter().map(|s| String::from_utf8_lossy(s)).collect();
        assert_eq!(
            words,
            [
                "\x1b[31m",
                "\x1b[0m",
                "\x1b]0;title\x07",
                "\x1b(0",
                "\x1b(B",
                "\x1bP1;2|x\x07y\x1b\\",
                "\x1b]8;;u\x1b\\",
                "\x1b[2J",
            ]
        );
        for cut in 0..=STREAM.len() {
            let (first, second) = STREAM.as_bytes().split_at(cut);
            assert_eq!(sequences(&[first, second]), whole, "cut at {cut}");
        }
        let single: Vec<&[u8]> = STREAM.as_bytes().chunks(1).collect();
        assert_eq!(sequences(&single), whole);
    }

    #[test]
    fn what_has_begun_is_kept_until_it_ends() {
        let mut splitter = Splitter::default();
        assert_eq!(splitter.push(b"ab\x1b[3", |_| ()), b"ab");
        assert_eq!(splitter.push(b"1", |_| ()), b"");
        assert_eq!(splitter.push(b"mc\xe2\x82", |_| ()), b"\x1b[31mc");
        assert_eq!(splitter.push(b"\xac", |_| ()), "€".as_bytes());
    }

    #[test]
    fn a_picture_is_passed_on_in_parts_and_nothing_is_put_into_it() {
        let mut splitter = Splitter::default();
        let mut picture = b"\x1bPq".to_vec();
        picture.resize(LONGEST + 10, b'~');
        assert_eq!(splitter.push(&picture, |_| ()), picture);
        assert!(!splitter.is_whole());
        assert_eq!(splitter.push(b"~~~", |_| ()), b"~~~");
        assert_eq!(splitter.push(b"~\x1b\\", |_| ()), b"~\x1b\\");
        assert!(splitter.is_whole());
    }

    #[test]
    fn bytes_that_are_no_text_are_passed_on() {
        let (passed, found) = sequences(&[b"\xff\xe2a\x80\xf0\x9f", b"b"]);
        assert_eq!(passed, b"\xff\xe2a\x80\xf0\x9fb");
        assert!(found.is_empty());
    }
}
