//! The terminal in front of a visitor: what is shown on it, and what is typed.

use bytes::Bytes;
use outlast_protocol::limits::TERMINAL_HISTORY;
use outlast_protocol::link::TerminalSize;
use tokio::sync::mpsc::Receiver;

use super::error::Error;
use super::stdin;
use crate::terminal::detach::DetachKeys;
use crate::terminal::keys::{Action, Keys, help};
use crate::terminal::raw::RawMode;
use crate::terminal::screen::{Screen, make_room};
use crate::terminal::size::Changes;
use crate::terminal::status;

/// The title is saved before the first one of the session's, and had back behind the last.
const SAVE_TITLE: &str = "\x1b[22;2t";
const RESTORE_TITLE: &str = "\x1b[23;2t";

/// How far it is.
#[derive(Debug)]
enum Stage {
    /// Nothing is shown yet: what comes is what was shown lately.
    Before,
    /// The session is on the terminal; its keys come out of the receiver.
    Open(RawMode, Option<Receiver<Bytes>>),
    /// The terminal is the user's again.
    Closed,
}

/// What the user does at the terminal.
pub(super) enum Doing {
    /// Types this; none where nothing can be typed any more.
    Types(Option<Bytes>),
    /// Gives the terminal another size.
    Resizes(TerminalSize),
}

/// The terminal in front of a visitor.
pub(super) struct Front {
    stage: Stage,
    screen: Screen,
    keys: Keys,
    detach: DetachKeys,
    changes: Changes,
    /// Whether what comes is only taken in, until there is a screen to be drawn from it.
    gathers: bool,
    gathered: usize,
    /// Whether the program is to draw again what was drawn of its screen by halves.
    redraw: bool,
    /// What is shown on the last line, over the screen.
    status: Option<String>,
}

fn system(source: std::io::Error) -> Error {
    Error::System {
        action: "cannot use the terminal",
        source,
    }
}

impl Front {
    /// The terminal as it is, with nothing of the session on it.
    pub(super) fn new(detach: DetachKeys, size: TerminalSize) -> Result<Self, Error> {
        Ok(Self {
            stage: Stage::Before,
            screen: Screen::new(size),
            keys: Keys::new(detach.clone()),
            detach,
            changes: Changes::follow().map_err(system)?,
            gathers: true,
            gathered: 0,
            redraw: false,
            status: None,
        })
    }

