//! One client's link without its descriptors: bytes and time in, bytes out.
//!
//! Calling order, as for the machines of the protocol: `handle_input` or `handle_timeout`, or
//! nothing when the session changed; then `fill`; then write out `outbox` and say how much by
//! `written`; then wait for input, room, a change of the session or `poll_timeout`.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::frame::FrameDecoder;
use outlast_protocol::limits::{DEAD_AFTER, HEARTBEAT, MAX_FRAME};
use outlast_protocol::link::to_client::{Pong, ToClient};

use super::outbox::Outbox;
use crate::audit::Login;
use crate::host::conversation::{Conversation, Turn};
use crate::host::session::Session;

/// Output is fetched from the log only while less than this waits to be written.
const ENOUGH: usize = 256 * 1024;

/// A client that said nothing for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing was heard from the client for {} seconds", DEAD_AFTER.as_secs())]
pub(in crate::host) struct Silent;

/// One client's link. Times are measured from any fixed moment of a monotonic clock.
pub(in crate::host) struct Link {
    conversation: Conversation,
    decoder: FrameDecoder,
    outbox: Outbox,
    heard: Duration,
    spoke: Duration,
    over: bool,
}

impl Link {
    /// A link that was handed over at `now`, with what its relay had read from it.
    pub(in crate::host) fn new(
        session: Rc<Session>,
        login: Login,
        now: Duration,
        received: &[u8],
    ) -> Self {
        let mut link = Self {
            conversation: Conversation::new(session, login),
            decoder: FrameDecoder::new(MAX_FRAME),
            outbox: Outbox::default(),
            heard: now,
            spoke: now,
            over: false,
        };
        link.take_in(received);
        link
    }

    /// Takes in what the client sent.
    pub(in crate::host) fn handle_input(&mut self, now: Duration, bytes: &[u8]) {
        self.heard = now;
        self.take_in(bytes);
    }

    fn take_in(&mut self, bytes: &[u8]) {
        self.decoder.push(bytes);
        while !self.over {
            match self.decoder.next_frame() {
                Ok(Some(frame)) => {
                    if self.conversation.handle(&frame) == Turn::Over {
                        self.over = true;
                        while let Some((message, body)) = self.conversation.poll_reply() {
                            self.outbox.say(&message, body);
                        }
                    }
                }
                Ok(None) => return,
                Err(error) => {
                    self.over = true;
                    let refusal = self.conversation.refuse_frame(error);
                    self.outbox.say(&refusal, Bytes::new());
                }
            }
        }
    }

    /// Fetches what there is to say, up to a bound.
    pub(in crate::host) fn fill(&mut self) {
        while !self.over && self.outbox.bytes() < ENOUGH {
            match self.conversation.poll() {
                Some((message, body)) => self.outbox.say(&message, body),
                None => break,
            }
        }
        self.over |= self.conversation.is_over();
    }

    /// Whether nothing more is to be heard or said but what waits in the outbox.
    pub(in crate::host) fn is_over(&self) -> bool {
        self.over
    }

    /// What waits to be written.
    pub(in crate::host) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// So many bytes of the outbox were written.
    pub(in crate::host) fn written(&mut self, now: Duration, count: usize) {
        self.outbox.written(count);
        self.spoke = now;
    }

    /// When `handle_timeout` wants to be called.
    pub(in crate::host) fn poll_timeout(&self) -> Duration {
        let dead = self.heard.saturating_add(DEAD_AFTER);
        match self.pong_due() {
            Some(due) => due.min(dead),
            None => dead,
        }
    }

    /// A client whose pings wait behind its own standard input must hear that we hear it.
    fn pong_due(&self) -> Option<Duration> {
        (self.heard > self.spoke).then_some(self.spoke.saturating_add(HEARTBEAT))
    }

    /// Lets time pass. `waiting` says whether there is input nobody has read: a host that was
    /// itself stopped finds what the client sent meanwhile, and must not take it for dead.
    pub(in crate::host) fn handle_timeout(
        &mut self,
        now: Duration,
        waiting: bool,
    ) -> Result<(), Silent> {
        if self.pong_due().is_some_and(|due| due <= now) {
            let pong = ToClient::Pong(Pong { number: 0 });
            self.outbox.say(&pong, Bytes::new());
            self.spoke = now;
        }
        if now < self.heard.saturating_add(DEAD_AFTER) {
            return Ok(());
        }
        if !waiting {
            return Err(Silent);
        }
        self.heard = now;
        Ok(())
    }

    /// Lets go of the session; what is left to be written.
    pub(in crate::host) fn end(self) -> Outbox {
        self.outbox
    }
}
