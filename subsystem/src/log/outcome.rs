//! The payload of a completion.
//!
//! | outcome | bytes |
//! |---------|-------|
//! | ended | 1, status |
//! | timed out | 2, status |
//! | cancelled | 3, status |
//! | never ran | 4 |
//! | session ended | 5, text in UTF-8 |
//! | failed | 6, text in UTF-8 |
//!
//! A status is 0 and an exit code, or 1 and a signal.

use outlast_protocol::outcome::{ExitStatus, Outcome};

/// Longest text kept, in bytes: a reason is a sentence, not a log.
const MAX_TEXT: usize = 16 * 1024;

pub(super) fn encode_outcome(outcome: &Outcome, out: &mut Vec<u8>) {
    match outcome {
        Outcome::Ended(status) => encode_status(1, *status, out),
        Outcome::TimedOut(status) => encode_status(2, *status, out),
        Outcome::Cancelled(status) => encode_status(3, *status, out),
        Outcome::NeverRan => out.push(4),
        Outcome::SessionEnded(text) => encode_text(5, text, out),
        Outcome::Failed(text) => encode_text(6, text, out),
    }
}

fn encode_status(tag: u8, status: ExitStatus, out: &mut Vec<u8>) {
    out.extend_from_slice(&match status {
        ExitStatus::Code(code) => [tag, 0, code],
        ExitStatus::Signal(signal) => [tag, 1, signal],
    });
}

fn encode_text(tag: u8, text: &str, out: &mut Vec<u8>) {
    out.push(tag);
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    out.extend_from_slice(text.get(..end).unwrap_or_default().as_bytes());
}

pub(super) fn decode_outcome(payload: &[u8]) -> Option<Outcome> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    Some(match payload {
        [1, kind, value] => Outcome::Ended(decode_status(*kind, *value)?),
        [2, kind, value] => Outcome::TimedOut(decode_status(*kind, *value)?),
        [3, kind, value] => Outcome::Cancelled(decode_status(*kind, *value)?),
        [4] => Outcome::NeverRan,
        [5, bytes @ ..] => Outcome::SessionEnded(text(bytes)?),
        [6, bytes @ ..] => Outcome::Failed(text(bytes)?),
        _ => return None,
    })
}

fn decode_status(kind: u8, value: u8) -> Option<ExitStatus> {
    match kind {
        0 => Some(ExitStatus::Code(value)),
        1 => Some(ExitStatus::Signal(value)),
        _ => None,
    }
}
