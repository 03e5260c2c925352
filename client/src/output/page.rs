//! What is to be written out in one go.

use bytes::Bytes;

/// Where a piece goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Pieces of output, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pieces: Vec<(Channel, Bytes)>,
}

impl Page {
    /// Adds a piece.
    pub fn push(&mut self, channel: Channel, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        if !bytes.is_empty() {
            self.pieces.push((channel, bytes));
        }
    }

    /// Adds a line for the user on standard error.
    pub fn note(&mut self, text: &str) {
        self.push(Channel::Err, format!("{}\n", super::clean(text)));
    }

    /// The pieces in order.
    #[must_use]
    pub fn pieces(&self) -> &[(Channel, Bytes)] {
        &self.pieces
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }
}