    /// Whether the session is on it.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open(..))
    }

    /// The size the session's terminal should have.
    pub(super) fn size(&self) -> TerminalSize {
        self.screen.size()
    }

    /// Takes in what the session's terminal said; gives back what is to be written.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Error> {
        let whole = self.screen.feed(bytes);
        if matches!(self.stage, Stage::Closed) {
            return Ok(Vec::new());
        }
        if !self.gathers {
            return Ok(whole);
        }
        self.gathered = self.gathered.saturating_add(bytes.len());
        // A program that never pauses is shown all the same.
        if self.is_open() && self.gathered > TERMINAL_HISTORY.saturating_mul(2) {
            return self.draw();
        }
        Ok(Vec::new())
    }

    /// Draws what was taken in, where that is still to be done.
    pub(super) fn draw(&mut self) -> Result<Vec<u8>, Error> {
        if !std::mem::replace(&mut self.gathers, false) || matches!(self.stage, Stage::Closed) {
            return Ok(Vec::new());
        }
        let mut out = String::new();
        if matches!(self.stage, Stage::Before) {
            let raw = RawMode::begin().map_err(system)?;
            let input = stdin::keys().map_err(system)?;
            self.stage = Stage::Open(raw, Some(input));
            out.push_str(SAVE_TITLE);
            out.push_str(&make_room(self.screen.size()));
        }
        out.push_str(&self.screen.drawing());
        out.push_str(&self.status_line());
        self.redraw = self.screen.is_partial();
        self.remember_farewell();
        Ok(out.into_bytes())
    }

    /// Whether the program should be made to draw its screen again; said once for each drawing.
    pub(super) fn takes_redraw(&mut self) -> bool {
        std::mem::take(&mut self.redraw)
    }

    /// Part of what the terminal said is lost: the screen is drawn anew from what follows, on a
    /// terminal in the modes that `setting` sets.
    pub(super) fn restart(&mut self, setting: &[u8]) -> Vec<u8> {
        self.gathers = true;
        self.gathered = 0;
        let plain = self.screen.restart(setting);
        if self.is_open() {
            plain.into_bytes()
        } else {
            Vec::new()
        }
    }

    /// Shows a line of ours over the last one, until the next [`Self::clear`].
    pub(super) fn say(&mut self, text: String) -> Vec<u8> {
        self.status = Some(text);
        if self.is_open() {
            self.status_line().into_bytes()
        } else {
            Vec::new()
        }
    }

    fn status_line(&self) -> String {
        match &self.status {
            Some(text) if self.screen.is_whole() => status::line(text, self.screen.size()),
            _ => String::new(),
        }
    }

    /// Takes our line away.
    pub(super) fn clear(&mut self) -> Vec<u8> {
        if self.status.take().is_none() || !self.is_open() || self.gathers {
            return Vec::new();
        }
        self.screen.redrawing().into_bytes()
    }

    /// What the user does next. Cancel-safe.
    pub(super) async fn next(&mut self) -> Doing {
        let typed = async {
            match &mut self.stage {
                Stage::Open(_, Some(input)) => input.recv().await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            typed = typed => Doing::Types(typed),
            size = self.changes.next() => Doing::Resizes(size),
        }
    }

    /// What that means; what is to be written because of it.
    pub(super) fn actions(&mut self, typed: Option<&[u8]>) -> (Vec<Action>, Vec<u8>) {
        let Some(bytes) = typed else {
            if let Stage::Open(_, input) = &mut self.stage {
                *input = None;
            }
            return (vec![Action::Leave], Vec::new());
        };
        let actions = self.keys.push(bytes);
        let mut out = Vec::new();
        if actions.contains(&Action::Help) {
            let help = help(&self.detach);
            out.extend(self.say(help));
        }
        (actions, out)
    }

    /// The keys of the begin of a line count now, wherever the cursor is.
    pub(super) fn begin_line(&mut self) {
        self.keys.begin_line();
    }

    /// Takes the new size in; gives back what is to be written.
    pub(super) fn resize(&mut self, size: TerminalSize) -> Vec<u8> {
        self.screen.resize(size);
        match self.status {
            Some(_) => self.redraw(),
            None => Vec::new(),
        }
    }

    /// The session's terminal has this size for now, and the one in front of the user its own.
    pub(super) fn pretend(&mut self, size: TerminalSize) {
        self.screen.resize(size);
    }

    /// What shows the session's screen again: behind [`Self::pretend`] a program takes for granted
    /// what a terminal does that really gets another size, as to scroll all of it.
    pub(super) fn redraw(&mut self) -> Vec<u8> {
        if !self.is_open() || self.gathers {
            return Vec::new();
        }
        let mut out = self.screen.redrawing();
        out.push_str(&self.status_line());
        out.into_bytes()
    }

    /// Before anything is written: what the terminal is left with if we end right behind it.
    pub(super) fn remember_farewell(&mut self) {
        if let Stage::Open(raw, _) = &self.stage {
            raw.farewell(farewell(&self.screen));
        }
    }

    /// Gives the terminal back to the user.
    pub(super) fn close(&mut self) {
        self.remember_farewell();
        self.stage = Stage::Closed;
    }
}

fn farewell(screen: &Screen) -> Vec<u8> {
    let mut bytes = screen.farewell().into_bytes();
    bytes.extend_from_slice(RESTORE_TITLE.as_bytes());
    bytes
}
