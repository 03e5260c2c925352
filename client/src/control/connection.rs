//! The command line's end of a control connection: one request and what belongs to it.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::control::to_cli::ToCli;
use outlast_protocol::control::to_mux::ToMux;
use outlast_protocol::hello::{CONTROL_PROTOCOL, Hello, MODES, feature};
use outlast_protocol::limits::MAX_FRAME;
use outlast_rendezvous::start::{ConnectError, connect, connect_or_start};
use rustix::net::sockopt::socket_peercred;
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout_at};

use super::start::start;
use super::stream::FrameStream;
use crate::cli::error::{Error, MuxVersion};
use crate::place::{MUX_LOCK, MUX_SOCKET, Place};

/// A connection to the mux.
#[derive(Debug)]
pub struct Connection {
    stream: FrameStream,
    peer: Option<Pid>,
    greeted: bool,
    /// When a mux that has not greeted is given up: it greets at once, or is stopped.
    greet_by: Instant,
}

/// How long a mux may take to greet, on a computer with much to do.
const GREETING: Duration = Duration::from_secs(20);

/// This program's greeting, from either side.
#[must_use]
pub fn hello() -> Hello {
    Hello {
        protocol: CONTROL_PROTOCOL,
        oldest: CONTROL_PROTOCOL,
        program: format!("outlast {}", env!("CARGO_PKG_VERSION")),
        user: std::env::var("USER").unwrap_or_default(),
        host: rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned(),
        max_frame: MAX_FRAME,
        features: vec![feature(MODES)],
    }
}

impl Connection {
    /// Connects to the mux, starting it where there is none.
    pub async fn open(place: &Place) -> Result<Self, Error> {
        let directory = place.state()?;
        let connected = blocking(move || {
            connect_or_start(&directory, MUX_SOCKET, MUX_LOCK, || start(&directory))
        });
        Self::greet(connected.await??)
    }

    /// Connects to the mux if there is one.
    pub async fn open_existing(place: &Place) -> Result<Option<Self>, Error> {
        let directory = place.state()?;
        match blocking(move || connect(&directory, MUX_SOCKET)).await? {
            Ok(stream) => Self::greet(stream).map(Some),
            Err(ConnectError::Absent(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn greet(stream: std::os::unix::net::UnixStream) -> Result<Self, Error> {
        let system = |source| Error::System {
            action: "cannot use the connection to the background process",
            source,
        };
        stream.set_nonblocking(true).map_err(system)?;
        let peer = socket_peercred(&stream).ok().map(|peer| peer.pid);
        let stream = UnixStream::from_std(stream).map_err(system)?;
        let mut connection = Self {
            stream: FrameStream::new(stream),
            peer,
            greeted: false,
            greet_by: Instant::now() + GREETING,
        };
        connection.send(hello(), Bytes::new())?;
        Ok(connection)
    }

    fn silent(&self) -> Error {
        let pid = self.peer.map_or(0, Pid::as_raw_pid);
        Error::MuxSilent { pid }
    }

    /// Queues a message and the raw bytes that belong to it.
    pub fn send(&mut self, message: impl Into<ToMux>, body: Bytes) -> Result<(), Error> {
        let head = message.into().head(body.len());
        let head = head.map_err(|error| Error::Protocol(error.to_string()))?;
        self.stream.push(head, body);
        Ok(())
    }

    /// Asks the process at the other end to end, whatever protocol it speaks.
    pub fn terminate_peer(&self) -> bool {
        self.peer
            .is_some_and(|pid| kill_process(pid, Signal::TERM).is_ok())
    }

    /// Writes everything that is queued. A mux that is gone needs nothing.
    pub async fn flush(&mut self) {
        let _ = self.stream.flush().await;
    }

    /// Has nothing more to say, and waits until the mux has nothing more to say either.
    pub async fn close(mut self) {
        self.stream.close().await;
    }

    /// A message that is already here. Cancel-safe.
    pub async fn next_now(&mut self) -> Result<Option<(ToCli, Bytes)>, Error> {
        tokio::select! {
            biased;
            message = self.next() => message,
            () = std::future::ready(()) => Ok(None),
        }
    }

    /// Writes what is queued and does not return, so that it can stand in for [`Self::next`]
    /// while nothing may be read.
    async fn write_only(&mut self) -> Infallible {
        // A broken connection shows when it is read again.
        let _ = self.stream.flush().await;
        std::future::pending().await
    }

    /// The next message; while none may be read, only writes. Cancel-safe.
    pub async fn next_if(&mut self, may: bool) -> Result<Option<(ToCli, Bytes)>, Error> {
        if may {
            return self.next().await;
        }
        match self.write_only().await {}
    }

    /// Writes what is queued and waits for a message; `None` when the mux is gone. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<(ToCli, Bytes)>, Error> {
        loop {
            let next = match self.greeted {
                true => self.stream.next().await,
                false => match timeout_at(self.greet_by, self.stream.next()).await {
                    Ok(next) => next,
                    Err(_) => return Err(self.silent()),
                },
            };
            let frame = match next {
                Ok(Some(frame)) => frame,
                Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                    return Err(Error::Protocol(error.to_string()));
                }
                Ok(None) | Err(_) => return Ok(None),
            };
            let (message, body) =
                ToCli::decode(&frame).map_err(|error| Error::Protocol(error.to_string()))?;
            match message {
                ToCli::Hello(theirs) => {
                    let agreed = hello().negotiate(&theirs);
                    agreed.map_err(|error| Error::Incompatible(MuxVersion(error)))?;
                    self.greeted = true;
                }
                message if self.greeted => return Ok(Some((message, body))),
                message => {
                    let name = message.name();
                    return Err(Error::Protocol(format!("expected Hello, got {name}")));
                }
            }
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.map_err(|error| Error::System {
        action: "cannot connect to the background process",
        source: std::io::Error::other(error),
    })
}
