//! A mark in what the terminal says, behind all that was said before.
//!
//! The kernel moves what a program writes to a terminal to our end some time later. That a command
//! is over is known by another way, and mostly earlier. So something is written behind it which
//! comes the same way, and which nobody gets to see.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::pty::OpenptFlags;

/// A mark on its way.
pub(super) struct Fence {
    mark: Vec<u8>,
    /// The begin of the mark, perhaps, at the end of what was read last.
    held: Vec<u8>,
}

impl Fence {
    /// Sends a mark from the other end of the terminal. None if the terminal is stopped.
    pub(super) fn send(master: impl AsFd) -> Option<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let end = rustix::pty::ioctl_tiocgptpeer(master, flags).ok()?;
        rustix::io::ioctl_fionbio(&end, true).ok()?;
        // A command of an operating system that terminals ignore, should it ever get to one.
        let mark = format!("\x1b]5876;{}\x1b\\", random()).into_bytes();
        loop {
            return match rustix::io::write(&end, &mark) {
                Err(Errno::INTR) => continue,
                Ok(count) if count == mark.len() => Some(Self::of(mark)),
                Ok(_) | Err(_) => None,
            };
        }
    }

    fn of(mark: Vec<u8>) -> Self {
        Self {
            mark,
            held: Vec::new(),
        }
    }

    /// Takes in what was read: what is in front of the mark, and behind it if it was there.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(bytes);
        let found = all
            .windows(self.mark.len())
            .position(|window| window == self.mark);
        if let Some(at) = found {
            let mut behind = all.split_off(at);
            behind.drain(..self.mark.len());
            return (all, Some(behind));
        }
        let longest = all.len().min(self.mark.len().saturating_sub(1));
        let begun = (1..=longest)
            .rev()
            .find(|length| all.ends_with(self.mark.get(..*length).unwrap_or_default()));
        self.held = all.split_off(all.len().saturating_sub(begun.unwrap_or_default()));
        (all, None)
    }
}

/// Nothing that a program would print by chance.
fn random() -> String {
    let number = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", number(), number())
}

#[cfg(test)]
mod tests {
    use super::Fence;

    #[test]
    fn the_mark_is_found_wherever_the_reads_cut_it() {
        let all = b"before\x1bMARK\x1bMARKIERUNGbehind";
        for first in 0..=all.len() {
            for second in first..=all.len() {
                let mut fence = Fence::of(b"\x1bMARKIERUNG".to_vec());
                let (mut before, mut behind) = (Vec::new(), None::<Vec<u8>>);
                for piece in [&all[..first], &all[first..second], &all[second..]] {
                    match &mut behind {
                        Some(behind) => behind.extend_from_slice(piece),
                        None => {
                            let (more, rest) = fence.pass(piece);
                            before.extend(more);
                            behind = rest;
                        }
                    }
                }
                assert_eq!(before, b"before\x1bMARK", "{first} {second}");
                assert_eq!(behind.as_deref(), Some(&b"behind"[..]), "{first} {second}");
            }
        }
    }
}
