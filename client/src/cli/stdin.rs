//! Our standard input, copied to every session.

use std::sync::Arc;

use bytes::Bytes;
use outlast_protocol::limits::MAX_CHUNK;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};

/// Pieces that may wait for one session: one window of full ones.
const WAITING: usize = 16;

/// Reads standard input in a thread of its own, since a read cannot be called off, and copies it
/// to `count` receivers. A session that waits for its turn must not hold up the others for ever:
/// when it would, `throttle` is opened for all.
pub(super) fn copies(
    count: usize,
    throttle: Arc<Semaphore>,
) -> std::io::Result<Vec<Receiver<Bytes>>> {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..count).map(|_| channel(WAITING)).unzip();
    let copier = Copier {
        senders,
        throttle,
        opened: false,
    };
    std::thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(move || copier.run())?;
    Ok(receivers)
}

/// What is typed on standard input, for one session.
pub(super) fn keys() -> std::io::Result<Receiver<Bytes>> {
    let mut receivers = copies(1, Arc::new(Semaphore::new(0)))?;
    let none = || std::io::Error::other("no keys");
    receivers.pop().ok_or_else(none)
}

struct Copier {
    senders: Vec<Sender<Bytes>>,
    throttle: Arc<Semaphore>,
    opened: bool,
}

impl Copier {
    fn run(mut self) {
        let mut buffer = vec![0; MAX_CHUNK];
        while !self.senders.is_empty() {
            match rustix::io::read(rustix::stdio::stdin(), &mut buffer) {
                Ok(0) => return,
                Ok(count) => {
                    let bytes = Bytes::copy_from_slice(buffer.get(..count).unwrap_or_default());
                    self.copy(&bytes);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => wait(),
                // Closed or unreadable: there is no input, as for any program.
                Err(_) => return,
            }
        }
    }

    fn copy(&mut self, bytes: &Bytes) {
        let (throttle, opened, count) = (&self.throttle, &mut self.opened, self.senders.len());
        self.senders
            .retain(|sender| match sender.try_send(bytes.clone()) {
                Ok(()) => true,
                Err(TrySendError::Closed(_)) => false,
                Err(TrySendError::Full(bytes)) => {
                    if !*opened {
                        throttle.add_permits(count);
                        *opened = true;
                    }
                    sender.blocking_send(bytes).is_ok()
                }
            });
    }
}

fn wait() {
    let stdin = rustix::stdio::stdin();
    // An error shows again in the next read.
    let _ = poll(&mut [PollFd::new(&stdin, PollFlags::IN)], None);
}
