//! Signals to whatever has a terminal in the foreground.

use std::io;
use std::os::fd::AsFd;

use rustix::ioctl::{IntegerSetter, Opcode};
use rustix::process::Signal;

/// TIOCSIG: `_IOW('T', 0x36, int)`, the same on every architecture that we run on.
const TIOCSIG: Opcode = 0x4004_5436;

/// Signals the foreground group of the terminal behind `master`. It is the kernel that signals,
/// so it reaches what we may not (sudo), and it is done when this returns: a key typed into the
/// master is a signal only some time later.
pub fn signal_foreground(master: impl AsFd, signal: Signal) -> io::Result<()> {
    let number = usize::try_from(signal.as_raw()).unwrap_or_default();
    // SAFETY: TIOCSIG takes the number of a signal as the argument itself, and no memory. On
    // any descriptor but the master of a terminal it fails.
    Ok(unsafe { rustix::ioctl::ioctl(master, IntegerSetter::<TIOCSIG>::new_usize(number)) }?)
}
