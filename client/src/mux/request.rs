//! One command line's connection: its greeting, its one request, what belongs to it.

use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use outlast_protocol::control::to_cli::{Failed, Finished, MuxReport, ToCli};
use outlast_protocol::control::to_mux::ToMux;
use outlast_protocol::hello::{CONTROL_PROTOCOL, Hello, MODES, feature};
use outlast_protocol::limits::{HANDSHAKE_TIME, MAX_SCRIPT};
use tokio::net::UnixStream;

use super::caller::{Caller, Stop};
use super::failure::Failure;
use super::wire::greeting;
use super::{
    Mux, askpass, enter, enumerate, examination, execute, hold, invoke, new, receive, remove,
};

/// Serves one command line, the newcomer with this number.
pub(super) async fn serve(mux: &Rc<Mux>, stream: UnixStream, number: u64) {
    let mut caller = Caller::new(stream);
    caller.send(&ToCli::Hello(hello()), Bytes::new());
    let done = match first_request(&mut caller).await {
        Ok((request, body)) => {
            mux.newcomers.borrow_mut().leave(number);
            // On its own, so that a peer that has not asked for anything is small.
            Box::pin(answer(mux, &mut caller, request, body)).await
        }
        Err(stop) => {
            turn_away(caller, stop).await;
            return mux.newcomers.borrow_mut().leave(number);
        }
    };
    match done {
        Ok(()) => caller.send(&ToCli::Finished(Finished), Bytes::new()),
        Err(Stop::Failed(failure)) => {
            caller.send(&ToCli::Failed(Failed::from(failure)), Bytes::new());
        }
        Err(Stop::Gone) => return mux.save_received(),
    }
    // The command line need not wait for the disk.
    caller.part(|| mux.save_received()).await;
}

/// Says why to who made no sense. It gets no more time to hear that than it had to speak, and
/// makes room for others as long as it stays.
async fn turn_away(mut caller: Caller, stop: Stop) {
    if let Stop::Failed(failure) = stop {
        caller.send(&ToCli::Failed(Failed::from(failure)), Bytes::new());
        let _ = tokio::time::timeout(HANDSHAKE_TIME, caller.part(|| ())).await;
    }
}

fn hello() -> Hello {
    Hello {
        protocol: CONTROL_PROTOCOL,
        oldest: CONTROL_PROTOCOL,
        features: vec![feature(MODES)],
        ..greeting()
    }
}

async fn first_request(caller: &mut Caller) -> Result<(ToMux, Bytes), Stop> {
    let read = async {
        match caller.next().await? {
            (ToMux::Hello(peer), _) => {
                hello().negotiate(&peer).map_err(|error| {
                    Failure::usage(error.to_string())
                        .hint("`outlast mux stop` ends the older mux; sessions keep running")
                })?;
                caller.met(peer);
            }
            (other, _) => {
                let message = format!("expected Hello, got {}", other.name());
                return Err(Failure::internal(message).into());
            }
        }
        caller.next().await
    };
    tokio::time::timeout(HANDSHAKE_TIME, read)
        .await
        .unwrap_or(Err(Stop::Gone))
}

async fn answer(
    mux: &Rc<Mux>,
    caller: &mut Caller,
    request: ToMux,
    body: Bytes,
) -> Result<(), Stop> {
    match request {
        ToMux::Select(select) => {
            let found = mux.registry.borrow().select(&select.selectors)?;
            caller.sessions(mux, &found);
            Ok(())
        }
        ToMux::Enumerate(request) => enumerate::enumerate(mux, caller, request).await,
        ToMux::Examine(request) => examination::examine(mux, caller, request).await,
        ToMux::Execute(request) => execute::execute(mux, caller, request, body).await,
        ToMux::New(request) => new::new(mux, caller, request).await,
        ToMux::Connect(request) => hold::connect(mux, caller, request).await,
        ToMux::Disconnect(request) => hold::disconnect(mux, caller, request).await,
        ToMux::Remove(request) => remove::remove(mux, caller, request).await,
        ToMux::Invoke(request) => {
            let body = whole(caller, request.more_len, body).await?;
            invoke::run(mux, caller, request, body).await
        }
        ToMux::Enter(request) => enter::run(mux, caller, request).await,
        ToMux::Askpass(request) => askpass::askpass(mux, caller, request).await,
        ToMux::Receive(request) => receive::run(mux, caller, request, false).await,
        ToMux::Watch(request) => receive::run(mux, caller, request.into(), true).await,
        ToMux::MuxStatus(_) => {
            caller.send(&ToCli::MuxReport(report(mux)), Bytes::new());
            Ok(())
        }
        ToMux::MuxStop(_) => {
            mux.stop.notify_one();
            Ok(())
        }
        other => Err(Failure::internal(format!("{} cannot come first", other.name())).into()),
    }
}

