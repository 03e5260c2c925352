//! A TCP stream that acknowledges at once while the connection is being set up.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// sshd leaves Nagle's algorithm on until a session starts, so its small packets wait 40 ms for our
/// delayed acknowledgement. The kernel forgets TCP_QUICKACK by itself, hence once per read; after
/// these many reads the handshake is over and delayed acknowledgements are the better choice.
const REARMED_READS: u32 = 64;

#[derive(Debug)]
pub(super) struct QuickAckStream {
    inner: TcpStream,
    reads: u32,
}

impl QuickAckStream {
    pub(super) fn new(inner: TcpStream) -> Self {
        // Neither option is needed for correctness: where one is refused we are merely slower.
        let _ = inner.set_nodelay(true);
        let stream = Self { inner, reads: 0 };
        stream.acknowledge_at_once();
        stream
    }

    fn acknowledge_at_once(&self) {
        #[cfg(target_os = "linux")]
        let _ = rustix::net::sockopt::set_tcp_quickack(&self.inner, true);
    }
}

impl AsyncRead for QuickAckStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let result = ready!(Pin::new(&mut self.inner).poll_read(cx, buf));
        if self.reads < REARMED_READS {
            self.reads += 1;
            self.acknowledge_at_once();
        }
        Poll::Ready(result)
    }
}

impl AsyncWrite for QuickAckStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
