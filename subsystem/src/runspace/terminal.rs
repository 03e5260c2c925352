//! The shell's terminal, seen from the master side.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use bytes::Bytes;
use outlast_protocol::link::TerminalSize;
use rustix::io::Errno;
use rustix::process::Signal;
use rustix::pty::OpenptFlags;
use rustix::termios::{LocalModes, Winsize};
use tokio::io::{Interest, Ready, unix::AsyncFd};

use super::fence::Fence;
use crate::sys::{readiness, terminal};

/// How much of what it said is kept for errors.
const TAIL: usize = 64 << 10;
const READ_AT_ONCE: usize = 16 << 10;
const COLUMNS: u16 = 80;
const ROWS: u16 = 24;

/// What happened on the terminal.
pub(super) enum Turn {
    /// It said something.
    Said(Bytes),
    /// So many bytes were typed.
    Typed(usize),
    /// All that was said before the fence was set has been.
    Fenced,
}

/// What becomes of the keys that are typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Echo {
    /// They are shown.
    On,
    /// A line is read, and not shown.
    Off,
    /// Each is read by itself; whoever reads shows what it likes.
    Raw,
}

pub(super) struct Terminal {
    master: AsyncFd<OwnedFd>,
    /// A shell that waits for work may have no descriptor of it open, and with none at all it
    /// would count as hung up.
    slave: OwnedFd,
    tail: VecDeque<u8>,
    hung_up: bool,
    fence: Option<Fence>,
    /// What was read with a fence in front of it.
    behind: Option<Vec<u8>>,
    fenced: bool,
}

impl Terminal {
    /// A new terminal and the end that the shell gets.
    pub(super) fn open() -> io::Result<(Self, OwnedFd)> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = rustix::pty::openpt(flags)?;
        rustix::pty::grantpt(&master)?;
        rustix::pty::unlockpt(&master)?;
        resize(
            master.as_fd(),
            TerminalSize {
                columns: COLUMNS,
                rows: ROWS,
            },
        )?;
        let shell = rustix::pty::ioctl_tiocgptpeer(&master, flags)?;
        rustix::io::ioctl_fionbio(&master, true)?;
        let terminal = Self {
            master: readiness::watch(master, Interest::READABLE | Interest::WRITABLE)?,
            slave: shell.try_clone()?,
            tail: VecDeque::new(),
            hung_up: false,
            fence: None,
            behind: None,
            fenced: false,
        };
        Ok((terminal, shell))
    }

    /// Where a process of its session finds it: by its own name, if it has one here.
    pub(super) fn path(&self) -> PathBuf {
        let name = rustix::termios::ttyname(&self.slave, Vec::new());
        name.map_or_else(
            |_| PathBuf::from("/dev/tty"),
            |name| OsString::from_vec(name.into_bytes()).into(),
        )
    }

    /// What comes next from the terminal, or that `keys` were typed, as many as there was room
    /// for. Never ready again once every process has let go of it. Cancel-safe.
    pub(super) async fn turn(&mut self, reads: bool, keys: Option<&[u8]>) -> Turn {
        loop {
            if std::mem::take(&mut self.fenced) {
                return Turn::Fenced;
            }
            if let Some(bytes) = self.behind.take().filter(|bytes| !bytes.is_empty()) {
                return Turn::Said(self.keep(bytes));
            }
            if self.hung_up {
                std::future::pending::<()>().await;
            }
            let interest = match (reads, keys) {
                (true, Some(_)) => Interest::READABLE | Interest::WRITABLE,
                (true, None) => Interest::READABLE,
                (false, Some(_)) => Interest::WRITABLE,
                (false, None) => return std::future::pending().await,
            };
            let Ok(mut ready) = self.master.ready(interest).await else {
                self.hung_up = true;
                continue;
            };
            // Each direction is forgotten by itself: the other may still be ready.
            if let Some(keys) = keys.filter(|_| ready.ready().is_writable()) {
                match rustix::io::write(self.master.get_ref(), keys) {
                    Ok(count) => return Turn::Typed(count),
                    Err(Errno::AGAIN) => ready.clear_ready_matching(Ready::WRITABLE),
                    // Nobody will ever read it.
                    Err(_) => return Turn::Typed(keys.len()),
                }
            }
            if reads && ready.ready().is_readable() {
                let mut buffer = Vec::with_capacity(READ_AT_ONCE);
                match read(self.master.as_fd(), &mut buffer) {
                    Ok(1..) => {
                        let bytes = self.pass(buffer);
                        if !bytes.is_empty() {
                            return Turn::Said(self.keep(bytes));
                        }
                    }
                    Err(Errno::AGAIN) => ready.clear_ready_matching(Ready::READABLE),
                    Ok(0) | Err(_) => self.hung_up = true,
                }
            }
        }
    }

    /// Marks the end of what has been said until now: [`Turn::Fenced`] comes behind it, sooner or
    /// later. Says whether it will.
    pub(super) fn fence(&mut self) -> bool {
        if self.hung_up {
            return false;
        }
        self.fence = Fence::send(self.master.get_ref());
        self.fence.is_some()
    }

    fn pass(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        let Some(fence) = &mut self.fence else {
            return bytes;
        };
        let (before, behind) = fence.pass(&bytes);
        if behind.is_some() {
            self.fence = None;
            self.fenced = true;
            self.behind = behind;
        }
        before
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

    /// What becomes of the keys that are typed.
    pub(super) fn echo(&self) -> Echo {
        let Ok(modes) = rustix::termios::tcgetattr(self.master.as_fd()) else {
            return Echo::On;
        };
        let modes = modes.local_modes;
        if modes.contains(LocalModes::ECHO) {
            Echo::On
        } else if modes.contains(LocalModes::ICANON) {
            Echo::Off
        } else {
            Echo::Raw
        }
    }

    /// Whether somebody edits a line on it, and has switched the kernel's editing off.
    pub(super) fn is_raw(&self) -> bool {
        rustix::termios::tcgetattr(self.master.as_fd())
            .is_ok_and(|modes| !modes.local_modes.contains(LocalModes::ICANON))
    }

    pub(super) fn resize(&self, size: TerminalSize) -> io::Result<()> {
        resize(self.master.as_fd(), size)
    }

    /// Types a line.
    pub(super) fn type_line(&self, line: &[u8]) {
        let _ = rustix::io::write(self.master.as_fd(), line);
    }
}

fn resize(master: BorrowedFd<'_>, size: TerminalSize) -> io::Result<()> {
    let window = Winsize {
        ws_col: size.columns,
        ws_row: size.rows,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    Ok(rustix::termios::tcsetwinsize(master, window)?)
}

fn read(master: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> Result<usize, Errno> {
    rustix::io::read(master, rustix::buffer::spare_capacity(buffer))
}
