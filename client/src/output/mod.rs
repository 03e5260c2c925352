//! The only place that writes to standard output and standard error.

pub mod event;
pub mod finding;
pub mod installation;
pub mod json;
pub mod page;
pub mod prefix;
pub mod progress;
pub mod session;
pub mod sink;
pub mod table;

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use page::{Channel, Page};

use crate::cli::error::Error;
use crate::terminal::raw;

/// Where and how results and notes go.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    quiet: bool,
    colour: bool,
}

impl Output {
    /// For this run.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            quiet,
            colour: !plain && io::stderr().is_terminal(),
        }
    }

    /// Whether results may have colours.
    #[must_use]
    pub fn paints_results(self) -> bool {
        self.colour && io::stdout().is_terminal()
    }

    /// Whether only errors and what commands print are wanted.
    #[must_use]
    pub fn is_quiet(self) -> bool {
        self.quiet
    }

    /// A note for the user, on standard error.
    pub fn note(self, text: &str) {
        if !self.quiet {
            complain(&format!("{}\n", clean(text)));
        }
    }

    /// The one place where an error is put into words.
    pub fn error(self, computer: Option<&str>, error: &Error) {
        let prefix = computer.map_or(String::new(), |name| format!("{name}: "));
        let (red, off) = self.paint("\x1b[1;31m");
        let mut text = format!("{red}error:{off} {}\n", clean(&format!("{prefix}{error}")));
        let hint = error.hint();
        if !hint.is_empty() {
            let (cyan, off) = self.paint("\x1b[36m");
            text.push_str(&format!("{cyan}hint:{off} {}\n", clean(&hint)));
        }
        complain(&text);
    }

    fn paint(self, code: &'static str) -> (&'static str, &'static str) {
        if self.colour {
            (code, "\x1b[0m")
        } else {
            ("", "")
        }
    }

    /// A result, on standard output.
    pub fn result(self, text: &str) -> Result<(), Error> {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(text.as_bytes());
        written.and_then(|()| stdout.flush()).map_err(failed)
    }

    /// Writes a page out, in order, and returns when all of it is flushed. Off the runtime's
    /// thread: a reader of ours who is slow must not keep Ctrl-C from being heard.
    pub async fn print(self, page: Page) -> Result<(), Error> {
        if page.is_empty() {
            return Ok(());
        }
        let written = tokio::task::spawn_blocking(move || write_out(&page)).await;
        written
            .unwrap_or_else(|error| Err(io::Error::other(error)))
            .map_err(failed)
    }
}

fn write_out(page: &Page) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    for (channel, bytes) in page.pieces() {
        match channel {
            Channel::Out => stdout.write_all(bytes)?,
            Channel::Err => {
                // What came before it comes before it also where both end in one file.
                stdout.flush()?;
                io::stderr().lock().write_all(&lines(bytes))?;
            }
        }
    }
    stdout.flush()
}

fn failed(source: io::Error) -> Error {
    if source.kind() == io::ErrorKind::BrokenPipe {
        return Error::BrokenPipe;
    }
    Error::System {
        action: "cannot write the output",
        source,
    }
}

fn complain(text: &str) {
    // Nobody is left to be told that standard error is gone.
    let _ = io::stderr().lock().write_all(&lines(text.as_bytes()));
}

/// Words of ours as a terminal takes them on which line feeds do not begin lines.
fn lines(text: &[u8]) -> Cow<'_, [u8]> {
    if !raw::is_raw() {
        return Cow::Borrowed(text);
    }
    let mut lines = vec![b'\r'];
    for byte in text {
        if *byte == b'\n' {
            lines.push(b'\r');
        }
        lines.push(*byte);
    }
    Cow::Owned(lines)
}

/// Text from elsewhere without what could steer a terminal.
#[must_use]
pub fn clean(text: &str) -> String {
    let safe = |c: char| {
        if c.is_control() && c != '\n' && c != '\t' {
            '\u{fffd}'
        } else {
            c
        }
    };
    text.chars().map(safe).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_terminal_is_not_steered_from_afar() {
        assert_eq!(super::clean("a\x1b[2Jb\n"), "a\u{fffd}[2Jb\n");
    }
}
