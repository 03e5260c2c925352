//! A stream that ends when whoever waits for the handshake gives up.
//!
//! russh runs a session in a task of its own, and during a key exchange that task listens to the
//! network only: with a silent peer, a handshake given up would keep its socket for ever.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

use super::overheard::Ear;

pub(super) struct AbortableStream<S> {
    inner: S,
    /// Dropped unsent: abort. Sent: never abort again.
    settled: Option<oneshot::Receiver<()>>,
    ear: Ear,
}

impl<S> AbortableStream<S> {
    /// The sender settles the matter, or aborts by being dropped.
    pub(super) fn new(inner: S, ear: Ear) -> (Self, oneshot::Sender<()>) {
        let (settle, settled) = oneshot::channel();
        (
            Self {
                inner,
                settled: Some(settled),
                ear,
            },
            settle,
        )
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for AbortableStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(settled) = &mut self.settled {
            match Pin::new(settled).poll(cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => self.settled = None,
                Poll::Ready(Err(_)) => {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                }
            }
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        self.ear
            .hear(buf.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for AbortableStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
