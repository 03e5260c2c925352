//! What a terminal shows: an emulator that is fed the bytes of a transcript as they come.

use std::collections::BTreeSet;

/// A terminal that keeps what it was fed.
pub struct Emulator {
    terminal: avt::Terminal,
    /// So much of the transcript it has seen.
    seen: usize,
}

/// Everything that can be seen on it at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Without the blanks at their ends and the empty ones below; one that goes on in the next row
    /// of the terminal is one.
    pub lines: Vec<String>,
    /// The row the cursor is on.
    pub at_cursor: String,
    /// Row and column, both from 0.
    pub cursor: (usize, usize),
    pub cursor_is_shown: bool,
    /// Whether the screen of full-screen programs is shown.
    pub alternate: bool,
    /// Both screens with every colour, margin and mode that the emulator knows.
    pub everything: String,
}

impl Emulator {
    pub fn new(rows: u16, columns: u16) -> Self {
        let terminal = avt::Terminal::new(columns.into(), rows.into());
        Self {
            terminal: terminal.expect("a size"),
            seen: 0,
        }
    }

    /// Takes in what it has not seen yet of `bytes`, which are all there were until now.
    pub fn catch_up(&mut self, bytes: &[u8]) {
        let mut rest = &bytes[self.seen..];
        loop {
            // A character that is cut waits for its end.
            let (text, invalid) = match std::str::from_utf8(rest) {
                Ok(text) => (text, None),
                Err(error) => {
                    let (valid, _) = rest.split_at(error.valid_up_to());
                    let text = std::str::from_utf8(valid).expect("valid up to there");
                    (text, Some(error.error_len()))
                }
            };
            self.terminal.feed(text);
            self.seen += text.len();
            rest = &rest[text.len()..];
            match invalid {
                Some(Some(length)) => {
                    self.terminal.feed("\u{fffd}");
                    self.seen += length;
                    rest = &rest[length..];
                }
                Some(None) | None => return,
            }
        }
    }

    /// The lines of the screen, as in [`Seen`].
    pub fn lines(&self) -> Vec<String> {
        let mut lines = self.terminal.screen().text();
        for line in &mut lines {
            line.truncate(line.trim_end().len());
        }
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }

    pub fn look(&self) -> Seen {
        let cursor = self.terminal.cursor();
        let row = self.terminal.screen().line(cursor.row);
        Seen {
            lines: self.lines(),
            at_cursor: row.map_or(String::new(), |row| row.text().trim_end().to_owned()),
            cursor: (cursor.row, cursor.col),
            cursor_is_shown: cursor.visible,
            alternate: self.terminal.active_screen_kind() == avt::ScreenKind::Alternate,
            everything: self.terminal.dump(),
        }
    }

    pub fn resize(&mut self, rows: u16, columns: u16) {
        self.terminal.resize(columns.into(), rows.into());
    }
}

impl Seen {
    /// The last line that is not empty.
    pub fn last(&self) -> &str {
        self.lines.last().map_or("", String::as_str)
    }

    pub fn has(&self, text: &str) -> bool {
        self.lines.iter().any(|line| line.contains(text))
    }
}

/// The private modes that are set on a terminal which was told this, the emulator's own aside: how
/// mouse, focus and pastes are reported.
pub fn private_modes(told: &[u8]) -> BTreeSet<u16> {
    const BEGIN: &[u8] = b"\x1b[?";
    let mut modes = BTreeSet::new();
    let begins = told.windows(BEGIN.len()).enumerate();
    for (at, _) in begins.filter(|(_, window)| *window == BEGIN) {
        let rest = &told[at + BEGIN.len()..];
        let Some(length) = rest
            .iter()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b';'))
        else {
            continue;
        };
        let numbers = String::from_utf8_lossy(&rest[..length]).into_owned();
        let numbers = numbers.split(';').filter_map(|word| word.parse().ok());
        let reports = numbers.filter(|mode| matches!(mode, 9 | 1000..=1016 | 2004));
        match rest[length] {
            b'h' => modes.extend(reports),
            b'l' => {
                let reset: BTreeSet<u16> = reports.collect();
                modes.retain(|mode| !reset.contains(mode));
            }
            _ => {}
        }
    }
    modes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_may_be_cut_anywhere_and_bytes_be_no_text() {
        let told = "né 日本 \x1b[31mred".as_bytes();
        let told = [told, b"\xff\xe2x"].concat();
        let mut whole = Emulator::new(3, 20);
        whole.catch_up(&told);
        let mut pieces = Emulator::new(3, 20);
        for end in 0..=told.len() {
            pieces.catch_up(&told[..end]);
        }
        assert_eq!(pieces.look(), whole.look());
        assert_eq!(whole.lines(), ["né 日本 red\u{fffd}\u{fffd}x"]);
        assert_eq!(whole.look().cursor, (0, 14));
    }

    #[test]
    fn modes_are_those_set_last() {
        let told = b"\x1b[?1000;1006h\x1b[?2004h\x1b[?25l\x1b[?1000l\x1b[?1049h\x1b[?100";
        assert_eq!(private_modes(told), BTreeSet::from([1006, 2004]));
    }
}
