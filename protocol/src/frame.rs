//! Frames: a length and a type outside the payload, so that an unknown type can be refused by
//! name and skipped.

use alloc::vec::Vec;

use bytes::{Buf, Bytes, BytesMut};
use serde::Serialize;

use crate::codec::{self, CodecError};
use crate::limits::MAX_FRAME;

/// Bytes in front of every payload: its length as big-endian `u32`, then the frame type.
pub const HEADER: usize = 5;

/// One frame as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its type number.
    pub number: u8,
    /// What follows the header: an encoded message, for bulk frames with raw bytes after it.
    pub payload: Bytes,
}

/// A frame whose length is above what the receiver accepts at this point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a frame of type {number:#04x} announces {length} bytes; at most {limit} are accepted here"
)]
pub struct FrameTooLong {
    /// The type in its header.
    pub number: u8,
    /// The announced length.
    pub length: u32,
    /// The limit in force.
    pub limit: u32,
}

/// Everything of a frame but the raw bytes of its body, which the caller writes right behind it.
pub fn head<T: Serialize>(number: u8, message: &T, body: usize) -> Result<Vec<u8>, CodecError> {
    let encoded = codec::encode(message)?;
    let total = encoded.len().saturating_add(body);
    let length = u32::try_from(total)
        .ok()
        .filter(|&length| length <= MAX_FRAME)
        .ok_or_else(|| {
            CodecError(alloc::format!(
                "a message of {total} bytes does not fit into a frame"
            ))
        })?;
    let mut out = Vec::with_capacity(HEADER.saturating_add(encoded.len()));
    out.extend_from_slice(&length.to_be_bytes());
    out.push(number);
    out.extend_from_slice(&encoded);
    Ok(out)
}

/// Cuts a byte stream into frames.
#[derive(Debug)]
pub struct FrameDecoder {
    buffer: BytesMut,
    limit: u32,
}

impl FrameDecoder {
    /// A decoder that refuses payloads above `limit` bytes.
    #[must_use]
    pub fn new(limit: u32) -> Self {
        Self {
            buffer: BytesMut::new(),
            limit,
        }
    }

    /// Changes the limit, e.g. once a session is attached.
    pub fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
    }

    /// Takes in received bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The buffer to read into directly, saving a copy.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next whole frame, if there is one.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameTooLong> {
        let Some((header, _)) = self.buffer.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let [a, b, c, d, number] = *header;
        let length = u32::from_be_bytes([a, b, c, d]);
        if length > self.limit {
            return Err(FrameTooLong {
                number,
                length,
                limit: self.limit,
            });
        }
        let length = length as usize;
        if self.buffer.len().saturating_sub(HEADER) < length {
            return Ok(None);
        }
        self.buffer.advance(HEADER);
        Ok(Some(Frame {
            number,
            payload: self.buffer.split_to(length).freeze(),
        }))
    }

    /// Bytes received after the last whole frame.
    #[must_use]
    pub fn remainder(&self) -> &[u8] {
        &self.buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_whole_however_the_stream_is_cut() {
        let mut stream = head(7, &"hello", 3).unwrap();
        stream.extend_from_slice(b"raw");
        stream.extend_from_slice(&head(8, &(), 0).unwrap());
        for cut in 0..=stream.len() {
            let mut decoder = FrameDecoder::new(100);
            let mut frames = Vec::new();
            for part in [&stream[..cut], &stream[cut..]] {
                decoder.push(part);
                while let Some(frame) = decoder.next_frame().unwrap() {
                    frames.push(frame);
                }
            }
            assert_eq!(frames.len(), 2, "cut at {cut}");
            assert_eq!(&frames[0].payload[..], b"\x05helloraw");
            assert_eq!((frames[1].number, frames[1].payload.len()), (8, 0));
        }
    }

    #[test]
    fn an_overlong_frame_is_refused_from_its_header_alone() {
        let mut decoder = FrameDecoder::new(10);
        decoder.push(&[0xff, 0xff, 0xff, 0xff, 3]);
        let error = decoder.next_frame().unwrap_err();
        assert_eq!((error.number, error.length, error.limit), (3, u32::MAX, 10));
    }
}
