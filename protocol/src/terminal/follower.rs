//! The modes a terminal is in behind everything it was ever told, in bounded memory: what a host
//! knows of the part of a terminal's output that it does not keep.

use alloc::vec::Vec;

use super::modes::Modes;
use super::sequence::{ESC, State, step};

/// Longest sequence that is looked at, in bytes. None that sets a mode comes near it, and of the
/// others only where they end counts.
const LONGEST: usize = 2048;
/// Bytes that are looked at together for one that means something.
const BLOCK: usize = 64;
/// And before those, one by one.
const NEAR: usize = 16;
const SHIFT_OUT: u8 = 0x0e;
const SHIFT_IN: u8 = 0x0f;
/// Lines of a terminal that nobody has given a size.
const ROWS: u16 = 24;

/// Follows the modes of one terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Follower {
    modes: Modes,
    state: State,
    /// The begin of a sequence or character whose end has not come yet, at most [`LONGEST`] bytes.
    kept: Vec<u8>,
    /// Whether that is not all there was of it.
    cut: bool,
    rows: u16,
}

impl Default for Follower {
    fn default() -> Self {
        Self {
            modes: Modes::default(),
            state: State::Ground,
            kept: Vec::new(),
            cut: false,
            rows: ROWS,
        }
    }
}

impl Follower {
    /// Takes in what the terminal was told next.
    pub fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.is_in_text() {
                let text = text_before(rest);
                let (said, more) = rest.split_at(text.min(rest.len()));
                self.text(said, more.is_empty());
                rest = more;
                if let Some((mark, behind)) = more.split_first() {
                    self.mark(*mark);
                    rest = behind;
                }
            } else {
                let (inside, more) = rest.split_at(self.inside(rest));
                self.keep(inside);
                rest = more;
                if let Some((byte, behind)) = more.split_first() {
                    self.byte(*byte);
                    rest = behind;
                }
            }
        }
    }

    /// The terminal has so many lines now. One that gets another size scrolls all of it again.
    pub fn resized(&mut self, rows: u16) {
        self.rows = rows;
        self.modes.forget_margins();
    }

    /// The modes that are in force.
    #[must_use]
    pub fn modes(&self) -> &Modes {
        &self.modes
    }

    /// What brings a terminal on which nothing is set to where this one is, into the middle of a
    /// sequence if that is where it is. It moves the cursor and asks nothing.
    #[must_use]
    pub fn restoring(&self) -> Vec<u8> {
        let mut out = self.modes.restoring(self.rows).into_bytes();
        match self.state {
            // What is left out must not make another sequence of what is still to come.
            State::Osc if self.cut => out.extend_from_slice(b"\x1b]5876;"),
            State::Text if self.cut => out.extend_from_slice(b"\x1bX"),
            State::End if self.cut => out.extend_from_slice(b"\x1bX\x1b"),
            State::Csi if self.cut => out.extend_from_slice(b"\x1b["),
            _ => out.extend_from_slice(&self.kept),
        }
        out
    }

    fn is_in_text(&self) -> bool {
        matches!(self.state, State::Ground | State::Character(_))
    }

    /// Text, to the end of what has come or up to a mark.
    fn text(&mut self, said: &[u8], to_the_end: bool) {
        if !to_the_end {
            self.state = State::Ground;
            self.kept.clear();
            return;
        }
        // A character has four bytes at most: only the last three can be the begin of one.
        let skipped = said.len().saturating_sub(3);
        if skipped > 0 {
            self.state = State::Ground;
            self.kept.clear();
        }
        for byte in said.get(skipped..).unwrap_or_default() {
            let (next, _) = step(self.state, *byte);
            let goes_on = byte & 0xc0 == 0x80;
            if next == State::Ground || !goes_on {
                self.kept.clear();
            }
            if next != State::Ground {
                self.kept.push(*byte);
            }
            self.state = next;
        }
    }

    /// A byte that means something in the middle of text.
    fn mark(&mut self, byte: u8) {
        self.kept.clear();
        self.state = State::Ground;
        match byte {
            SHIFT_OUT => self.modes.shift(1),
            SHIFT_IN => self.modes.shift(0),
            _ => self.begin(),
        }
    }

    fn begin(&mut self) {
        self.state = State::Escape;
        self.kept.clear();
        self.kept.push(ESC);
        self.cut = false;
    }

    /// How many bytes only make the present sequence longer.
    fn inside(&self, bytes: &[u8]) -> usize {
        let goes_on = |byte: &u8| match self.state {
            State::Csi => matches!(byte, b' '..=b'?'),
            State::Osc | State::Text => *byte >= b' ',
            _ => false,
        };
        let ends = bytes.iter().position(|byte| !goes_on(byte));
        ends.unwrap_or(bytes.len())
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LONGEST.saturating_sub(self.kept.len());
        self.cut |= bytes.len() > room;
        let kept = bytes.get(..room.min(bytes.len()));
        self.kept.extend_from_slice(kept.unwrap_or_default());
    }

    /// A byte in the middle of a sequence.
    fn byte(&mut self, byte: u8) {
        let before = self.state;
        if before == State::End && byte != b'\\' {
            // The ESC before was no end but a begin.
            self.begin();
        }
        let (next, ended) = step(self.state, byte);
        if byte == ESC && next == State::Escape {
            self.begin();
            return;
        }
        self.keep(&[byte]);
        self.state = next;
        if next != State::Ground {
            return;
        }
        if ended && !self.cut {
            self.modes.take(&self.kept);
        }
        self.kept.clear();
        self.cut = false;
    }
}

/// How many bytes there are before the first that means something.
fn text_before(bytes: &[u8]) -> usize {
    let means = |byte: &u8| matches!(*byte, ESC | SHIFT_OUT | SHIFT_IN);
    // Between the sequences of a coloured line there is not much.
    let (near, far) = bytes.split_at(bytes.len().min(NEAR));
    if let Some(at) = near.iter().position(means) {
        return at;
    }
    let mut passed = near.len();
    for block in far.chunks(BLOCK) {
        // Without a way out of the loop it is done many bytes at a time.
        if block.iter().fold(false, |any, byte| any | means(byte)) {
            let within = block.iter().position(means).unwrap_or(block.len());
            return passed.saturating_add(within);
        }
        passed = passed.saturating_add(block.len());
    }
    passed
}

#[cfg(test)]
mod tests;
