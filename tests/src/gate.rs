//! Named events between a test and a script that runs in a session.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use rustix::event::PollFlags;
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};

use crate::deadline::Deadline;

/// A FIFO that one side writes a line into and the other side waits on.
///
/// The test holds it open for both directions, so neither side ever waits for the *opening*, and
/// a script's `echo here >"$gate"` or `read -r line <"$gate"` waits for the line alone.
pub struct Gate {
    path: PathBuf,
    fifo: File,
    _directory: tempfile::TempDir,
}

impl Gate {
    #[expect(clippy::new_without_default, reason = "making a FIFO is no default")]
    pub fn new() -> Self {
        let directory = tempfile::Builder::new()
            .prefix("outlast-gate.")
            .tempdir()
            .unwrap();
        let path = directory.path().join("gate");
        mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("mkfifo");
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fifo = open(&path, flags, Mode::empty()).expect("opening a FIFO for both directions");
        Self {
            path,
            fifo: fifo.into(),
            _directory: directory,
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path as a shell word: temporary paths need no quotes.
    pub fn word(&self) -> &str {
        self.path.to_str().expect("temporary paths are ASCII")
    }

    /// Lets one waiting `read` pass.
    pub fn open(&self) {
        (&self.fifo)
            .write_all(b"go\n")
            .expect("an empty FIFO takes a line");
    }

    /// Waits for a line written by the script.
    pub fn wait(&self) -> String {
        self.wait_by(Deadline::usual())
    }

    /// Waits for a line from a script that is meant to take its time.
    pub fn wait_by(&self, deadline: Deadline) -> String {
        let mut line = Vec::new();
        let mut byte = [0];
        loop {
            assert!(
                deadline.poll(&self.fifo, PollFlags::IN),
                "nothing came through {} in time",
                self.path.display()
            );
            // A byte at a time, so that the next line stays for the next `wait`.
            (&self.fifo)
                .read_exact(&mut byte)
                .expect("poll said readable");
            if byte == *b"\n" {
                return String::from_utf8(line).expect("events are text");
            }
            line.extend(byte);
        }
    }
}
