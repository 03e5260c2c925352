//! A mux's link to the session, and where it stands with that.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::link::connection::{ClientLink, hello};
use outlast_protocol::link::to_host::ToHost;

use super::Mux;

/// Where a mux stands with the session.
pub(super) enum Hold {
    /// It does not hold it.
    Free,
    /// It is about to.
    Opening(Box<Wire>),
    /// It holds it and has a link.
    Up(Box<Wire>),
    /// The link is lost; the next try begins then.
    Down(Duration),
    /// It is about to have a link again.
    Again(Box<Wire>),
}

/// A link over a channel.
pub(super) struct Wire {
    /// The channel, once it is open.
    pub(super) channel: Option<u32>,
    pub(super) link: ClientLink,
    pub(super) request: ToHost,
    pub(super) outbox: VecDeque<Bytes>,
}

impl Mux {
    pub(super) fn dial(request: ToHost, now: Duration) -> Box<Wire> {
        Box::new(Wire {
            channel: None,
            link: ClientLink::new(now, hello("outlast/0", "u", "laptop")),
            request,
            outbox: VecDeque::new(),
        })
    }

    /// Puts what is to be said into the link, and from there into the outbox.
    pub(super) fn talk(&mut self) {
        let up = matches!(self.hold, Hold::Up(_));
        let Self {
            hold, attachment, ..
        } = self;
        let (Hold::Opening(wire) | Hold::Up(wire) | Hold::Again(wire)) = hold else {
            return;
        };
        while let Some((message, body)) = up.then(|| attachment.poll_message()).flatten() {
            // Everything an attachment says fits: pieces are bounded.
            let _ = wire.link.send(&message, body);
        }
        while let Some(piece) = wire.link.poll_output() {
            wire.outbox.push_back(piece);
        }
    }

    /// What waits to be written to its channel.
    pub fn outbox(&mut self) -> Option<&mut VecDeque<Bytes>> {
        self.wire().map(|wire| &mut wire.outbox)
    }
}
