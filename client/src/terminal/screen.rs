//! What the session's terminal shows: an emulator that is fed what the terminal said, so that the
//! screen can be drawn on another terminal, or drawn again on this one.

use avt::parser::Function;
use avt::{Parser, ScreenKind, Terminal};
use outlast_protocol::link::TerminalSize;

use super::clusters::{Clusters, is_special};
use super::modes::Modes;
use super::portable::portable;
use super::sequence::Splitter;

/// Taken where a terminal says that it has no size.
const USUAL: TerminalSize = TerminalSize {
    columns: 80,
    rows: 24,
};

/// Everything the emulator's dump takes for granted: whole screen, no modes, plain text.
const PLAIN: &str = "\x1b[?6l\x1b[r\x1b[?7h\x1b[4l\x1b[20l\x1b[?1l\x1b(B\x1b)B\x0f\x1b[0m\x1b[?25h";

/// The session's screen, and what of it is not whole yet.
pub struct Screen {
    terminal: Terminal,
    splitter: Splitter,
    modes: Modes,
    clusters: Clusters,
    size: TerminalSize,
}

impl Screen {
    /// An empty screen.
    #[must_use]
    pub fn new(size: TerminalSize) -> Self {
        let size = sane(size);
        Self {
            terminal: empty(size),
            splitter: Splitter::default(),
            modes: Modes::default(),
            clusters: Clusters::default(),
            size,
        }
    }

    /// Takes in what the terminal said; gives back what of it is whole by now.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let modes = &mut self.modes;
        let was_whole = self.splitter.is_whole();
        let whole = self.splitter.push(bytes, |sequence| modes.take(sequence));
        let text = String::from_utf8_lossy(&whole);
        if was_whole && text.contains(is_special) {
            self.show(&text);
        } else {
            self.terminal.feed(&*text);
        }
        whole
    }

    /// Text with characters in it that the emulator cannot be given.
    fn show(&mut self, text: &str) {
        // A mark in the middle of a sequence, of a title perhaps, is the emulator's own affair.
        let mut parser = Parser::new();
        for c in text.chars() {
            match parser.feed(c) {
                Some(Function::Print(mark)) if is_special(mark) => self.combine(mark),
                _ => self.terminal.feed(c),
            }
        }
    }

    /// Adds a mark to the character before the cursor.
    fn combine(&mut self, mark: char) {
        let cursor = self.terminal.cursor();
        let cells = self
            .terminal
            .screen()
            .line(cursor.row)
            .map(avt::Line::cells);
        let before = cells.unwrap_or_default().get(..cursor.col);
        // Of a wide one the second column is a cell without width.
        let base =
            before.and_then(|cells| cells.iter().enumerate().rfind(|(_, it)| it.width() > 0));
        if let Some((column, cell)) = base
            && let Some(both) = self.clusters.with_mark(cell.char(), mark, cell.width() > 1)
        {
            let column = column.saturating_add(1);
            self.terminal.feed(&*format!("\x1b[{column}G{both}"));
        }
    }

    /// Whether something of ours can be put behind what was passed on.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.splitter.is_whole()
    }

    /// The terminal in front of the user has another size.
    pub fn resize(&mut self, size: TerminalSize) {
        self.size = sane(size);
        let TerminalSize { columns, rows } = self.size;
        self.terminal.resize(columns.into(), rows.into());
    }

    /// The size it has.
    #[must_use]
    pub fn size(&self) -> TerminalSize {
        self.size
    }

    /// Forgets everything; gives back what sets a terminal that shows this screen back to the
    /// begin.
    pub fn restart(&mut self) -> String {
        let plain = self.plain();
        *self = Self::new(self.size);
        plain
    }

    /// What draws this screen on a terminal that shows anything. It holds no question that the
    /// terminal would answer: it is made from what the emulator shows, not from what it was fed.
    #[must_use]
    pub fn drawing(&self) -> String {
        let dump = self.clusters.restore(portable(&self.terminal.dump()));
        // The cursor is saved as on a terminal where nobody has done so.
        format!("{PLAIN}\x1b[H\x1b7\x1b[2J{dump}{}", self.modes.setting())
    }

    /// The same on the terminal that shows an older state of it.
    #[must_use]
    pub fn redrawing(&self) -> String {
        // Each of the two screens has a saved cursor of its own.
        let leave = match self.terminal.active_screen_kind() {
            ScreenKind::Alternate => format!("{PLAIN}\x1b[H\x1b7\x1b[?1047l"),
            ScreenKind::Primary => String::new(),
        };
        format!("{leave}{}{}", self.modes.unsetting(), self.drawing())
    }

    fn plain(&self) -> String {
        let alternate = match self.terminal.active_screen_kind() {
            ScreenKind::Alternate => "\x1b[?1049l",
            ScreenKind::Primary => "",
        };
        format!("{alternate}{PLAIN}{}", self.modes.unsetting())
    }

    /// What leaves a terminal that shows this screen sane, on an empty line below everything.
    #[must_use]
    pub fn farewell(&self) -> String {
        let plain = self.plain();
        if self.terminal.active_screen_kind() == ScreenKind::Primary {
            return format!("{plain}{}", below(&self.terminal));
        }
        let mut left = empty(self.size);
        left.feed(self.terminal.dump());
        left.feed("\x1b[?1049l");
        format!("{plain}{}", below(&left))
    }
}

