//! The files and pipes of one invocation.

use std::fs;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::engine::Job;
use super::error::StartError;
use super::fifo;
use super::spec::Pipes;

/// An invocation that the shell was told to run.
pub(super) struct Invocation {
    pub(super) number: u64,
    running: bool,
    /// Both ends of every pipe, until the shell has opened its own: without them the caller
    /// would see the end of a file that nobody has opened yet.
    guards: Vec<OwnedFd>,
    pipes: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

impl Invocation {
    /// Makes everything the driver will open. On failure nothing is left behind.
    pub(super) fn prepare(
        directory: &Path,
        number: u64,
        stdin: bool,
        job: &Job,
    ) -> Result<(Self, Pipes), StartError> {
        let mut invocation = Self::prepare_files(directory, number, job)?;
        let pipes =
            invocation
                .open_pipes(directory, stdin)
                .map_err(|source| StartError::Directory {
                    what: "the pipes",
                    source,
                })?;
        Ok((invocation, pipes))
    }

    /// The same without pipes.
    pub(super) fn prepare_files(
        directory: &Path,
        number: u64,
        job: &Job,
    ) -> Result<Self, StartError> {
        let mut invocation = Self {
            number,
            running: false,
            guards: Vec::new(),
            pipes: Vec::new(),
            files: Vec::new(),
        };
        for (name, content) in &job.files {
            let path = directory.join(name);
            invocation.files.push(path.clone());
            write(&path, content).map_err(|source| StartError::Directory {
                what: "the script",
                source,
            })?;
        }
        Ok(invocation)
    }

    fn open_pipes(&mut self, directory: &Path, stdin: bool) -> io::Result<Pipes> {
        let number = self.number;
        let stdin = match stdin {
            true => Some(self.open(directory.join(format!("{number}.in")), OFlags::WRONLY)?),
            false => None,
        };
        let stdout = self.open(directory.join(format!("{number}.out")), OFlags::RDONLY)?;
        fifo::enlarge(&stdout);
        let stderr = self.open(directory.join(format!("{number}.err")), OFlags::RDONLY)?;
        Ok(Pipes {
            stdin,
            stdout,
            stderr,
        })
    }

    fn open(&mut self, path: PathBuf, direction: OFlags) -> io::Result<OwnedFd> {
        let guard = fifo::create(&path);
        self.pipes.push(path.clone());
        self.guards.push(guard?);
        fifo::open(&path, direction)
    }

    pub(super) fn is_running(&self) -> bool {
        self.running
    }

    /// The shell has opened its ends: ours must not keep the pipes alive, and nobody else has
    /// a business in them.
    pub(super) fn running(&mut self) {
        self.running = true;
        self.guards.clear();
        for path in self.pipes.drain(..) {
            let _ = fs::remove_file(path);
        }
    }
}

impl Drop for Invocation {
    fn drop(&mut self) {
        for path in self.pipes.iter().chain(&self.files) {
            let _ = fs::remove_file(path);
        }
    }
}

/// Writes a new file of the user's own.
pub(super) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content)
}
