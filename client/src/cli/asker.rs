//! Asking the user, on the terminal, one question at a time.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::sync::Mutex;

use outlast_protocol::control::to_cli::Question;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::output::clean;

/// The terminal with echo turned off and how it was before, for whoever ends the program.
static SILENCED: Mutex<Option<(File, Termios)>> = Mutex::new(None);

/// Asks for all connections of this run.
#[derive(Debug, Default)]
pub(super) struct Asker {
    turn: tokio::sync::Mutex<()>,
}

impl Asker {
    /// Asks for every field; none if nobody can be asked.
    pub(super) async fn ask(&self, computer: &str, question: &Question) -> Option<Vec<String>> {
        let _turn = self.turn.lock().await;
        let computer = clean(computer);
        let text = clean(&question.text);
        let fields = question.fields.clone();
        let asked = tokio::task::spawn_blocking(move || ask(&computer, &text, &fields));
        asked.await.ok()?.ok()
    }
}

fn ask(computer: &str, text: &str, fields: &[(String, bool)]) -> io::Result<Vec<String>> {
    let mut terminal = File::options().read(true).write(true).open("/dev/tty")?;
    let mut reader = BufReader::new(terminal.try_clone()?);
    writeln!(terminal, "{computer}: {text}")?;
    let mut answers = Vec::new();
    for (prompt, shown) in fields {
        write!(terminal, "{}", clean(prompt))?;
        let silence = if *shown {
            None
        } else {
            Some(Silence::begin(&terminal)?)
        };
        let mut answer = String::new();
        let count = reader.read_line(&mut answer);
        if silence.is_some() {
            writeln!(terminal)?;
        }
        drop(silence);
        if count? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        answers.push(answer.trim_end_matches(['\r', '\n']).to_owned());
    }
    Ok(answers)
}

/// Echo stays off while this lives.
struct Silence;

impl Silence {
    fn begin(terminal: &File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        let handle = terminal.try_clone()?;
        if let Ok(mut slot) = SILENCED.lock() {
            *slot = Some((handle, before));
        }
        tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        Ok(Self)
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        restore_terminal();
    }
}

/// Turns echo on again if we turned it off.
pub(super) fn restore_terminal() {
    let taken = SILENCED.lock().ok().and_then(|mut slot| slot.take());
    if let Some((terminal, before)) = taken {
        // If the terminal is gone there is nothing to restore.
        let _ = tcsetattr(&terminal, OptionalActions::Now, &before);
    }
}
