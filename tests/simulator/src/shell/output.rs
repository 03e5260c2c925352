//! One of a command's output pipes.

use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::id::InvocationId;
use outlast_protocol::limits::MAX_CHUNK;
use outlast_protocol::record::Stream;
use outlast_subsystem::host::simulation::{Changes, Hold, Host};

use super::PIPE;
use crate::pattern::Pattern;
use crate::random::Random;

const STREAMS: [Stream; 2] = [Stream::Stdout, Stream::Stderr];

/// What a drain does.
enum Drain {
    /// It is about to see whether output must wait.
    Look,
    /// It may record what it reads next.
    Clear,
    /// It waits for a change of the session, or that time.
    Held(Changes, Option<Duration>),
}

/// One of a command's output pipes: bytes are written, then recorded.
pub(super) struct Output {
    invocation: InvocationId,
    pattern: Pattern,
    stream: Stream,
    pub(super) total: u64,
    pub(super) written: u64,
    pub(super) recorded: u64,
    drain: Drain,
}

impl Output {
    pub(super) fn new(
        invocation: InvocationId,
        command: u64,
        at: usize,
        from: u64,
        total: u64,
    ) -> Self {
        Self {
            invocation,
            pattern: Pattern::new(command, at as u64 + 1),
            stream: STREAMS.get(at).copied().unwrap_or(Stream::Stdout),
            total,
            written: from,
            recorded: from,
            drain: Drain::Look,
        }
    }

    pub(super) fn can_write(&self) -> bool {
        self.written < self.total && self.written.saturating_sub(self.recorded) < PIPE
    }

    pub(super) fn write(&mut self, random: &mut Random) {
        let room = PIPE.saturating_sub(self.written.saturating_sub(self.recorded));
        let most = room.min(self.total.saturating_sub(self.written));
        self.written = self.written.saturating_add(random.size(most));
    }

    pub(super) fn can_drain(&mut self, now: Duration) -> bool {
        match &mut self.drain {
            Drain::Look => true,
            Drain::Clear => self.recorded < self.written,
            Drain::Held(changes, until) => {
                let due = until.is_some_and(|until| until <= now);
                if due || changes.rung() {
                    self.drain = Drain::Look;
                }
                matches!(self.drain, Drain::Look)
            }
        }
    }

    pub(super) fn drain(&mut self, host: &Host, now: Duration, random: &mut Random) {
        match &mut self.drain {
            Drain::Look => {
                // In this order: a change in between must not be missed.
                let changes = host.changes();
                self.drain = match host.hold(self.invocation) {
                    Hold::No => Drain::Clear,
                    Hold::ForReader => Drain::Held(changes, None),
                    Hold::AtMost(left) => Drain::Held(changes, Some(now.saturating_add(left))),
                };
            }
            Drain::Clear => {
                let most = self.written.saturating_sub(self.recorded);
                let count = random.size(most.min(MAX_CHUNK as u64));
                let count = usize::try_from(count).unwrap_or_default();
                let bytes = Bytes::from(self.pattern.bytes(self.recorded, count));
                self.recorded = self.recorded.saturating_add(count as u64);
                host.output(self.invocation, self.stream, bytes);
                self.drain = Drain::Look;
            }
            Drain::Held(..) => {}
        }
    }

    pub(super) fn until(&self) -> Option<Duration> {
        match &self.drain {
            Drain::Held(_, until) => *until,
            _ => None,
        }
    }
}
