//! The driver of one client's link: the only place that waits on it.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use outlast_protocol::frame::FrameDecoder;
use outlast_protocol::limits::{DEAD_AFTER, HEARTBEAT, MAX_CHUNK, MAX_FRAME};
use outlast_protocol::link::to_client::{Pong, ToClient};
use rustix::fd::OwnedFd;
use tokio::time::Instant;

use super::conversation::{Conversation, Turn};
use super::core::Session;
use super::descriptor::Descriptor;

/// Output is fetched from the log only while less than this waits to be written.
const ENOUGH: usize = 256 * 1024;
/// Pieces written with one call.
const PIECES: usize = 16;
/// Time for what is left to say after the conversation is over.
const FAREWELL: Duration = Duration::from_secs(5);

/// A client's two descriptors, and what was read from them before they came to us.
pub(super) struct Passed {
    pub(super) input: OwnedFd,
    pub(super) output: OwnedFd,
    pub(super) received: Bytes,
    pub(super) address: String,
}

/// What waits to be written.
#[derive(Default)]
struct Outbox {
    pieces: VecDeque<Bytes>,
    bytes: usize,
}

impl Outbox {
    fn push(&mut self, piece: Bytes) {
        self.bytes = self.bytes.saturating_add(piece.len());
        if !piece.is_empty() {
            self.pieces.push_back(piece);
        }
    }

    fn say(&mut self, message: &ToClient, body: Bytes) {
        match message.head(body.len()) {
            Ok(head) => {
                self.push(head.into());
                self.push(body);
            }
            Err(error) => super::complain(&format!("cannot encode {}: {error}", message.name())),
        }
    }

    fn slices(&self) -> Vec<IoSlice<'_>> {
        self.pieces
            .iter()
            .take(PIECES)
            .map(|piece| IoSlice::new(piece))
            .collect()
    }

    fn written(&mut self, mut count: usize) {
        self.bytes = self.bytes.saturating_sub(count);
        while let Some(front) = self.pieces.front_mut() {
            let step = count.min(front.len());
            front.advance(step);
            count = count.saturating_sub(step);
            if !front.is_empty() {
                return;
            }
            self.pieces.pop_front();
        }
    }
}

/// Serves one client until it leaves, its link dies, or it is no longer wanted.
pub(super) async fn serve(session: Rc<Session>, passed: Passed) {
    let mut conversation = Conversation::new(session.clone(), passed.address);
    let mut outbox = Outbox::default();
    if let Err(error) = talk(
        &session,
        &mut conversation,
        &mut outbox,
        passed.input,
        &passed.output,
        &passed.received,
    )
    .await
    {
        // A lost link changes nothing but the attachment.
        super::complain(&format!("a link ended: {error}"));
    }
    drop(conversation);
    session.changed();
    session.ring_life();
    if let Ok(output) = Descriptor::new(passed.output) {
        let farewell = async {
            while !outbox.pieces.is_empty() {
                let Ok(count) = output.write(&outbox.slices()).await else {
                    return;
                };
                outbox.written(count);
            }
        };
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }
}

async fn talk(
    session: &Rc<Session>,
    conversation: &mut Conversation,
    outbox: &mut Outbox,
    input: OwnedFd,
    output: &OwnedFd,
    received: &[u8],
) -> std::io::Result<()> {
    let input = Descriptor::new(input)?;
    let output = Descriptor::new(output.try_clone()?)?;
    let mut decoder = FrameDecoder::new(MAX_FRAME);
    let mut scratch = Vec::with_capacity(MAX_CHUNK);
    let mut changes = session.subscribe();
    let mut heard = Instant::now();
    let mut spoke = heard;
    let mut gone = false;
    decoder.push(received);
    loop {
        if take_in(conversation, &mut decoder, outbox) == Turn::Over {
            return Ok(());
        }
        while outbox.bytes < ENOUGH {
            match conversation.poll() {
                Some((message, body)) => outbox.say(&message, body),
                None => break,
            }
        }
        if conversation.is_over() || gone {
            return Ok(());
        }
        tokio::select! {
            read = input.read(&mut scratch) => {
                if read? == 0 {
                    return Ok(());
                }
                heard = Instant::now();
                decoder.push(&scratch);
            }
            written = write_some(&output, outbox), if outbox.bytes > 0 => {
                outbox.written(written?);
                spoke = Instant::now();
            }
            () = session.removed() => gone = true,
            changed = changes.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
            }
            // A client whose pings wait behind its own standard input must hear that we hear it.
            () = tokio::time::sleep_until(spoke + HEARTBEAT), if heard > spoke => {
                outbox.say(&ToClient::Pong(Pong { number: 0 }), Bytes::new());
                spoke = Instant::now();
            }
            () = tokio::time::sleep_until(heard + DEAD_AFTER) => {
                if silent(&input, &mut heard) {
                    return Err(std::io::ErrorKind::TimedOut.into());
                }
            }
        }
    }
}

async fn write_some(output: &Descriptor, outbox: &Outbox) -> std::io::Result<usize> {
    output.write(&outbox.slices()).await
}

/// Whether the client really said nothing: a host that was itself stopped finds what the client
/// sent meanwhile still in the pipe.
fn silent(input: &Descriptor, heard: &mut Instant) -> bool {
    let nothing = input.waiting() == 0;
    if !nothing {
        *heard = Instant::now();
    }
    nothing
}

fn take_in(
    conversation: &mut Conversation,
    decoder: &mut FrameDecoder,
    outbox: &mut Outbox,
) -> Turn {
    loop {
        match decoder.next_frame() {
            Ok(Some(frame)) => {
                if conversation.handle(&frame) == Turn::Over {
                    while let Some((message, body)) = conversation.poll_reply() {
                        outbox.say(&message, body);
                    }
                    return Turn::Over;
                }
            }
            Ok(None) => return Turn::GoesOn,
            Err(error) => {
                outbox.say(&conversation.refuse_frame(error), Bytes::new());
                return Turn::Over;
            }
        }
    }
}
