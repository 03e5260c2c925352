//! One end of one link: framing, greeting, heartbeat. Knows nothing of sessions.
//!
//! ```text
//!            noise, magic            Hello                      error, silence
//! AwaitMagic ────────────▶ AwaitHello ─────▶ Open ───────────────────────▶ (error returned)
//! ```
//! Calling order, as for every machine of this crate: `handle_input` or `handle_timeout`, then
//! `poll_event` until `None`, then write out `poll_output` until `None`, then sleep until input
//! or `poll_timeout`.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::heartbeat::{Beat, Heartbeat};
use super::to_client::ToClient;
use super::to_host::{Ping, Pong, ToHost};
use crate::codec::CodecError;
use crate::durability::DURABILITY;
use crate::frame::{Frame, FrameDecoder, HEADER};
use crate::hello::{Extension, Hello, Incompatible, LINK_PROTOCOL, MAGIC};
use crate::limits::{GREETING_TIME, MAX_FRAME, MAX_NOISE};
use crate::message::DecodeError;

/// Why a link is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The remote end never said the magic; what it printed instead.
    #[error("the remote end does not speak the outlast protocol")]
    NoMagic(Vec<u8>),
    /// It broke the protocol.
    #[error("the remote end broke the protocol: {0}")]
    Protocol(#[from] DecodeError),
    /// No common protocol number.
    #[error(transparent)]
    Incompatible(#[from] Incompatible),
    /// We could not say something.
    #[error("a message could not be encoded: {0}")]
    Encode(#[from] CodecError),
    /// Nothing was heard for too long.
    #[error("nothing was heard from the remote end for {} seconds", .0.as_secs())]
    Silent(Duration),
}

/// What a link has to report.
#[derive(Clone, Debug, PartialEq, Eq)]
// An event lives until the next poll; boxing would cost more.
#[allow(clippy::large_enum_variant)]
pub enum LinkEvent {
    /// The peer greeted; requests can be sent.
    Open(Hello),
    /// A message, with the raw bytes behind it.
    Message(ToClient, Bytes),
}

#[derive(Debug)]
enum State {
    AwaitMagic(Vec<u8>),
    AwaitHello,
    Open,
}

/// The client's end of a link.
#[derive(Debug)]
pub struct ClientLink {
    state: State,
    hello: Hello,
    decoder: FrameDecoder,
    /// What came before the magic.
    noise: Vec<u8>,
    /// Largest payload the peer takes.
    peer_limit: usize,
    heartbeat: Heartbeat,
    opened: Duration,
    pings: u64,
    events: VecDeque<LinkEvent>,
    output: VecDeque<Bytes>,
}

impl ClientLink {
    /// A link whose channel was opened at `now`. Nothing is sent before the peer has spoken.
    #[must_use]
    pub fn new(now: Duration, hello: Hello) -> Self {
        Self {
            state: State::AwaitMagic(Vec::new()),
            hello,
            decoder: FrameDecoder::new(MAX_FRAME),
            noise: Vec::new(),
            peer_limit: MAX_FRAME as usize,
            heartbeat: Heartbeat::new(now),
            opened: now,
            pings: 0,
            events: VecDeque::new(),
            output: VecDeque::new(),
        }
    }

    /// Takes in what the peer sent.
    pub fn handle_input(&mut self, now: Duration, bytes: &[u8]) -> Result<(), LinkError> {
        self.heartbeat.heard(now);
        if let State::AwaitMagic(noise) = &mut self.state {
            // Only what is new can complete the magic: a trickling peer costs linear time.
            let searched = noise.len().saturating_sub(MAGIC.len());
            noise.extend_from_slice(bytes);
            // Judged by where the magic starts, so that it does not matter how the stream is cut.
            let Some(at) = find_magic(noise, searched).filter(|&at| at <= MAX_NOISE) else {
                if noise.len() >= MAX_NOISE.saturating_add(MAGIC.len()) {
                    noise.truncate(MAX_NOISE);
                    return Err(LinkError::NoMagic(core::mem::take(noise)));
                }
                return Ok(());
            };
            let rest = noise.split_off(at.saturating_add(MAGIC.len()));
            self.decoder.push(&rest);
            noise.truncate(at);
            self.noise = core::mem::take(noise);
            self.state = State::AwaitHello;
        } else {
            self.decoder.push(bytes);
        }
        while let Some(frame) = self.decoder.next_frame().map_err(DecodeError::from)? {
            self.handle_frame(&frame)?;
        }
        Ok(())
    }

    fn handle_frame(&mut self, frame: &Frame) -> Result<(), LinkError> {
        let (message, body) = match ToClient::decode(frame) {
            Ok(decoded) => decoded,
            // A newer peer may volunteer what we do not know; every frame has a length.
            Err(DecodeError::Unknown(_)) if matches!(self.state, State::Open) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        match (&self.state, message) {
            (State::AwaitHello, ToClient::Hello(peer)) => {
                self.meet(&peer)?;
                self.state = State::Open;
                self.events.push_back(LinkEvent::Open(peer));
                let hello = self.hello.clone();
                self.send(&ToHost::Hello(hello), Bytes::new())
            }
            (State::Open, ToClient::Ping(ping)) => self.send(
                &ToHost::Pong(Pong {
                    number: ping.number,
                }),
                Bytes::new(),
            ),
            (State::Open, ToClient::Pong(_)) => Ok(()),
            (State::Open, ToClient::Hello(_)) => Err(DecodeError::Unexpected {
                expected: "any message but a second Hello",
                got: "Hello".into(),
            }
            .into()),
            (State::Open, ToClient::Attached(attached)) => {
                // The relay greeted; from here on it is the host that speaks and is spoken to.
                self.meet(&attached.hello)?;
                let message = ToClient::Attached(attached);
                self.events.push_back(LinkEvent::Message(message, body));
                Ok(())
            }
            (State::Open, message) => {
                self.events.push_back(LinkEvent::Message(message, body));
                Ok(())
            }
            (_, message) => Err(DecodeError::Unexpected {
                expected: "Hello",
                got: message.name().into(),
            }
            .into()),
        }
    }

    /// Agrees with the one who speaks at the other end.
    fn meet(&mut self, peer: &Hello) -> Result<(), Incompatible> {
        self.hello.negotiate(peer)?;
        self.peer_limit = peer.max_frame.min(MAX_FRAME) as usize;
        Ok(())
    }

    /// The peer closed its side: what to tell if it never greeted.
    pub fn handle_end(&mut self) -> Result<(), LinkError> {
        match &mut self.state {
            State::AwaitMagic(noise) => Err(LinkError::NoMagic(core::mem::take(noise))),
            State::AwaitHello | State::Open => Ok(()),
        }
    }

    /// Sends a message with raw bytes behind it.
    pub fn send(&mut self, message: &ToHost, body: Bytes) -> Result<(), LinkError> {
        let head = message.head(body.len())?;
        let payload = head.len().saturating_sub(HEADER).saturating_add(body.len());
        if payload > self.peer_limit {
            return Err(CodecError(alloc::format!(
                "a message of {payload} bytes; the remote end takes {}",
                self.peer_limit
            ))
            .into());
        }
        self.output.push_back(head.into());
        if !body.is_empty() {
            self.output.push_back(body);
        }
        Ok(())
    }

    /// Whether the greeting is done.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// What the remote end's login printed before the greeting.
    #[must_use]
    pub fn noise(&self) -> &[u8] {
        &self.noise
    }

    /// When `handle_timeout` wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Duration {
        match self.state {
            State::Open => self.heartbeat.deadline(),
            _ => self.opened.saturating_add(GREETING_TIME),
        }
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, now: Duration) -> Result<(), LinkError> {
        if !self.is_open() {
            if now < self.opened.saturating_add(GREETING_TIME) {
                return Ok(());
            }
            return match &mut self.state {
                State::AwaitMagic(noise) => Err(LinkError::NoMagic(core::mem::take(noise))),
                _ => Err(LinkError::Silent(GREETING_TIME)),
            };
        }
        match self.heartbeat.check(now) {
            Beat::Quiet => Ok(()),
            Beat::Dead => Err(LinkError::Silent(crate::limits::DEAD_AFTER)),
            Beat::Ping => {
                self.pings = self.pings.wrapping_add(1);
                let number = self.pings;
                self.send(&ToHost::Ping(Ping { number }), Bytes::new())
            }
        }
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    /// What to write.
    pub fn poll_output(&mut self) -> Option<Bytes> {
        self.output.pop_front()
    }
}

/// Where the magic starts, at `from` or later.
fn find_magic(bytes: &[u8], from: usize) -> Option<usize> {
    let found = bytes
        .get(from..)?
        .windows(MAGIC.len())
        .position(|window| window == MAGIC)?;
    Some(found.saturating_add(from))
}

/// A greeting of this code.
#[must_use]
pub fn hello(program: &str, user: &str, host: &str) -> Hello {
    Hello {
        protocol: LINK_PROTOCOL,
        oldest: LINK_PROTOCOL,
        program: program.into(),
        user: user.into(),
        host: host.into(),
        max_frame: MAX_FRAME,
        features: alloc::vec![Extension {
            name: DURABILITY.into(),
            value: Vec::new(),
        }],
    }
}
