//! Asking on the terminal.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use outlast_protocol::control::to_cli::Question;
use outlast_protocol::secret::Secret;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};
use zeroize::Zeroizing;

use crate::output::clean;

/// The terminal with echo turned off and how it was before, for whoever ends the program.
static SILENCED: Mutex<Option<(File, Termios)>> = Mutex::new(None);

/// Whose question is on the terminal: one that is withdrawn has to have put back what it found there
/// before the next one looks.
static TURN: Mutex<()> = Mutex::new(());

/// Whether what is typed on that terminal is for this program.
pub(super) fn is_in_front(terminal: &File) -> bool {
    // A process group of another namespace has no number here.
    tcgetpgrp(terminal).is_ok_and(|front| front == rustix::process::getpgrp())
}

pub(super) fn open() -> io::Result<File> {
    File::options().read(true).write(true).open("/dev/tty")
}

pub(super) fn ask(
    computer: &str,
    question: &Question,
    withdrawn: &OwnedFd,
) -> io::Result<Vec<Secret>> {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut terminal = open()?;
    if !question.text.is_empty() {
        writeln!(terminal, "{computer}: {}", question.text)?;
    }
    let mut answers = Vec::new();
    for (prompt, shown) in &question.fields {
        // Before the prompt: what is typed behind that counts.
        let silence = if *shown {
            None
        } else {
            Some(Silence::begin(&terminal)?)
        };
        if question.text.is_empty() {
            write!(terminal, "{computer}: ")?;
        }
        write!(terminal, "{}", clean(prompt))?;
        let answer = read_line(&mut terminal, withdrawn);
        if silence.is_some() || answer.is_err() {
            writeln!(terminal)?;
        }
        drop(silence);
        answers.push(answer?);
    }
    Ok(answers)
}

/// A line from the terminal, without its end; an error when nobody wants to know any more.
fn read_line(terminal: &mut File, withdrawn: &OwnedFd) -> io::Result<Secret> {
    let mut line = Zeroizing::new(Vec::with_capacity(PIECE));
    let mut piece = Zeroizing::new([0; PIECE]);
    loop {
        let mut ready = [
            PollFd::new(&*terminal, PollFlags::IN),
            PollFd::new(withdrawn, PollFlags::IN),
        ];
        match poll(&mut ready, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let [typed, over] = ready.map(|one| !one.revents().is_empty());
        if over {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if !typed {
            continue;
        }
        let count = terminal.read(&mut *piece)?;
        line.extend_from_slice(piece.get(..count).unwrap_or_default());
        match line.last() {
            Some(b'\n') => break,
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
            // The end of the file behind a beginning sends that.
            Some(_) if count == 0 => break,
            Some(_) => {}
        }
    }
    let line = std::str::from_utf8(&line).map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(line.trim_end_matches(['\r', '\n']).into())
}

/// What a terminal gives at a time.
const PIECE: usize = 4096;

/// Echo stays off while this lives.
struct Silence;

impl Silence {
    fn begin(terminal: &File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let silent = silent(&before);
        let handle = terminal.try_clone()?;
        if let Ok(mut slot) = SILENCED.lock() {
            *slot = Some((handle, before));
        }
        tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        Ok(Self)
    }
}

fn silent(before: &Termios) -> Termios {
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    silent
}

/// Turns echo off again if it was: the shell turns it on when it has stopped this program.
pub(super) fn silence_again() {
    if let Ok(slot) = SILENCED.lock()
        && let Some((terminal, before)) = &*slot
        && is_in_front(terminal)
    {
        let _ = tcsetattr(terminal, OptionalActions::Now, &silent(before));
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        restore_terminal();
    }
}

/// Turns echo on again if we turned it off.
pub(in crate::cli) fn restore_terminal() {
    let taken = SILENCED.lock().ok().and_then(|mut slot| slot.take());
    if let Some((terminal, before)) = taken
        // The shell in front has set its terminal back itself, and would stop us for trying.
        && is_in_front(&terminal)
    {
        // If the terminal is gone there is nothing to restore.
        let _ = tcsetattr(&terminal, OptionalActions::Now, &before);
    }
}
