//! A link over a byte stream: the only place of the mux that waits on one.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes};
use outlast_protocol::control::to_cli::FailureKind;
use outlast_protocol::hello::Hello;
use outlast_protocol::link::connection::{ClientLink, LinkError, LinkEvent, hello};
use outlast_protocol::link::to_client::ToClient;
use outlast_protocol::link::to_host::ToHost;
use outlast_rendezvous::machine::{host_name, user_name};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

use super::failure::{Failure, MISSING};
use super::transport::{Diagnose, Stream};
use super::waking::{Waking, boot_time};

const READ: usize = 64 * 1024;
/// What to do where the remote end greets by half.
const FALSE_GREETING: &str =
    "what the remote user's start-up files (.bashrc) print may look like a greeting";
/// What to do where the remote end neither greets nor ends.
const HANGS: &str = "a start-up file of the remote login shell may hang or print without end: \
    `ssh HOST true` shows whether it does";

/// An open link.
pub(super) struct Wire {
    read: ReadHalf<Stream>,
    write: WriteHalf<Stream>,
    link: ClientLink,
    scratch: Vec<u8>,
    outbox: VecDeque<Bytes>,
    origin: Duration,
    waking: Waking,
    diagnose: Diagnose,
    computer: String,
    /// Who greeted.
    peer: Option<Hello>,
    /// Whether the remote end closed its side before it greeted.
    ended: bool,
}

/// Why there was no greeting.
#[derive(Debug)]
pub(super) enum Unmet {
    /// The two ends have no protocol in common.
    Incompatible(Failure),
    /// Anything else.
    Failed(Failure),
}

/// Why a link ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    #[error("the connection was closed")]
    Ended,
    #[error("the connection was closed before the greeting was complete")]
    Ungreeted,
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Link(#[from] LinkError),
}

impl Wire {
    /// Waits for the remote end's greeting and answers it.
    pub(super) async fn greet(
        stream: Stream,
        diagnose: Diagnose,
        computer: &str,
        waking: Waking,
    ) -> Result<Self, Failure> {
        let met = Self::meet(stream, diagnose, computer, waking).await;
        met.map_err(|unmet| match unmet {
            Unmet::Incompatible(failure) | Unmet::Failed(failure) => failure,
        })
    }

    /// The same, telling ends that do not fit from those that say nothing sensible.
    pub(super) async fn meet(
        stream: Stream,
        diagnose: Diagnose,
        computer: &str,
        waking: Waking,
    ) -> Result<Self, Unmet> {
        let origin = boot_time();
        let (read, write) = tokio::io::split(stream);
        let link = ClientLink::new(Duration::ZERO, greeting());
        let scratch = vec![0; READ];
        let outbox = VecDeque::new();
        let computer = computer.to_owned();
        let mut wire = Self {
            read,
            write,
            link,
            scratch,
            outbox,
            origin,
            waking,
            diagnose,
            computer,
            peer: None,
            ended: false,
        };
        while !wire.link.is_open() {
            if let Err(error) = wire.step().await {
                let error = match error {
                    WireError::Ended => {
                        wire.ended = true;
                        match wire.link.handle_end() {
                            Err(error) => error.into(),
                            Ok(()) => WireError::Ungreeted,
                        }
                    }
                    other => other,
                };
                let incompatible = matches!(error, WireError::Link(LinkError::Incompatible(_)));
                let failure = wire.failure(error);
                return Err(match incompatible {
                    true => Unmet::Incompatible(failure),
                    false => Unmet::Failed(failure),
                });
            }
        }
        if let Some(LinkEvent::Open(peer)) = wire.link.poll_event() {
            wire.peer = Some(peer);
        }
        Ok(wire)
    }

    /// The relay's greeting.
    pub(super) fn peer(&self) -> Option<&Hello> {
        self.peer.as_ref()
    }

    /// What the login printed before it.
    pub(super) fn noise(&self) -> &[u8] {
        self.link.noise()
    }

    /// Queues a message.
    pub(super) fn send(&mut self, message: &ToHost, body: Bytes) -> Result<(), WireError> {
        Ok(self.link.send(message, body)?)
    }

