//! A relay's conversation with a session's host.

use std::io::{IoSlice, Read};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use outlast_protocol::frame::FrameDecoder;
use outlast_protocol::handover::{ToHost, ToRelay};
use outlast_protocol::limits::MAX_FRAME;
use outlast_protocol::link::refusal::Refused;
use outlast_rendezvous::start::{ConnectError, connect, connect_within};
use rustix::fd::BorrowedFd;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

use crate::registry::Entry;

/// Why the host could not be talked to.
#[derive(Debug, thiserror::Error)]
pub(super) enum HostError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It will not serve.
    #[error("{}", .0.message)]
    Refused(Refused),
    /// It did not answer in time.
    #[error("the session's host process does not answer: is it stopped?")]
    Silent,
    /// It broke off.
    #[error("the session's host process broke off: {0}")]
    BrokeOff(std::io::Error),
    /// It said something else.
    #[error("the session's host process answered something unexpected: {0}")]
    Unexpected(String),
}

impl From<std::io::Error> for HostError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => Self::Silent,
            _ => Self::BrokeOff(error),
        }
    }
}

/// A connection to the host's socket.
pub(super) struct HostSocket {
    stream: UnixStream,
}

impl HostError {
    /// Whether it went away before it answered, and had not even heard us.
    pub(super) fn is_farewell(&self) -> bool {
        use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
        match self {
            Self::Connect(error) => matches!(error, ConnectError::Absent(_)),
            Self::BrokeOff(error) => {
                matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
            }
            Self::Silent | Self::Refused(_) | Self::Unexpected(_) => false,
        }
    }
}

impl From<UnixStream> for HostSocket {
    fn from(stream: UnixStream) -> Self {
        Self { stream }
    }
}

impl HostSocket {
    pub(super) fn connect(entry: &Entry) -> Result<Self, HostError> {
        Ok(Self {
            stream: connect(entry.directory(), Entry::SOCKET)?,
        })
    }

    /// Connects to a host that may be stopped.
    pub(super) fn connect_within(entry: &Entry, patience: Duration) -> Result<Self, HostError> {
        Ok(Self {
            stream: connect_within(entry.directory(), Entry::SOCKET, patience)?,
        })
    }

    /// Sends a message with raw bytes behind it; descriptors travel with its first byte.
    pub(super) fn send(
        &mut self,
        message: &ToHost,
        body: &[u8],
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), HostError> {
        let mut bytes = message
            .head(body.len())
            .map_err(|error| HostError::Unexpected(error.to_string()))?;
        bytes.extend_from_slice(body);
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        let sent = rustix::net::sendmsg(
            &self.stream,
            &[IoSlice::new(&bytes)],
            &mut control,
            SendFlags::NOSIGNAL,
        )
        .map_err(std::io::Error::from)?;
        std::io::Write::write_all(&mut self.stream, bytes.get(sent..).unwrap_or_default())?;
        Ok(())
    }

    /// Waits for one reply.
    pub(super) fn receive(&mut self, patience: Duration) -> Result<ToRelay, HostError> {
        self.stream.set_read_timeout(Some(patience))?;
        let mut decoder = FrameDecoder::new(MAX_FRAME);
        let mut chunk = [0u8; 4096];
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => {
                    let (message, _) = ToRelay::decode(&frame)
                        .map_err(|error| HostError::Unexpected(error.to_string()))?;
                    return Ok(message);
                }
                Ok(None) => {}
                Err(error) => return Err(HostError::Unexpected(error.to_string())),
            }
            let count = self.stream.read(&mut chunk)?;
            if count == 0 {
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
            }
            decoder.push(chunk.get(..count).unwrap_or_default());
        }
    }

    /// Waits until the host closes the socket: it has let go of the client.
    pub(super) fn wait_end(mut self) {
        let _ = self.stream.set_read_timeout(None);
        let mut byte = [0u8; 64];
        while matches!(self.stream.read(&mut byte), Ok(count) if count > 0) {}
    }
}
