//! Starting the mux where none listens.

use std::io::{self, PipeReader, Read};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::place::{HOME, MUX_LOG};
use outlast_rendezvous::PrivateDirectory;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Longest wait for the mux to say that it listens.
const READY_TIME: Duration = Duration::from_secs(10);

/// What the mux writes when it listens. Anything else is the reason why it does not.
pub const READY: u8 = b'+';

/// Longest reason that is shown.
const MAX_REASON: usize = 4096;

/// Starts a mux and waits until it listens.
pub fn start(directory: &PrivateDirectory) -> io::Result<()> {
    let (reader, writer) = io::pipe()?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["mux", "serve"])
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(directory.append_file(MUX_LOG)?)
        .current_dir("/")
        // Started from inside a session, it is no part of that.
        .env_remove(outlast_protocol::session::INSTANCE_VARIABLE);
    if let Some(home) = std::env::var_os(HOME).filter(|home| !home.is_empty()) {
        // It works in another directory, where a relative path would lead elsewhere.
        command.env(HOME, std::path::absolute(home)?);
    }
    let mut child = command.spawn()?;
    // Our copy of the writing end lives in `command`; without this the end is never seen.
    drop(command);
    let told = wait(reader);
    if told.is_err() {
        // Not ready in time or dead: either way it is not the mux.
        let _ = child.kill();
        let _ = child.wait();
    }
    told
}

fn wait(mut reader: PipeReader) -> io::Result<()> {
    let deadline = Instant::now() + READY_TIME;
    let mut said = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(0),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        let mut ready = [PollFd::new(&reader, PollFlags::IN)];
        if rustix::io::retry_on_intr(|| poll(&mut ready, Some(&timeout)))? == 0 {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("it did not get ready within {} s", READY_TIME.as_secs()),
            ));
        }
        let mut piece = [0; 512];
        let count = reader.read(&mut piece)?;
        let piece = piece.get(..count).unwrap_or_default();
        if said.is_empty() && piece.first() == Some(&READY) {
            return Ok(());
        }
        said.extend_from_slice(piece);
        if count == 0 || said.len() > MAX_REASON {
            return Err(reason(&said));
        }
    }
}

fn reason(said: &[u8]) -> io::Error {
    let text = String::from_utf8_lossy(said);
    let text = text.trim();
    io::Error::other(if text.is_empty() {
        format!("it ended without a word; {MUX_LOG} may say why")
    } else {
        text.to_owned()
    })
}
