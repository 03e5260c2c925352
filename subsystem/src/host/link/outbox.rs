//! What waits to be written to a client.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};
use outlast_protocol::link::to_client::ToClient;

/// Pieces written with one call.
const PIECES: usize = 16;

/// Messages on their way out, as bytes.
#[derive(Default)]
pub(in crate::host) struct Outbox {
    pieces: VecDeque<Bytes>,
    bytes: usize,
}

impl Outbox {
    /// Bytes that wait.
    pub(in crate::host) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing waits.
    pub(in crate::host) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    fn push(&mut self, piece: Bytes) {
        self.bytes = self.bytes.saturating_add(piece.len());
        if !piece.is_empty() {
            self.pieces.push_back(piece);
        }
    }

    pub(super) fn say(&mut self, message: &ToClient, body: Bytes) {
        match message.head(body.len()) {
            Ok(head) => {
                self.push(head.into());
                self.push(body);
            }
            Err(error) => {
                crate::host::complain(&format!("cannot encode {}: {error}", message.name()));
            }
        }
    }

    /// The first pieces, for one call.
    pub(in crate::host) fn slices(&self) -> Vec<IoSlice<'_>> {
        self.pieces
            .iter()
            .take(PIECES)
            .map(|piece| IoSlice::new(piece))
            .collect()
    }

    /// So many bytes of [`Self::slices`] were written.
    pub(in crate::host) fn written(&mut self, mut count: usize) {
        self.bytes = self.bytes.saturating_sub(count);
        while let Some(front) = self.pieces.front_mut() {
            let step = count.min(front.len());
            front.advance(step);
            count = count.saturating_sub(step);
            if !front.is_empty() {
                return;
            }
            self.pieces.pop_front();
        }
    }
}
