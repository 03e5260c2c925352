//! The client at the relay's standard input and output, up to its first request.

use std::time::{Duration, Instant};

use outlast_protocol::frame::{Frame, FrameDecoder};
use outlast_protocol::hello::{Incompatible, MAGIC};
use outlast_protocol::limits::{HANDSHAKE_TIME, MAX_FRAME_BEFORE_ATTACH};
use outlast_protocol::link::refusal::RefusalCode;
use outlast_protocol::link::to_client::ToClient;
use outlast_protocol::link::to_host::ToHost;
use outlast_protocol::message::DecodeError;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;

use crate::identity::greeting;
use crate::refuse::refused;

/// Why there is nobody to serve.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// It went away.
    #[error("the client went away before its request")]
    Gone,
    /// It said too little for too long.
    #[error("the client sent no complete request within {} s", .0.as_secs())]
    Slow(Duration),
    /// It does not speak the protocol.
    #[error("the client broke the protocol: {0}")]
    Protocol(#[from] DecodeError),
    /// It is too old or too new.
    #[error(transparent)]
    Incompatible(#[from] Incompatible),
    /// The system refused.
    #[error("cannot talk to the client: {0}")]
    System(#[from] Errno),
    /// The host of the session could not be talked to.
    #[error("cannot talk to the session's host: {0}")]
    Host(String),
}

/// The client, and everything read from it so far: a host has to see it all again.
pub(super) struct Client {
    received: Vec<u8>,
}

impl Client {
    /// Speaks first: the magic, then who we are.
    pub(super) fn greet() -> Result<Self, ClientError> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&encode(&ToClient::Hello(greeting()))?);
        write_all(rustix::stdio::stdout(), &bytes)?;
        Ok(Self {
            received: Vec::new(),
        })
    }

    /// Reads the client's greeting and its one request.
    pub(super) fn read_request(&mut self) -> Result<ToHost, ClientError> {
        let deadline = Instant::now() + HANDSHAKE_TIME;
        let mut decoder = FrameDecoder::new(MAX_FRAME_BEFORE_ATTACH);
        let hello = self.read_frame(&mut decoder, deadline)?;
        match self.decode(&hello)? {
            ToHost::Hello(hello) => {
                greeting().negotiate(&hello).inspect_err(|error| {
                    let _ = self.refuse(0x01, RefusalCode::INCOMPATIBLE, error.to_string());
                })?;
            }
            other => {
                return Err(DecodeError::Unexpected {
                    expected: "Hello",
                    got: other.name().to_owned(),
                }
                .into());
            }
        }
        let request = self.read_frame(&mut decoder, deadline)?;
        self.decode(&request)
    }

    fn decode(&mut self, frame: &Frame) -> Result<ToHost, ClientError> {
        match ToHost::decode(frame) {
            Ok((message, _)) => Ok(message),
            Err(error) => {
                let code = match error {
                    DecodeError::Unknown(_) => RefusalCode::UNKNOWN_REQUEST,
                    _ => RefusalCode::BAD_REQUEST,
                };
                let _ = self.refuse(frame.number, code, error.to_string());
                Err(error.into())
            }
        }
    }

    fn read_frame(
        &mut self,
        decoder: &mut FrameDecoder,
        deadline: Instant,
    ) -> Result<Frame, ClientError> {
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => return Ok(frame),
                Ok(None) => {}
                Err(error) => {
                    let _ = self.refuse(error.number, RefusalCode::BAD_REQUEST, error.to_string());
                    return Err(DecodeError::from(error).into());
                }
            }
            let mut chunk = [0u8; 4096];
            let count = read_until(rustix::stdio::stdin(), &mut chunk, deadline)?;
            let bytes = chunk.get(..count).unwrap_or_default();
            self.received.extend_from_slice(bytes);
            decoder.push(bytes);
        }
    }

    fn refuse(
        &mut self,
        request: u8,
        code: RefusalCode,
        message: String,
    ) -> Result<(), ClientError> {
        self.send(&ToClient::Refused(refused(request, code, message)))
    }

    /// Sends one message.
    pub(super) fn send(&mut self, message: &ToClient) -> Result<(), ClientError> {
        Ok(write_all(rustix::stdio::stdout(), &encode(message)?)?)
    }

    /// Everything read from the client.
    pub(super) fn received(&self) -> &[u8] {
        &self.received
    }
}

fn encode(message: &ToClient) -> Result<Vec<u8>, ClientError> {
    message
        .head(0)
        .map_err(|error| ClientError::Host(error.to_string()))
}

fn read_until(
    fd: BorrowedFd<'_>,
    buffer: &mut [u8],
    deadline: Instant,
) -> Result<usize, ClientError> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ClientError::Slow(HANDSHAKE_TIME));
        }
        let timeout = Timespec::try_from(left).map_err(|_| Errno::INVAL)?;
        match poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&timeout)) {
            Ok(0) | Err(Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        return match rustix::io::read(fd, &mut *buffer) {
            Ok(0) => Err(ClientError::Gone),
            Ok(count) => Ok(count),
            Err(Errno::INTR | Errno::AGAIN) => continue,
            Err(error) => Err(error.into()),
        };
    }
}

/// Writes everything, waiting where the descriptor is in non-blocking mode.
pub(super) fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                poll(&mut [PollFd::new(&fd, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
