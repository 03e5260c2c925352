//! Frames over a Unix socket, reading and writing at the same time.

use std::collections::VecDeque;
use std::io;

use bytes::{Buf, Bytes};
use outlast_protocol::frame::{Frame, FrameDecoder};
use outlast_protocol::limits::MAX_FRAME;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::UnixStream;

const READ: usize = 64 * 1024;

/// One end of a control connection.
#[derive(Debug)]
pub struct FrameStream {
    stream: UnixStream,
    decoder: FrameDecoder,
    /// Made when there is something to read: who only connects costs less.
    scratch: Vec<u8>,
    outbox: VecDeque<Bytes>,
    waiting: usize,
    ended: bool,
}

impl FrameStream {
    /// Takes a connected socket over. The peer's uid has been checked by whoever connected it.
    #[must_use]
    pub fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            decoder: FrameDecoder::new(MAX_FRAME),
            scratch: Vec::new(),
            outbox: VecDeque::new(),
            waiting: 0,
            ended: false,
        }
    }

    /// Queues a frame: its head, as a message encodes it, and the raw bytes behind it.
    pub fn push(&mut self, head: Vec<u8>, body: Bytes) {
        for piece in [Bytes::from(head), body] {
            self.waiting = self.waiting.saturating_add(piece.len());
            if !piece.is_empty() {
                self.outbox.push_back(piece);
            }
        }
    }

    /// Bytes queued and not yet written: callers stop producing when it is many.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Writes what is queued and waits for the next frame; `None` when the peer has closed its
    /// side. Cancel-safe: dropping the future loses nothing in either direction.
    pub async fn next(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.decoder.next_frame().map_err(invalid)? {
                return Ok(Some(frame));
            }
            if self.ended {
                return Ok(None);
            }
            self.write_now()?;
            let interest = if self.outbox.is_empty() {
                Interest::READABLE
            } else {
                Interest::READABLE | Interest::WRITABLE
            };
            if self.stream.ready(interest).await?.is_readable() {
                self.read_now()?;
            }
        }
    }

    /// Closes our side, and waits until the peer has closed its side or is gone.
    pub async fn close(&mut self) {
        if self.flush().await.is_ok() && self.stream.shutdown().await.is_ok() {
            while let Ok(Some(_)) = self.next().await {}
        }
    }

    /// Writes everything that is queued.
    pub async fn flush(&mut self) -> io::Result<()> {
        while !self.outbox.is_empty() {
            self.stream.writable().await?;
            self.write_now()?;
        }
        Ok(())
    }

    fn read_now(&mut self) -> io::Result<()> {
        self.scratch.resize(READ, 0);
        match self.stream.try_read(&mut self.scratch) {
            Ok(0) => self.ended = true,
            Ok(count) => self
                .decoder
                .push(self.scratch.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => self.ended = true,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn write_now(&mut self) -> io::Result<()> {
        while !self.outbox.is_empty() {
            let slices: Vec<_> = self
                .outbox
                .iter()
                .take(16)
                .map(|b| io::IoSlice::new(b))
                .collect();
            match self.stream.try_write_vectored(&slices) {
                Ok(count) => self.written(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn written(&mut self, mut count: usize) {
        self.waiting = self.waiting.saturating_sub(count);
        while let Some(front) = self.outbox.front_mut() {
            let step = count.min(front.len());
            front.advance(step);
            count = count.saturating_sub(step);
            if !front.is_empty() {
                return;
            }
            self.outbox.pop_front();
        }
    }
}

fn invalid(error: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}
