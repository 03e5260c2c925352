//! The host's socket: relays come here with a client to hand over, a question or an order.

use std::cell::RefCell;
use std::io::IoSliceMut;
use std::rc::Rc;

use bytes::Bytes;
use outlast_protocol::frame::{Frame, FrameDecoder};
use outlast_protocol::handover::{Status, TakenOver, Terminated, ToHost, ToRelay};
use outlast_protocol::limits::{HANDSHAKE_TIME, MAX_FRAME_BEFORE_ATTACH};
use outlast_protocol::link::refusal::RefusalCode;
use outlast_rendezvous::Newcomers;
use outlast_rendezvous::peer::check_peer;
use rustix::fd::OwnedFd;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::AbortHandle;

use super::link::{self, Passed};
use super::session::Session;
use crate::audit::Login;
use crate::refuse::refused;

/// Relays that may be in their first seconds at the same time.
const UNFINISHED: usize = 64;

/// Accepts relays for ever.
pub(super) async fn serve(session: Rc<Session>, listener: UnixListener) {
    let newcomers = Rc::new(RefCell::new(Newcomers::<AbortHandle>::new(UNFINISHED)));
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let session = session.clone();
                let number = newcomers.borrow().next();
                let others = newcomers.clone();
                // What is still to be said when the host ends gets out first.
                let stay = session.stay();
                let task = tokio::task::spawn_local(async move {
                    let _stay = stay;
                    let request = handshake(stream).await;
                    others.borrow_mut().leave(number);
                    let done = match request {
                        Ok(request) => carry_out(session, request).await,
                        Err(error) => Err(error),
                    };
                    if let Err(error) = done {
                        super::complain(&format!("a relay was turned away: {error}"));
                    }
                });
                if let Some(oldest) = newcomers.borrow_mut().admit(task.abort_handle()) {
                    oldest.abort();
                }
                // Many may come at once, and each is heard before the next can push it out.
                tokio::task::yield_now().await;
            }
            Err(error) => {
                // Out of descriptors: one that ends makes room and wakes us.
                super::complain(&format!("cannot accept a relay: {error}"));
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

/// What a relay came for.
struct Request {
    stream: UnixStream,
    message: ToHost,
    body: Bytes,
    descriptors: Vec<OwnedFd>,
}

/// Hears what a relay came for: all of it in time, however busy it is sending.
async fn handshake(stream: UnixStream) -> std::io::Result<Request> {
    let stream = stream.into_std()?;
    check_peer(&stream).map_err(std::io::Error::other)?;
    let mut stream = UnixStream::from_std(stream)?;
    let read = tokio::time::timeout(HANDSHAKE_TIME, read_request(&mut stream)).await;
    let (message, body, descriptors) = read.map_err(|_| slow())??;
    Ok(Request {
        stream,
        message,
        body,
        descriptors,
    })
}

fn slow() -> std::io::Error {
    let seconds = HANDSHAKE_TIME.as_secs();
    let said = format!("it sent no complete request within {seconds} s");
    std::io::Error::new(std::io::ErrorKind::TimedOut, said)
}

async fn carry_out(session: Rc<Session>, request: Request) -> std::io::Result<()> {
    let Request {
        mut stream,
        message,
        body,
        descriptors,
    } = request;
    match message {
        ToHost::Inquire(_) => {
            let info = session.core().info();
            reply(&mut stream, &ToRelay::Status(Status { info })).await
        }
        ToHost::Terminate(terminate) => {
            let by = Login::told(&terminate.extensions);
            session.core().audit.removal(by);
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
            // An older relay says no more than where its client comes from.
            let login = match hand_over.extensions.as_slice() {
                [] => Login::over(hand_over.connection.into_bytes()),
                extensions => Login::told(extensions),
            };
            link::serve(
                session,
                Passed {
                    input,
                    output,
                    received: body,
                    login,
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use outlast_protocol::handover::Inquire;
    use tokio::time::Instant;

    use super::*;

    fn inquire() -> Vec<u8> {
        let inquire = ToHost::Inquire(Inquire {
            extensions: Vec::new(),
        });
        inquire.head(0).unwrap()
    }

    async fn error(stream: UnixStream) -> std::io::Error {
        match handshake(stream).await {
            Ok(request) => panic!("it was let in: {:?}", request.message),
            Err(error) => error,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_trickles_is_turned_away_in_time() {
        let (mut peer, ours) = UnixStream::pair().unwrap();
        let started = Instant::now();
        let trickle = async {
            // Longer than anybody waits, and never complete.
            peer.write_all(&1000u32.to_be_bytes()).await.unwrap();
            let mut sent = 0;
            while peer.write_all(&[0]).await.is_ok() {
                sent += 1;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            sent
        };
        let (error, sent) = tokio::join!(error(ours), trickle);
        assert_eq!(error.to_string(), "it sent no complete request within 10 s");
        assert!(started.elapsed() >= HANDSHAKE_TIME);
        assert!((10..=12).contains(&sent), "{sent}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_is_turned_away_in_time() {
        let (_peer, ours) = UnixStream::pair().unwrap();
        let started = Instant::now();
        assert_eq!(error(ours).await.kind(), std::io::ErrorKind::TimedOut);
        assert_eq!(started.elapsed(), HANDSHAKE_TIME);
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_in_pieces_in_time_is_heard() {
        let (mut peer, ours) = UnixStream::pair().unwrap();
        let pieces = async {
            for byte in inquire() {
                tokio::time::sleep(Duration::from_millis(500)).await;
                peer.write_all(&[byte]).await.unwrap();
            }
        };
        let (request, ()) = tokio::join!(handshake(ours), pieces);
        assert!(matches!(request.unwrap().message, ToHost::Inquire(_)));
    }

    #[tokio::test]
    async fn a_length_beyond_the_limit_is_refused_from_the_header() {
        for length in [u32::MAX, MAX_FRAME_BEFORE_ATTACH * 2 + 1] {
            let (mut peer, ours) = UnixStream::pair().unwrap();
            peer.write_all(&length.to_be_bytes()).await.unwrap();
            peer.write_all(&[1]).await.unwrap();
            let said = error(ours).await.to_string();
            assert!(
                said.contains(&format!("announces {length} bytes")),
                "{said}"
            );
        }
    }

    #[tokio::test]
    async fn who_leaves_in_the_middle_is_not_waited_for() {
        let whole = inquire();
        for cut in 0..whole.len() {
            let (mut peer, ours) = UnixStream::pair().unwrap();
            peer.write_all(&whole[..cut]).await.unwrap();
            drop(peer);
            let kind = error(ours).await.kind();
            assert_eq!(kind, std::io::ErrorKind::UnexpectedEof, "cut at {cut}");
        }
    }
}
