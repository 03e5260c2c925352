//! One command line's connection: its greeting, its one request, what belongs to it.

use std::rc::Rc;

use bytes::Bytes;
use outlast_protocol::control::to_cli::{Failed, Finished, MuxReport, ToCli};
use outlast_protocol::control::to_mux::ToMux;
use outlast_protocol::hello::{CONTROL_PROTOCOL, Hello};
use outlast_protocol::limits::HANDSHAKE_TIME;
use tokio::net::UnixStream;

use super::caller::{Caller, Stop};
use super::failure::Failure;
use super::wire::greeting;
use super::{Mux, enumerate, hold, invoke, new, receive, remove};

/// Serves one command line.
pub(super) async fn serve(mux: &Rc<Mux>, stream: UnixStream) {
    let mut caller = Caller::new(stream);
    caller.send(&ToCli::Hello(hello()), Bytes::new());
    let done = match first_request(&mut caller).await {
        Ok((request, body)) => answer(mux, &mut caller, request, body).await,
        Err(stop) => Err(stop),
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

fn hello() -> Hello {
    Hello {
        protocol: CONTROL_PROTOCOL,
        oldest: CONTROL_PROTOCOL,
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
        ToMux::New(request) => new::new(mux, caller, request).await,
        ToMux::Connect(request) => hold::connect(mux, caller, request).await,
        ToMux::Disconnect(request) => hold::disconnect(mux, caller, request).await,
        ToMux::Remove(request) => remove::remove(mux, caller, request).await,
        ToMux::Invoke(request) => invoke::run(mux, caller, request, body).await,
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
