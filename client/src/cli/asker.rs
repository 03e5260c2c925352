//! Asking the user, one question at a time, on the terminal that this program was started from:
//! standard streams may be anything else. In the background nobody is asked: a program there must
//! not take the terminal from what is in front, so the question waits until this one is.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use outlast_protocol::control::to_cli::Question;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal as Kind, getpgrp};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::output::{Output, clean};

/// How often a question that waits for the foreground looks whether it is there.
const LOOK: Duration = Duration::from_secs(1);

/// The terminal with echo turned off and how it was before, for whoever ends the program.
static SILENCED: Mutex<Option<(File, Termios)>> = Mutex::new(None);

/// Asks for all connections of this run.
#[derive(Debug, Default)]
pub(super) struct Asker {
    turn: tokio::sync::Mutex<()>,
}

impl Asker {
    /// Asks for every field; none if nobody can be asked. Dropped, it stops asking.
    pub(super) async fn ask(
        self: Arc<Self>,
        output: Output,
        computer: String,
        question: Question,
    ) -> Option<Vec<String>> {
        let _turn = self.turn.lock().await;
        let computer = clean(&computer);
        let text = clean(&question.text);
        // Sent to a job that was stopped and goes on.
        let mut continued = signal(SignalKind::from_raw(Kind::CONT.as_raw())).ok()?;
        let mut told = false;
        while !is_in_front(&terminal().ok()?) {
            if !std::mem::replace(&mut told, true) {
                output.note(&format!(
                    "{computer}: {text}; it waits until this is in the foreground (`fg`)"
                ));
            }
            // No shell tells a job that runs that it is in front now.
            tokio::time::sleep(LOOK).await;
        }
        let (withdrawn, _asking) = pipe_with(PipeFlags::CLOEXEC).ok()?;
        let fields = question.fields;
        let asked = tokio::task::spawn_blocking(move || ask(&computer, &text, &fields, &withdrawn));
        tokio::pin!(asked);
        loop {
            tokio::select! {
                answers = &mut asked => return answers.ok()?.ok(),
                () = next(&mut continued) => silence_again(),
            }
        }
    }
}

async fn next(signal: &mut Signal) {
    if signal.recv().await.is_none() {
        std::future::pending().await
    }
}

fn terminal() -> io::Result<File> {
    File::options().read(true).write(true).open("/dev/tty")
}

/// Whether what is typed on that terminal is for this program.
fn is_in_front(terminal: &File) -> bool {
    // A process group of another namespace has no number here.
    tcgetpgrp(terminal).is_ok_and(|front| front == getpgrp())
}

/// Whether there is a terminal to ask on, now or when this program is in its foreground.
pub(super) fn has_terminal() -> bool {
    terminal().is_ok()
}

fn ask(
    computer: &str,
    text: &str,
    fields: &[(String, bool)],
    withdrawn: &OwnedFd,
) -> io::Result<Vec<String>> {
    let mut terminal = terminal()?;
    writeln!(terminal, "{computer}: {text}")?;
    let mut answers = Vec::new();
    for (prompt, shown) in fields {
        // Before the prompt: what is typed behind that counts.
        let silence = if *shown {
            None
        } else {
            Some(Silence::begin(&terminal)?)
        };
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
fn read_line(terminal: &mut File, withdrawn: &OwnedFd) -> io::Result<String> {
    let mut line = Vec::new();
    let mut piece = [0; 4096];
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
        let count = terminal.read(&mut piece)?;
        line.extend_from_slice(piece.get(..count).unwrap_or_default());
        match line.last() {
            Some(b'\n') => break,
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
            // The end of the file behind a beginning sends that.
            Some(_) if count == 0 => break,
            Some(_) => {}
        }
    }
    let line = String::from_utf8(line).map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

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
fn silence_again() {
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
pub(super) fn restore_terminal() {
    let taken = SILENCED.lock().ok().and_then(|mut slot| slot.take());
    if let Some((terminal, before)) = taken
        // The shell in front has set its terminal back itself, and would stop us for trying.
        && is_in_front(&terminal)
    {
        // If the terminal is gone there is nothing to restore.
        let _ = tcsetattr(&terminal, OptionalActions::Now, &before);
    }
}