    /// Writes, keeps the heartbeat, and waits for the next message. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<(ToClient, Bytes), WireError> {
        loop {
            if let Some(LinkEvent::Message(message, body)) = self.link.poll_event() {
                return Ok((message, body));
            }
            self.step().await?;
        }
    }

    /// Waits until everything queued is written.
    pub(super) async fn flush(&mut self) -> Result<(), WireError> {
        self.collect();
        while !self.outbox.is_empty() {
            self.step().await?;
            self.collect();
        }
        Ok(())
    }

    fn collect(&mut self) {
        while let Some(piece) = self.link.poll_output() {
            self.outbox.push_back(piece);
        }
    }

    /// How long the link has been there, the computer's sleep included.
    fn age(&self) -> Duration {
        boot_time().saturating_sub(self.origin)
    }

    async fn step(&mut self) -> Result<(), WireError> {
        self.collect();
        let pause = self.link.poll_timeout().saturating_sub(self.age());
        tokio::select! {
            read = self.read.read(&mut self.scratch) => {
                let count = read?;
                if count == 0 {
                    return Err(WireError::Ended);
                }
                let now = self.age();
                self.link.handle_input(now, self.scratch.get(..count).unwrap_or_default())?;
            }
            written = write_some(&mut self.write, &self.outbox), if !self.outbox.is_empty() => {
                let count = written?;
                if count == 0 {
                    return Err(WireError::Ended);
                }
                consume(&mut self.outbox, count);
            }
            () = tokio::time::sleep(pause) => self.link.handle_timeout(self.age())?,
            () = self.waking.rung() => self.link.handle_timeout(self.age())?,
        }
        Ok(())
    }

    /// Words for the end of a link, with what the remote end printed if it helps.
    pub(super) fn failure(&mut self, error: WireError) -> Failure {
        let computer = &self.computer;
        let WireError::Link(LinkError::NoMagic(noise)) = &error else {
            let message = format!("lost {computer}: {error}");
            return match error {
                WireError::Link(LinkError::Silent(_)) | WireError::Ended | WireError::Io(_) => {
                    Failure::unreachable(message)
                }
                WireError::Ungreeted => Failure::unreachable(message).hint(FALSE_GREETING),
                WireError::Link(_) => Failure::new(FailureKind::Protocol, message)
                    .hint("the versions of outlast here and there may not fit"),
            };
        };
        let noise = String::from_utf8_lossy(noise);
        let words = (self.diagnose)();
        let lines = noise.lines().chain(words.lines()).map(str::trim);
        let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
        let said = lines.join("; ");
        let said = if said.is_empty() {
            "it said nothing".to_owned()
        } else {
            format!("it said: {}", shorten(&said))
        };
        let (what, hint) = if self.ended {
            ("did not start", MISSING)
        } else {
            ("did not come to greet", HANGS)
        };
        let message = format!("outlast-subsystem {what} on {computer}; {said}");
        // A relay that was killed while it greeted looks the same: a reconnect may try again.
        Failure {
            passing: true,
            ..Failure::new(FailureKind::Protocol, message)
        }
        .hint(hint)
    }
}

async fn write_some(write: &mut WriteHalf<Stream>, outbox: &VecDeque<Bytes>) -> io::Result<usize> {
    let slices: Vec<_> = outbox
        .iter()
        .take(16)
        .map(|piece| io::IoSlice::new(piece))
        .collect();
    // No flush behind it: a wait that is cancelled between the two would lose the count. Neither
    // kind of stream holds written bytes back.
    write.write_vectored(&slices).await
}

fn consume(outbox: &mut VecDeque<Bytes>, mut count: usize) {
    while let Some(front) = outbox.front_mut() {
        let step = count.min(front.len());
        front.advance(step);
        count = count.saturating_sub(step);
        if !front.is_empty() {
            return;
        }
        outbox.pop_front();
    }
}

fn shorten(text: &str) -> String {
    const MOST: usize = 400;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The greeting of this program.
pub(super) fn greeting() -> outlast_protocol::hello::Hello {
    let program = concat!("outlast/", env!("CARGO_PKG_VERSION"));
    hello(program, &user_name(), &host_name())
}
