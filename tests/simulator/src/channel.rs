//! An SSH channel: two bounded pipes that can be cut, stalled and emptied late.

use std::collections::VecDeque;
use std::time::Duration;

use outlast_subsystem::host::simulation::Link;

/// One direction of a channel, with everything that is under way in it.
#[derive(Debug)]
pub struct Pipe {
    bytes: VecDeque<u8>,
    capacity: usize,
    /// Nothing more is written.
    pub closed: bool,
    /// Nobody reads: a write is an error.
    pub broken: bool,
    /// Nothing comes through before that time.
    pub stalled: Duration,
    /// Bytes that came through.
    pub carried: u64,
}

impl Pipe {
    fn new(capacity: usize) -> Self {
        Self {
            bytes: VecDeque::new(),
            capacity,
            closed: false,
            broken: false,
            stalled: Duration::ZERO,
            carried: 0,
        }
    }

    /// Bytes that can be written now.
    #[must_use]
    pub fn room(&self) -> usize {
        self.capacity.saturating_sub(self.bytes.len())
    }

    /// Bytes under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Puts bytes in.
    pub fn write(&mut self, bytes: &[u8]) {
        if !self.closed && !self.broken {
            self.bytes.extend(bytes);
        }
    }

    /// Takes up to `most` bytes out.
    pub fn read(&mut self, most: usize) -> Vec<u8> {
        let count = most.min(self.bytes.len());
        self.carried = self.carried.saturating_add(count as u64);
        self.bytes.drain(..count).collect()
    }

    /// The writer is gone; `arrive` bytes of what is under way still come through.
    pub fn cut(&mut self, arrive: usize) {
        self.bytes.truncate(arrive);
        self.closed = true;
    }

    /// The reader is gone.
    pub fn hang_up(&mut self) {
        self.bytes.clear();
        self.broken = true;
    }

    /// Whether there is something for the reader at `now`: bytes, or the end of them.
    #[must_use]
    pub fn is_readable(&self, now: Duration) -> bool {
        !self.broken && self.stalled <= now && (!self.bytes.is_empty() || self.closed)
    }

    /// Whether it is at its end.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.closed && self.bytes.is_empty()
    }
}

/// Who is at the remote end of a channel.
pub enum Remote {
    /// sshd has not started the relay yet.
    Starting,
    /// The relay, with what it has read.
    Relay(Vec<u8>),
    /// The relay passes its descriptors on, with what it had read.
    Passing(Vec<u8>),
    /// The host.
    Host(Box<Link>),
    /// The host has let go; these bytes are still to be written.
    Farewell(VecDeque<u8>),
    /// Nobody any more.
    Gone,
}

/// A channel.
pub struct Channel {
    /// Which mux opened it.
    pub mux: usize,
    /// What the client sends.
    pub up: Pipe,
    /// What the remote end sends.
    pub down: Pipe,
    /// Who is there.
    pub remote: Remote,
    /// When the relay gives up waiting for a request.
    pub patience: Duration,
    /// When it was opened.
    pub opened: Duration,
    /// Whether it was stalled on purpose.
    pub stalled: bool,
    /// The session has changed since the host's link looked.
    pub bell: bool,
}

impl Channel {
    /// A channel that was just opened.
    #[must_use]
    pub fn new(mux: usize, capacity: usize, now: Duration) -> Self {
        Self {
            mux,
            up: Pipe::new(capacity),
            down: Pipe::new(capacity),
            remote: Remote::Starting,
            patience: now,
            opened: now,
            stalled: false,
            bell: false,
        }
    }

    /// The remote end is gone.
    pub fn leave(&mut self) {
        self.remote = Remote::Gone;
        self.down.closed = true;
        self.up.hang_up();
    }

    /// Whether both ends are done with it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.remote, Remote::Gone) && self.down.broken
    }
}