/// What moves the cursor to the first line below everything.
fn below(terminal: &Terminal) -> String {
    let lines = terminal.screen().visible_lines();
    let last = lines
        .enumerate()
        .filter(|(_, line)| !line.text().trim_end().is_empty());
    let last = last.map(|(row, _)| row).last();
    let row = terminal.cursor().row.max(last.unwrap_or(0));
    let feed = if last == Some(row) { "\r\n" } else { "" };
    format!("\x1b[{};1H{feed}", row.saturating_add(1))
}

/// What makes room: what the terminal showed before goes where it can be scrolled back to.
#[must_use]
pub fn make_room(size: TerminalSize) -> String {
    let rows = sane(size).rows;
    format!("\x1b[{rows};1H{}", "\r\n".repeat(rows.into()))
}

fn sane(size: TerminalSize) -> TerminalSize {
    if size.columns == 0 || size.rows == 0 {
        USUAL
    } else {
        size
    }
}

fn empty(size: TerminalSize) -> Terminal {
    let made = Terminal::new(size.columns.into(), size.rows.into());
    // Neither number is zero.
    made.unwrap_or_else(|error| unreachable!("{error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: TerminalSize = TerminalSize {
        columns: 20,
        rows: 5,
    };

    /// What a terminal shows that was fed this: both its screens, cursor and modes.
    fn seen(bytes: &[u8]) -> (String, Modes) {
        let mut screen = Screen::new(SIZE);
        screen.feed(bytes);
        (screen.terminal.dump(), screen.modes)
    }

    fn looks(bytes: &[u8]) -> (Vec<String>, avt::Cursor) {
        let mut screen = Screen::new(SIZE);
        screen.feed(bytes);
        (screen.terminal.screen().text(), screen.terminal.cursor())
    }

    fn assert_restores(said: &str) {
        let mut screen = Screen::new(SIZE);
        screen.feed(said.as_bytes());
        let restored = seen(screen.drawing().as_bytes());
        assert_eq!(restored, seen(said.as_bytes()), "{said:?}");
        // On the very terminal that shows it, too, whatever was put on its last line.
        let again = format!("{said}\x1b7\x1b[5;1Hlost\x1b8{}", screen.redrawing());
        assert_eq!(seen(again.as_bytes()), restored, "{said:?}");
    }

    #[test]
    fn screens_are_restored_with_everything_that_can_be_seen() {
        assert_restores("");
        assert_restores("$ ls\r\nfile\r\n$ half a li");
        assert_restores("\x1b[1;31mred \x1b[38;2;1;2;3;48;5;9mexact\x1b[0m\r\n日本語 é");
        assert_restores("\x1b(0lqqk\x1b(B\x1b[2;3Hx\x1b[4mu");
        assert_restores("12345678901234567890");
        assert_restores("one\r\ntwo\r\nthree\r\nfour\r\nfive\r\nsix\r\n");
        assert_restores(
            "$ vim\r\n\x1b[?1049h\x1b[?1h\x1b=\x1b[?2004h\x1b[?1002;1006h\x1b[2;4r\x1b[H~\r\n~\r\n\
             \x1b[5;1H-- INSERT --\x1b[2;3H\x1b[?25l\x1b[2 q\x1b]2;vim\x07",
        );
    }

    /// Columns as a terminal has them, which gives a mark no column of its own.
    #[test]
    fn marks_stay_with_their_characters_and_take_no_column() {
        let drawn = |pieces: &[&str]| {
            let mut screen = Screen::new(SIZE);
            for piece in pieces {
                screen.feed(piece.as_bytes());
            }
            screen.drawing()
        };
        let plain = drawn(&["cafe ole|\x1b[2;1H日x"]);
        let marked = drawn(&["cafe\u{301} ole|\x1b[2;1H日\u{fe0f}x"]);
        assert_eq!(
            marked.replace(['\u{301}', '\u{fe0f}'], ""),
            plain,
            "the cursor is in the same column"
        );
        assert!(marked.contains("cafe\u{301} ole|") && marked.contains("日\u{fe0f}x"));
        assert_eq!(
            drawn(&["cafe", "\u{301} ole|\x1b[2;1H日", "\u{fe0f}x"]),
            marked
        );
        // At the end of a row, in a title, on nothing at all.
        let end = drawn(&["1234567890123456789e\u{301}\u{323}x\x1b]2;e\u{301}\x07"]);
        assert!(
            end.contains("9e\u{301}\u{323}") && end.contains("2;H") | end.contains("2;2H"),
            "{end:?}"
        );
        assert!(end.contains("\x1b]2;e\u{301}\x07"), "{end:?}");
        assert_eq!(drawn(&["\u{301}a"]), drawn(&["a"]));
    }

    #[test]
    fn a_restored_screen_asks_nothing() {
        let mut screen = Screen::new(SIZE);
        screen.feed(b"a\x1b[c\x1b[>c\x1b[6n\x1b[5n\x1b]11;?\x07\x1b]4;1;?\x1b\\\x1bZ\x1bP+q544e\x1b\\\x1b[18t\x1b[?u\x05b");
        let drawing = screen.drawing();
        assert!(drawing.contains("ab"), "{drawing:?}");
        let mut splitter = Splitter::default();
        let whole = splitter.push(drawing.as_bytes(), |sequence| {
            let text = String::from_utf8_lossy(sequence);
            assert!(
                !text.starts_with("\x1b]") || text.starts_with("\x1b]2;"),
                "{text:?}"
            );
            assert!(!text.starts_with("\x1bP") && text != "\x1bZ", "{text:?}");
            let last = text.chars().last();
            assert!(!matches!(last, Some('c' | 'n' | 't' | 'u')), "{text:?}");
        });
        assert!(!whole.contains(&5), "no enquiry");
    }

    #[test]
    fn a_sequence_that_is_cut_goes_on_behind_the_restored_screen() {
        let mut screen = Screen::new(SIZE);
        screen.feed(b"a\x1b[3");
        let mut shown = screen.drawing().into_bytes();
        shown.extend(screen.feed(b"1mred"));
        assert_eq!(seen(&shown), seen(b"a\x1b[31mred"));
    }

    #[test]
    fn the_terminal_is_left_sane_below_everything() {
        let mut screen = Screen::new(SIZE);
        let said = "$ htop\r\n\x1b[?1049h\x1b[?1000h\x1b[?25l\x1b[41m\x1b[3;1Hload";
        screen.feed(said.as_bytes());
        let left = format!("{said}{}", screen.farewell());
        assert_eq!(looks(left.as_bytes()), looks(b"$ htop\r\n"));
        assert_eq!(seen(left.as_bytes()).1.unsetting(), "");
        let mut screen = Screen::new(SIZE);
        screen.feed(b"$ half");
        let left = format!("$ half{}x", screen.farewell());
        assert_eq!(looks(left.as_bytes()), looks(b"$ half\r\nx"));
        // A line of two rows, and the cursor above its end.
        let long = format!("{}\x1b[H", "x".repeat(30));
        let mut screen = Screen::new(SIZE);
        screen.feed(long.as_bytes());
        let left = format!("{long}{}$", screen.farewell());
        assert_eq!(
            looks(left.as_bytes()),
            looks(format!("{long}\r\n\n$").as_bytes())
        );
    }

    #[test]
    fn no_size_harms_it() {
        for (columns, rows) in [(0, 0), (0, 9), (1, 1), (u16::MAX, 1), (3, 2)] {
            let mut screen = Screen::new(TerminalSize { columns, rows });
            screen.feed("some text\r\n\x1b[10;10Hmore 日本".as_bytes());
            screen.resize(TerminalSize {
                columns: rows,
                rows: columns.min(50),
            });
            screen.feed(b"\x1b[?1049h\x1b[99;99Hx\x1b[r");
            assert!(!screen.drawing().is_empty());
            assert!(!screen.farewell().is_empty());
        }
    }
}