/// The body of a command, joined from its pieces.
async fn whole(caller: &mut Caller, more_len: u32, first: Bytes) -> Result<Bytes, Stop> {
    let more = usize::try_from(more_len).unwrap_or(usize::MAX);
    let length = first.len().saturating_add(more);
    if more == 0 || length > MAX_SCRIPT {
        return match more {
            0 => Ok(first),
            _ => Err(invoke::too_long(length).into()),
        };
    }
    let mut whole = BytesMut::from(first);
    while whole.len() < length {
        match caller.next().await? {
            (ToMux::More(_), piece)
                if !piece.is_empty() && whole.len().saturating_add(piece.len()) <= length =>
            {
                whole.extend_from_slice(&piece);
            }
            (other, _) => {
                let message = format!("expected the rest of a body, got {}", other.name());
                return Err(Failure::internal(message).into());
            }
        }
    }
    Ok(whole.freeze())
}

fn report(mux: &Mux) -> MuxReport {
    MuxReport {
        pid: std::process::id(),
        program: greeting().program,
        started_ms: mux.started_ms,
        connections: mux.hosts.report(),
        attached: u32::try_from(mux.attached()).unwrap_or(u32::MAX),
        idle_exit_s: u32::try_from(mux.idle_exit.as_secs()).unwrap_or(u32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use outlast_protocol::control::to_mux::MuxStatus;
    use outlast_protocol::frame::HEADER;
    use tokio::io::AsyncWriteExt;
    use tokio::time::Instant;

    use super::*;

    /// What a command line says first, and a command line that says it.
    fn said() -> Vec<u8> {
        let mut bytes = ToMux::Hello(hello()).head(0).unwrap();
        bytes.extend(ToMux::MuxStatus(MuxStatus).head(0).unwrap());
        bytes
    }

    fn pair() -> (UnixStream, Caller) {
        let (peer, ours) = UnixStream::pair().unwrap();
        (peer, Caller::new(ours))
    }

    #[tokio::test(start_paused = true)]
    async fn who_trickles_is_given_up_in_time() {
        let (mut peer, mut caller) = pair();
        let started = Instant::now();
        let trickle = async {
            // The greeting in time, the request a byte a second.
            let said = said();
            let greeting = ToMux::Hello(hello()).head(0).unwrap().len();
            peer.write_all(&said[..greeting]).await.unwrap();
            peer.write_all(&1000u32.to_be_bytes()).await.unwrap();
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                peer.write_all(&[0x30]).await.unwrap();
            }
        };
        let stopped = tokio::select! {
            request = first_request(&mut caller) => request.err(),
            () = trickle => None,
        };
        assert!(matches!(stopped, Some(Stop::Gone)));
        assert_eq!(started.elapsed(), HANDSHAKE_TIME);
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_in_pieces_in_time_is_heard() {
        let (mut peer, mut caller) = pair();
        let pieces = async {
            for piece in said().chunks(HEADER) {
                tokio::time::sleep(Duration::from_millis(100)).await;
                peer.write_all(piece).await.unwrap();
            }
        };
        let (request, ()) = tokio::join!(first_request(&mut caller), pieces);
        assert!(matches!(request, Ok((ToMux::MuxStatus(_), _))));
    }

    #[tokio::test]
    async fn a_length_beyond_the_limit_is_refused_from_the_header() {
        for greeting in [&[][..], &ToMux::Hello(hello()).head(0).unwrap()] {
            let (mut peer, mut caller) = pair();
            peer.write_all(greeting).await.unwrap();
            peer.write_all(&[0xff; HEADER]).await.unwrap();
            let stopped = first_request(&mut caller).await.err();
            let Some(Stop::Failed(failure)) = stopped else {
                panic!("it was let in");
            };
            let said = Failed::from(failure).message;
            assert!(said.contains("announces 4294967295 bytes"), "{said}");
        }
    }
}
