//! What a receiver got of a stream, and what it was told is missing.

use crate::output::Output;
use crate::stream::{assert_stream, ruler};

/// The account of one receiver of [`ruler`] lines.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Where in the stream each gap was, its bytes and its cause.
    pub gaps: Vec<(u64, u64, String)>,
    /// Bytes that came, each at its place.
    pub received: u64,
}

impl Ledger {
    /// Of `receive --output ndjson`. Holds every piece to its place: gaps of a wrong size would
    /// show in the first piece behind them.
    #[track_caller]
    pub fn of(output: &Output) -> Self {
        let mut ledger = Self::default();
        let mut at = 0;
        for event in output.success().ndjson() {
            match event["type"].as_str() {
                Some("output") => {
                    let data = event["data"].as_str().expect("digits are text").as_bytes();
                    assert_stream(data, &ruler::bytes(at, data.len()));
                    at += data.len() as u64;
                    ledger.received += data.len() as u64;
                }
                Some("gap") => {
                    let bytes = event["bytes"].as_u64().expect("a gap has a size");
                    let cause = event["cause"].as_str().expect("a gap has a cause");
                    ledger.gaps.push((at, bytes, cause.to_owned()));
                    at += bytes;
                }
                Some("completed") => assert_eq!(event["exit_code"], 0, "{event}"),
                _ => {}
            }
        }
        ledger
    }
}
