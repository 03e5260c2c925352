//! The host's socket: relays come here with a client to hand over, a question or an order.

use std::io::IoSliceMut;
use std::rc::Rc;

use bytes::Bytes;
use outlast_protocol::frame::{Frame, FrameDecoder};
use outlast_protocol::handover::{Status, TakenOver, Terminated, ToHost, ToRelay};
use outlast_protocol::limits::{HANDSHAKE_TIME, MAX_FRAME_BEFORE_ATTACH};
use outlast_protocol::link::refusal::RefusalCode;
use outlast_rendezvous::peer::check_peer;
use rustix::fd::OwnedFd;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::core::Session;
use super::link::{self, Passed};
use crate::refuse::refused;

/// Relays that may be in their first seconds at the same time.
const UNFINISHED: usize = 64;

/// Accepts relays for ever.
pub(super) async fn serve(session: Rc<Session>, listener: UnixListener) {
    let places = std::sync::Arc::new(Semaphore::new(UNFINISHED));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let session = session.clone();
                // What is still to be said when the host ends gets out first.
                let stay = session.stay();
                tokio::task::spawn_local(async move {
                    let _stay = stay;
                    if let Err(error) = receive(session, stream, place).await {
                        super::complain(&format!("a relay was turned away: {error}"));
                    }
                });
            }
            Err(error) => {
                // Out of descriptors: one that ends makes room and wakes us.
                super::complain(&format!("cannot accept a relay: {error}"));
                drop(place);
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

async fn receive(
    session: Rc<Session>,
    mut stream: UnixStream,
    place: tokio::sync::OwnedSemaphorePermit,
) -> std::io::Result<()> {
    let std_stream = stream.into_std()?;
    check_peer(&std_stream).map_err(std::io::Error::other)?;
    stream = UnixStream::from_std(std_stream)?;
    let (message, body, descriptors) =
        tokio::time::timeout(HANDSHAKE_TIME, read_request(&mut stream)).await??;
    drop(place);
    match message {
        ToHost::Inquire(_) => {
            let info = session.core().info();
            reply(&mut stream, &ToRelay::Status(Status { info })).await
        }
        ToHost::Terminate(_) => {
            session.core().request_removal();
            session.ring_life();
            // Answered by closing: the host ends, and with it this socket.
            session.removed().await;
            reply(&mut stream, &ToRelay::Terminated(Terminated)).await
        }
        ToHost::HandOver(hand_over) => {
            let mut descriptors = descriptors.into_iter();
            let (Some(input), Some(output)) = (descriptors.next(), descriptors.next()) else {
                let refusal = refused(0x41, RefusalCode::BAD_REQUEST, "two descriptors are needed");
                return reply(&mut stream, &ToRelay::Refused(refusal)).await;
            };
            reply(&mut stream, &ToRelay::TakenOver(TakenOver)).await?;
            // `SSH_CONNECTION` is "client-address client-port server-address server-port".
            let address = hand_over
                .connection
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_owned();
            link::serve(
                session,
                Passed {
                    input,
                    output,
                    received: body,
                    address,
                },
            )
            .await;
            // Closing the socket lets the relay end.
            drop(stream);
            Ok(())
        }
    }
}

async fn reply(stream: &mut UnixStream, message: &ToRelay) -> std::io::Result<()> {
    let bytes = message
        .head(0)
        .map_err(|error| std::io::Error::other(error.to_string()))?;
    stream.write_all(&bytes).await
}

async fn read_request(stream: &mut UnixStream) -> std::io::Result<(ToHost, Bytes, Vec<OwnedFd>)> {
    // The client's first bytes travel inside; they were bounded when the relay read them.
    let mut decoder = FrameDecoder::new(MAX_FRAME_BEFORE_ATTACH.saturating_mul(2));
    let mut descriptors = Vec::new();
    let mut chunk = vec![0u8; 8192];
    let frame: Frame = loop {
        let bad = |error: String| std::io::Error::new(std::io::ErrorKind::InvalidData, error);
        if let Some(frame) = decoder
            .next_frame()
            .map_err(|error| bad(error.to_string()))?
        {
            break frame;
        }
        let count = if descriptors.is_empty() {
            read_with_descriptors(stream, &mut chunk, &mut descriptors).await?
        } else {
            stream.read(&mut chunk).await?
        };
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        decoder.push(chunk.get(..count).unwrap_or_default());
    };
    let (message, body) = ToHost::decode(&frame)
        .map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error.to_string()))?;
    Ok((message, body, descriptors))
}

async fn read_with_descriptors(
    stream: &UnixStream,
    chunk: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
) -> std::io::Result<usize> {
    stream
        .async_io(Interest::READABLE, || {
            let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let received = rustix::net::recvmsg(
                stream,
                &mut [IoSliceMut::new(chunk)],
                &mut control,
                RecvFlags::CMSG_CLOEXEC,
            )?;
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(fds) = message {
                    descriptors.extend(fds);
                }
            }
            Ok(received.bytes)
        })
        .await
}
