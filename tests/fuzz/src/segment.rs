//! Segment files, written by the format's description and not by the code that reads them: bytes
//! that pass every checksum, which no mutation finds.

use arbitrary::Arbitrary;
use bytes::Bytes;
use outlast_protocol::id::{InvocationId, Seq};
use outlast_protocol::outcome::{ExitStatus, Outcome};
use outlast_protocol::record::{GapCause, RecordKind, Stream};
use outlast_subsystem::log::Record;
use uuid::Uuid;

/// A record's kind and content, before it has a number.
#[derive(Arbitrary, Clone, Debug)]
pub enum Said {
    Started,
    Output { stream: u8, length: u16 },
    Ended { how: u8, signal: bool, value: u8 },
    NeverRan,
    Text { failed: bool, text: String },
}

impl Said {
    pub fn record(&self, seq: u64, number: u8) -> Record {
        let status = |signal: bool, value| {
            if signal {
                ExitStatus::Signal(value)
            } else {
                ExitStatus::Code(value)
            }
        };
        let kind = match self {
            Self::Started => RecordKind::Started,
            Self::Output { stream, .. } => RecordKind::Output(match stream % 3 {
                0 => Stream::Stdout,
                1 => Stream::Stderr,
                _ => Stream::Pty,
            }),
            Self::Ended { how, signal, value } => {
                let status = status(*signal, *value);
                RecordKind::Completed(match how % 3 {
                    0 => Outcome::Ended(status),
                    1 => Outcome::TimedOut(status),
                    _ => Outcome::Cancelled(status),
                })
            }
            Self::NeverRan => RecordKind::Completed(Outcome::NeverRan),
            Self::Text { failed: true, text } => {
                RecordKind::Completed(Outcome::Failed(text.clone()))
            }
            Self::Text {
                failed: false,
                text,
            } => RecordKind::Completed(Outcome::SessionEnded(text.clone())),
        };
        let bytes = match self {
            Self::Output { length, .. } => Bytes::from(vec![number; usize::from(*length)]),
            _ => Bytes::new(),
        };
        Record {
            seq: Seq(seq),
            time_ms: seq.wrapping_mul(7),
            invocation: (number % 3 != 0).then(|| InvocationId(Uuid::from_u128(number.into()))),
            kind,
            bytes,
        }
    }
}

/// A segment's header.
pub fn header(epoch: u64, first: u64, offset: u64) -> Vec<u8> {
    let rest: Vec<u8> = [epoch, first, offset]
        .iter()
        .flat_map(|field| field.to_le_bytes())
        .collect();
    let mut out = b"OUTLSEG\n\x01\0\0\0".to_vec();
    out.extend(crc32c::crc32c(&rest).to_le_bytes());
    out.extend(rest);
    out
}

/// A record in a segment.
pub fn encode(record: &Record) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(record.seq.0.to_le_bytes());
    body.extend(record.time_ms.to_le_bytes());
    body.extend(record.invocation.map_or(Uuid::nil(), |id| id.0).as_bytes());
    let (kind, stream) = match &record.kind {
        RecordKind::Started => (1, 0),
        RecordKind::Output(Stream::Stdout) => (2, 1),
        RecordKind::Output(Stream::Stderr) => (2, 2),
        RecordKind::Output(Stream::Pty) => (2, 3),
        RecordKind::Completed(_) => (3, 0),
        RecordKind::Gap(_) => (4, 0),
    };
    body.extend([kind, stream, u8::from(record.invocation.is_some()), 0]);
    match &record.kind {
        RecordKind::Started => {}
        RecordKind::Output(_) => body.extend_from_slice(&record.bytes),
        RecordKind::Completed(outcome) => body.extend(encode_outcome(outcome)),
        RecordKind::Gap(gap) => {
            body.extend(gap.first.0.to_le_bytes());
            body.extend(gap.bytes.to_le_bytes());
            body.push(match gap.cause {
                GapCause::Quota => 1,
                GapCause::Storage => 2,
                GapCause::Damaged => 3,
            });
        }
    }
    seal(&body)
}

/// A record's body behind its length and its checksum.
pub fn seal(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("a short body");
    let mut out = length.to_le_bytes().to_vec();
    out.extend(crc32c::crc32c(body).to_le_bytes());
    out.extend(body);
    out
}

fn encode_outcome(outcome: &Outcome) -> Vec<u8> {
    let status = |tag, status: &ExitStatus| match status {
        ExitStatus::Code(code) => vec![tag, 0, *code],
        ExitStatus::Signal(signal) => vec![tag, 1, *signal],
    };
    let text = |tag, text: &str| [&[tag], text.as_bytes()].concat();
    match outcome {
        Outcome::Ended(it) => status(1, it),
        Outcome::TimedOut(it) => status(2, it),
        Outcome::Cancelled(it) => status(3, it),
        Outcome::NeverRan => vec![4],
        Outcome::SessionEnded(it) => text(5, it),
        Outcome::Failed(it) => text(6, it),
    }
}
