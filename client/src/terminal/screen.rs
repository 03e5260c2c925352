//! What the session's terminal shows: an emulator that is fed what the terminal said, so that the
//! screen can be drawn on another terminal, or drawn again on this one.

use avt::parser::Function;
use avt::{Parser, ScreenKind, Terminal};
use outlast_protocol::link::TerminalSize;

use super::clusters::{Clusters, is_special};
use super::portable::portable;
use outlast_protocol::terminal::modes::Modes;
use outlast_protocol::terminal::sequence::Splitter;

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
    /// Whether the other screen was drawn in part by what was not fed.
    partial: bool,
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
            partial: false,
        }
    }

    /// Takes in what the terminal said; gives back what of it is whole by now.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let (modes, partial) = (&mut self.modes, &mut self.partial);
        let was_whole = self.splitter.is_whole();
        let mut restored = Vec::new();
        let whole = self.splitter.push(bytes, |sequence| {
            modes.take(sequence);
            *partial &= modes.is_alternate();
            let said = modes.restored(sequence);
            restored.extend(said.map(|said| (sequence.to_vec(), said)));
        });
        let mut text = String::from_utf8_lossy(&whole);
        // The emulator has modes, but cannot save them.
        for (sequence, said) in restored {
            let sequence = String::from_utf8_lossy(&sequence);
            text = text.replacen(&*sequence, &said, 1).into();
        }
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

    /// Forgets everything but that `setting` sets the modes that are in force; gives back what sets
    /// a terminal that shows this screen back to the begin.
    pub fn restart(&mut self, setting: &[u8]) -> String {
        let plain = self.plain();
        *self = Self::new(self.size);
        self.feed(setting);
        self.partial = self.modes.is_alternate();
        plain
    }

    /// Whether a full-screen program drew some of what it shows before anything of it was fed.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.partial
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
mod tests;
