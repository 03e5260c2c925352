//! The shell's terminal, seen from the master side.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bytes::Bytes;
use rustix::process::Signal;
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;
use tokio::io::{Interest, unix::AsyncFd};

use crate::sys::{readiness, terminal};

/// How much of what it said is kept for errors.
const TAIL: usize = 64 << 10;
const READ_AT_ONCE: usize = 16 << 10;
const COLUMNS: u16 = 80;
const ROWS: u16 = 24;

pub(super) struct Terminal {
    master: AsyncFd<OwnedFd>,
    tail: VecDeque<u8>,
    hung_up: bool,
}

impl Terminal {
    /// A new terminal and the end that the shell gets.
    pub(super) fn open() -> io::Result<(Self, OwnedFd)> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = rustix::pty::openpt(flags)?;
        rustix::pty::grantpt(&master)?;
        rustix::pty::unlockpt(&master)?;
        let window = Winsize {
            ws_col: COLUMNS,
            ws_row: ROWS,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        rustix::termios::tcsetwinsize(&master, window)?;
        let shell = rustix::pty::ioctl_tiocgptpeer(&master, flags)?;
        rustix::io::ioctl_fionbio(&master, true)?;
        let terminal = Self {
            master: readiness::watch(master, Interest::READABLE)?,
            tail: VecDeque::new(),
            hung_up: false,
        };
        Ok((terminal, shell))
    }

    /// The next bytes from the terminal. Never ready again once every process has let go of it.
    pub(super) async fn read(&mut self) -> Bytes {
        loop {
            if self.hung_up {
                std::future::pending::<()>().await;
            }
            let Ok(mut ready) = self.master.readable().await else {
                self.hung_up = true;
                continue;
            };
            let mut buffer = Vec::with_capacity(READ_AT_ONCE);
            match ready.try_io(|master| read(master.as_fd(), &mut buffer)) {
                Ok(Ok(1..)) => return self.keep(buffer),
                Ok(Ok(0) | Err(_)) => self.hung_up = true,
                Err(_would_block) => {}
            }
        }
    }

    /// What is there already; for when the shell has ended.
    pub(super) fn read_now(&mut self) -> Option<Bytes> {
        let mut buffer = Vec::with_capacity(READ_AT_ONCE);
        match read(self.master.as_fd(), &mut buffer) {
            Ok(1..) => Some(self.keep(buffer)),
            Ok(0) | Err(_) => None,
        }
    }

    fn keep(&mut self, bytes: Vec<u8>) -> Bytes {
        self.tail.extend(&bytes);
        let excess = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..excess);
        Bytes::from(bytes)
    }

    pub(super) fn tail(&self) -> Vec<u8> {
        self.tail.iter().copied().collect()
    }

    /// The process group that has the terminal.
    pub(super) fn foreground(&self) -> Option<i32> {
        let group = rustix::termios::tcgetpgrp(self.master.as_fd()).ok()?;
        Some(group.as_raw_nonzero().get())
    }

    /// Signals that group.
    pub(super) fn signal(&self, signal: Signal) {
        let master = self.master.as_fd();
        if terminal::signal_foreground(master, signal).is_ok() {
            return;
        }
        // Not every sandbox has it.
        if let Ok(group) = rustix::termios::tcgetpgrp(master) {
            let _ = rustix::process::kill_process_group(group, signal);
        }
    }

    /// Types a line.
    pub(super) fn type_line(&self, line: &[u8]) {
        let _ = rustix::io::write(self.master.as_fd(), line);
    }
}

fn read(master: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> io::Result<usize> {
    Ok(rustix::io::read(
        master,
        rustix::buffer::spare_capacity(buffer),
    )?)
}
