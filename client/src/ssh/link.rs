//! One channel as one stream of bytes.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes, BytesMut};
use russh::client::Msg;
use russh::{Channel, ChannelWriteHalf};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, mpsc, oneshot};

use super::link_task;

/// What may wait to be sent before writers have to wait.
const OUTBOUND_LIMIT: usize = 256 * 1024;

/// What the remote command said besides its output.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RemoteDiagnostics {
    /// The first 64 KiB of its standard error.
    pub stderr: Vec<u8>,
    pub stderr_truncated: bool,
    /// Known at the latest when reading reports the end, if the server reports it at all.
    pub exit: Option<RemoteExit>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RemoteExit {
    /// 127: the login shell did not find the command.
    Status(u32),
    Signal(String),
}

/// Outlives its link: what the remote command said on its standard error, and how it ended.
#[derive(Clone)]
pub struct LastWords {
    shared: Arc<Shared>,
}

impl LastWords {
    /// The status that the command ended with, if it is known.
    pub fn status(&self) -> Option<u32> {
        match self.shared.state().diagnostics.exit {
            Some(RemoteExit::Status(status)) => Some(status),
            Some(RemoteExit::Signal(_)) | None => None,
        }
    }

    /// In words; empty if there is nothing to tell.
    pub fn text(&self) -> String {
        let diagnostics = self.shared.state().diagnostics.clone();
        let mut text = String::from_utf8_lossy(&diagnostics.stderr)
            .trim()
            .to_owned();
        let exit = match diagnostics.exit {
            Some(RemoteExit::Status(status)) => format!("it ended with status {status}"),
            Some(RemoteExit::Signal(signal)) => format!("it was killed by {signal}"),
            None => return text,
        };
        if !text.is_empty() {
            text.push('\n');
        }
        text + &exit
    }
}

/// A channel as a stream. Reading reports the end when the remote command has ended, and an error
/// of the kind `ConnectionReset` when the connection broke instead. Dropping it sends the end of
/// the stream and lets the remote side close the channel.
pub struct Link {
    shared: Arc<Shared>,
    write_half: Arc<ChannelWriteHalf<Msg>>,
    replies: mpsc::UnboundedReceiver<bool>,
    /// Whether the command runs in the place of the subsystem.
    pub(super) in_place: bool,
    /// Its drop tells the task that nobody reads any more.
    _alive: oneshot::Sender<()>,
}

/// Between the link and the task that serves its channel.
#[derive(Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// There is something to send.
    pub(super) outbound: Notify,
}

#[derive(Default)]
pub(super) struct State {
    /// What was received and not read yet. It has no bound of its own, because an unread channel
    /// would stall every other one on the connection (russh hands messages on in order): the bound
    /// is the peer's, which sends at most a credit of a few MiB beyond what we acknowledged.
    pub(super) inbound: VecDeque<Bytes>,
    pub(super) inbound_end: Option<InboundEnd>,
    pub(super) reader: Option<Waker>,
    pub(super) outbound: BytesMut,
    /// Taken from `outbound` and not yet handed to the connection.
    pub(super) is_sending: bool,
    pub(super) shutdown: bool,
    pub(super) eof_sent: bool,
    pub(super) writer: Option<Waker>,
    /// Nobody reads any more.
    pub(super) abandoned: bool,
    pub(super) diagnostics: RemoteDiagnostics,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum InboundEnd {
    /// The remote side ended it.
    Closed,
    /// The connection broke.
    Lost,
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(super) fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    pub(super) fn wake_writer(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }
}

impl Link {
    pub(super) fn start(channel: Channel<Msg>) -> Self {
        let shared = Arc::new(Shared::default());
        let (read_half, write_half) = channel.split();
        let write_half = Arc::new(write_half);
        let (replies_sender, replies) = mpsc::unbounded_channel();
        let (alive, abandoned) = oneshot::channel();
        tokio::spawn(link_task::serve(
            shared.clone(),
            read_half,
            write_half.clone(),
            replies_sender,
            abandoned,
        ));
        Self {
            shared,
            write_half,
            replies,
            in_place: false,
            _alive: alive,
        }
    }

    pub(super) async fn request_subsystem(&self, name: &str) -> Result<(), russh::Error> {
        self.write_half.request_subsystem(true, name).await
    }

    pub(super) async fn request_exec(&self, command: &str) -> Result<(), russh::Error> {
        self.write_half.exec(true, command).await
    }

    /// The server's answer to a request; `None` once the channel has ended.
    pub(super) async fn reply(&mut self) -> Option<bool> {
        self.replies.recv().await
    }

    /// Whether there was no subsystem, and the command runs in its place.
    pub fn is_in_place(&self) -> bool {
        self.in_place
    }

    /// What the remote command said besides its output, so far.
    pub fn remote_diagnostics(&self) -> RemoteDiagnostics {
        self.shared.state().diagnostics.clone()
    }

    /// What the remote command says besides its output, for when the link itself is elsewhere.
    pub fn last_words(&self) -> LastWords {
        LastWords {
            shared: Arc::clone(&self.shared),
        }
    }

    /// The next bytes as they came, without a copy; `None` at the end.
    pub async fn read_chunk(&mut self) -> io::Result<Option<Bytes>> {
        std::future::poll_fn(|cx| {
            let mut state = self.shared.state();
            if let Some(chunk) = state.inbound.pop_front() {
                return Poll::Ready(Ok(Some(chunk)));
            }
            poll_end(&mut state, cx).map(|end| end.map(|()| None))
        })
        .await
    }
}

fn poll_end(state: &mut State, cx: &Context<'_>) -> Poll<io::Result<()>> {
    match state.inbound_end {
        Some(InboundEnd::Closed) => Poll::Ready(Ok(())),
        Some(InboundEnd::Lost) => Poll::Ready(Err(io::Error::new(
            io::ErrorKind::ConnectionReset,
            "the SSH connection broke",
        ))),
        None => {
            state.reader = Some(cx.waker().clone());
            Poll::Pending
        }
    }
}

impl AsyncRead for Link {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.shared.state();
        let Some(front) = state.inbound.front_mut() else {
            return poll_end(&mut state, cx);
        };
        let length = front.len().min(buf.remaining());
        buf.put_slice(&front.split_to(length));
        if !front.has_remaining() {
            state.inbound.pop_front();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.shared.state();
        if state.inbound_end.is_some() || state.shutdown {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = OUTBOUND_LIMIT.saturating_sub(state.outbound.len());
        if room == 0 {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let accepted = buf.get(..room).unwrap_or(buf);
        state.outbound.extend_from_slice(accepted);
        drop(state);
        self.shared.outbound.notify_one();
        Poll::Ready(Ok(accepted.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.shared.state();
        if state.outbound.is_empty() && !state.is_sending {
            return Poll::Ready(Ok(()));
        }
        if state.inbound_end.is_some() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.shared.state();
        if state.eof_sent || state.inbound_end.is_some() {
            return Poll::Ready(Ok(()));
        }
        state.shutdown = true;
        state.writer = Some(cx.waker().clone());
        drop(state);
        self.shared.outbound.notify_one();
        Poll::Pending
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.abandoned = true;
        state.shutdown = true;
        state.inbound.clear();
        drop(state);
        self.shared.outbound.notify_one();
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("channel", &self.write_half.id())
            .finish_non_exhaustive()
    }
}
