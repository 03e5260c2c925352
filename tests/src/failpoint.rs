//! Stopping a process of Outlast at a named place: the test's end of the failpoints.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use rustix::event::PollFlags;
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};

use crate::deadline::Deadline;
use crate::process;

/// A place, for as long as this lives, at which whoever comes by stops.
///
/// Made by [`crate::Sshd::failpoint`] and [`crate::ClientMachine::failpoint`]. When it is dropped,
/// who stands there goes on.
pub struct Failpoint {
    reached: File,
    go: File,
    paths: [PathBuf; 2],
}

impl Failpoint {
    /// In the directory that the processes' `OUTLAST_FAILPOINTS` names.
    #[track_caller]
    pub(crate) fn set(directory: &Path, name: &str) -> Self {
        fs::create_dir_all(directory).unwrap();
        // The FIFO that lets go comes first: with the other one the place begins to stop.
        let paths = [directory.join(format!("{name}.go")), directory.join(name)];
        let [go, reached] = paths.each_ref().map(|path| fifo(path));
        Self { reached, go, paths }
    }

    /// Waits until a process stands there. Returns its process ID.
    #[track_caller]
    pub fn wait(&self) -> u32 {
        let deadline = Deadline::usual();
        let mut line = Vec::new();
        let mut byte = [0];
        loop {
            assert!(
                deadline.poll(&self.reached, PollFlags::IN),
                "nobody came to {} in time",
                self.paths[1].display()
            );
            (&self.reached)
                .read_exact(&mut byte)
                .expect("poll said readable");
            if byte == *b"\n" {
                break;
            }
            line.extend(byte);
        }
        let text = String::from_utf8(line).expect("a process ID is text");
        text.parse().expect("a process ID is a number")
    }

    /// Lets the process that stands there go on.
    pub fn go(&self) {
        (&self.go)
            .write_all(b"\n")
            .expect("an empty FIFO takes a byte");
    }

    /// Makes the process that stands there panic.
    pub fn panic(&self) {
        (&self.go)
            .write_all(b"!")
            .expect("an empty FIFO takes a byte");
    }

    /// Kills the process that stands there, or will.
    #[track_caller]
    pub fn kill(&self) -> u32 {
        let pid = self.wait();
        process::kill9(pid);
        pid
    }
}

impl Drop for Failpoint {
    fn drop(&mut self) {
        let [go, reached] = &self.paths;
        let _ = fs::remove_file(reached);
        // Whoever stands there, or is just about to: more than enough for each.
        let _ = (&self.go).write_all(&[b'\n'; 64]);
        let _ = fs::remove_file(go);
    }
}

/// A FIFO open for both directions: neither side ever waits for the opening.
fn fifo(path: &Path) -> File {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0)
        .unwrap_or_else(|error| panic!("mkfifo {}: {error}", path.display()));
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    open(path, flags, Mode::empty())
        .expect("opening a FIFO for both directions")
        .into()
}
