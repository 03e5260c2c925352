//! One record as bytes in a segment. Everything is little endian.
//!
//! | offset | size | field |
//! |-------:|-----:|-------|
//! | 0 | 4 | length of all that follows the checksum: 36 + payload |
//! | 4 | 4 | CRC-32C of all that follows |
//! | 8 | 8 | sequence number |
//! | 16 | 8 | time, milliseconds of Unix time |
//! | 24 | 16 | invocation, zero if there is none |
//! | 40 | 1 | kind: 1 started, 2 output, 3 completed, 4 gap |
//! | 41 | 1 | stream of output: 1 stdout, 2 stderr, 3 pty; otherwise 0 |
//! | 42 | 1 | bit 0: there is an invocation; the other bits are 0 |
//! | 43 | 1 | 0 |
//! | 44 | – | payload |
//!
//! The payload of output is the output; of a gap its first number (8), bytes (8) and cause
//! (1: 1 quota, 2 storage, 3 damaged); of a completion see [`super::outcome`]; else empty.

use bytes::Bytes;
use outlast_protocol::id::{InvocationId, Seq};
use uuid::Uuid;

use super::fields::Fields;
use super::outcome::{decode_outcome, encode_outcome};
use super::record::{Gap, GapCause, Record, RecordKind, Stream};

/// Largest payload of one record.
pub const MAX_PAYLOAD: usize = 64 * 1024;

/// Bytes of the length and the checksum.
const PREFIX: usize = 8;
/// Bytes from the checksum to the payload.
const FIXED: usize = 36;

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// They end before the record does.
    #[error("the record is cut off")]
    Torn,
    /// They are not what was written.
    #[error("the record is damaged")]
    Corrupt,
}

/// Appends `record` to `out`.
pub(super) fn encode_record(record: &Record, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; PREFIX]);
    out.extend_from_slice(&record.seq.0.to_le_bytes());
    out.extend_from_slice(&record.time_ms.to_le_bytes());
    let invocation = record.invocation.map_or(Uuid::nil(), |id| id.0);
    out.extend_from_slice(invocation.as_bytes());
    let (kind, stream) = match record.kind {
        RecordKind::Started => (1, 0),
        RecordKind::Output(Stream::Stdout) => (2, 1),
        RecordKind::Output(Stream::Stderr) => (2, 2),
        RecordKind::Output(Stream::Pty) => (2, 3),
        RecordKind::Completed(_) => (3, 0),
        RecordKind::Gap(_) => (4, 0),
    };
    out.extend_from_slice(&[kind, stream, u8::from(record.invocation.is_some()), 0]);
    match &record.kind {
        RecordKind::Started => {}
        RecordKind::Output(_) => out.extend_from_slice(&record.bytes),
        RecordKind::Completed(outcome) => encode_outcome(outcome, out),
        RecordKind::Gap(gap) => {
            out.extend_from_slice(&gap.first.0.to_le_bytes());
            out.extend_from_slice(&gap.bytes.to_le_bytes());
            out.push(match gap.cause {
                GapCause::Quota => 1,
                GapCause::Storage => 2,
                GapCause::Damaged => 3,
            });
        }
    }
    let body = out.get(start + PREFIX..).unwrap_or_default();
    let (length, checksum) = (body.len(), crc32c::crc32c(body));
    // A body is at most FIXED + MAX_PAYLOAD: the log splits what is longer.
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    if let Some(prefix) = out.get_mut(start..start + PREFIX) {
        let (for_length, for_checksum) = prefix.split_at_mut(4);
        for_length.copy_from_slice(&length.to_le_bytes());
        for_checksum.copy_from_slice(&checksum.to_le_bytes());
    }
}

/// Reads the record at the start of `bytes`; also says how many bytes it takes.
pub fn decode_record(bytes: &[u8]) -> Result<(Record, usize), DecodeError> {
    let mut prefix = Fields::new(bytes);
    let length = prefix.u32().ok_or(DecodeError::Torn)? as usize;
    if !(FIXED..=FIXED + MAX_PAYLOAD).contains(&length) {
        return Err(DecodeError::Corrupt);
    }
    let checksum = prefix.u32().ok_or(DecodeError::Torn)?;
    let body = prefix.rest().get(..length).ok_or(DecodeError::Torn)?;
    if crc32c::crc32c(body) != checksum {
        return Err(DecodeError::Corrupt);
    }
    let record = decode_body(body).ok_or(DecodeError::Corrupt)?;
    Ok((record, PREFIX + length))
}

fn decode_body(body: &[u8]) -> Option<Record> {
    let mut fields = Fields::new(body);
    let seq = Seq(fields.u64()?);
    let time_ms = fields.u64()?;
    let uuid = Uuid::from_bytes(fields.array()?);
    let [kind, stream, flags, reserved] = fields.array()?;
    let payload = fields.rest();
    let kind = match (kind, stream) {
        (1, 0) if payload.is_empty() => RecordKind::Started,
        (2, 1) => RecordKind::Output(Stream::Stdout),
        (2, 2) => RecordKind::Output(Stream::Stderr),
        (2, 3) => RecordKind::Output(Stream::Pty),
        (3, 0) => RecordKind::Completed(decode_outcome(payload)?),
        (4, 0) => RecordKind::Gap(decode_gap(payload)?),
        _ => return None,
    };
    let invocation = match (flags, reserved) {
        (0, 0) => None,
        (1, 0) => Some(InvocationId(uuid)),
        _ => return None,
    };
    let bytes = match kind {
        RecordKind::Output(_) => Bytes::copy_from_slice(payload),
        _ => Bytes::new(),
    };
    Some(Record {
        seq,
        time_ms,
        invocation,
        kind,
        bytes,
    })
}

fn decode_gap(payload: &[u8]) -> Option<Gap> {
    let mut fields = Fields::new(payload);
    let first = Seq(fields.u64()?);
    let bytes = fields.u64()?;
    let cause = match fields.array()? {
        [1] => GapCause::Quota,
        [2] => GapCause::Storage,
        [3] => GapCause::Damaged,
        [_] => return None,
    };
    let gap = Gap {
        first,
        bytes,
        cause,
    };
    fields.rest().is_empty().then_some(gap)
}
