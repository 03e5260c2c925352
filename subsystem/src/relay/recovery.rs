//! A way to a session whose host is gone: a process that reads out what is left of it.

use std::fs::File;
use std::io::{self, Read};
use std::process::{ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use outlast_protocol::link::refusal::Refused;
use outlast_protocol::session::INSTANCE_VARIABLE;
use outlast_rendezvous::start::{ConnectError, connect_or_start};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::create::refusal_in;
use super::host_socket::{HostError, HostSocket};
use crate::audit::Settings;
use crate::host::CLAIMED;
use crate::registry::Entry;

/// Taken while a process is started: of several relays one starts it.
const LOCK: &str = "recovery.lock";
/// What the process has to complain about. `host.log` stays as the host left it.
const LOG: &str = "recovery.log";
/// Longest time for reading a log through.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest report that is read.
const MAX_REPORT: u64 = 64 * 1024;

/// Connects to the process that reads the session out, starting it where there is none.
pub(super) fn connect(entry: &Entry, audit: &Settings) -> Result<HostSocket, HostError> {
    let mut refusal = None;
    let connected = connect_or_start(entry.directory(), Entry::SOCKET, LOCK, || {
        start(entry, audit).map_err(|failure| match failure {
            Failure::System(error) => error,
            Failure::Refused(refused) => {
                let error = io::Error::other(refused.message.clone());
                refusal = Some(refused);
                error
            }
        })
    });
    match (connected, refusal) {
        (Ok(stream), _) => Ok(HostSocket::from(stream)),
        (Err(ConnectError::Start { .. }), Some(refusal)) => Err(HostError::Refused(refusal)),
        (Err(error), _) => Err(error.into()),
    }
}

enum Failure {
    System(io::Error),
    Refused(Refused),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// Starts the process and waits until it listens.
fn start(entry: &Entry, audit: &Settings) -> Result<(), Failure> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["host", "--recovered"])
        .arg(entry.instance().to_string())
        .arg(entry.directory().path())
        .args(audit.options())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log(entry).map_or_else(Stdio::null, Stdio::from))
        // It is nothing that a session's shell left running.
        .env_remove(INSTANCE_VARIABLE)
        .spawn()?;
    let output = child
        .stdout
        .take()
        .ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe))?;
    let report = match heard(output) {
        Ok(report) => report,
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            return Err(error.into());
        }
    };
    if report == [CLAIMED] {
        return Ok(());
    }
    let _ = child.wait();
    let words = report.strip_prefix(&[CLAIMED]).unwrap_or(&report);
    Err(match refusal_in(words) {
        Some(refusal) => Failure::Refused(refusal),
        None => {
            let path = entry.directory().path().join(LOG);
            let text = format!("it ended without a word; see {}", path.display());
            Failure::System(io::Error::other(text))
        }
    })
}

/// A new file each time: it has not much to say and nobody who reads it for long.
fn log(entry: &Entry) -> Option<File> {
    entry.directory().remove_file(LOG).ok()?;
    entry.directory().create_file(LOG).ok()
}

/// What the process says until it lets go of its output.
fn heard(output: ChildStdout) -> io::Result<Vec<u8>> {
    let until = Instant::now() + PATIENCE;
    let mut report = Vec::new();
    let mut output = output.take(MAX_REPORT);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        let mut ready = [PollFd::new(output.get_ref(), PollFlags::IN)];
        if rustix::io::retry_on_intr(|| poll(&mut ready, Some(&timeout)))? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let mut chunk = [0; 4096];
        let count = output.read(&mut chunk)?;
        if count == 0 {
            return Ok(report);
        }
        report.extend_from_slice(chunk.get(..count).unwrap_or_default());
    }
}
