//! Events as they come, one JSON object a line.

use outlast_protocol::control::session::Session;
use outlast_protocol::control::to_cli::Record;
use outlast_protocol::record::{GapCause, RecordKind, Stream};
use serde::Serialize;

use super::json::{outcome, text_or_base64};
use super::session::time;

/// One line. Fields that do not apply to a type are left out.
#[derive(Debug, Default, Serialize)]
struct Event<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    computer_name: &'a str,
    name: &'a str,
    instance_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    invocation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// The line for a record.
#[must_use]
pub fn record(session: &Session, record: &Record, body: &[u8]) -> String {
    let mut event = Event {
        seq: Some(record.seq.0),
        time: time(record.time_ms),
        invocation_id: record.invocation.map(|id| id.to_string()),
        ..about(session)
    };
    match &record.kind {
        RecordKind::Started => event.r#type = "started",
        RecordKind::Output(stream) => {
            event.r#type = "output";
            event.stream = Some(stream_name(*stream));
            (event.data, event.data_base64) = text_or_base64(body.to_vec());
        }
        RecordKind::Completed(how) => {
            event.r#type = "completed";
            let (word, exit_code, signal) = outcome(how);
            event.outcome = Some(word);
            (event.exit_code, event.signal) = (exit_code, signal);
        }
        RecordKind::Gap(gap) => {
            event.r#type = "gap";
            event.first = Some(gap.first.0);
            event.bytes = Some(gap.bytes);
            event.cause = Some(cause_name(gap.cause));
        }
    }
    line(&event)
}

/// The line for a lost connection.
#[must_use]
pub fn interrupted(session: &Session, reason: &str) -> String {
    line(&Event {
        r#type: "interrupted",
        time: now(),
        reason: Some(reason),
        ..about(session)
    })
}

/// The line for a connection that is back.
#[must_use]
pub fn resumed(session: &Session) -> String {
    line(&Event {
        r#type: "resumed",
        time: now(),
        ..about(session)
    })
}

fn about(session: &Session) -> Event<'_> {
    Event {
        computer_name: &session.computer_name,
        name: session.name.as_str(),
        instance_id: session.instance.to_string(),
        ..Event::default()
    }
}

fn now() -> Option<String> {
    Some(format!("{:.3}", jiff::Timestamp::now()))
}

fn line(event: &Event<'_>) -> String {
    let text = serde_json::to_string(event).unwrap_or_default();
    format!("{text}\n")
}

fn stream_name(stream: Stream) -> &'static str {
    match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
        Stream::Pty => "pty",
    }
}

fn cause_name(cause: GapCause) -> &'static str {
    match cause {
        GapCause::Quota => "quota",
        GapCause::Storage => "storage",
        GapCause::Damaged => "damaged",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::session::tests::session;
    use outlast_protocol::id::Seq;

    #[test]
    fn a_piece_of_output_is_one_line() {
        let piece = Record {
            seq: Seq(3),
            time_ms: 1_700_000_000_000,
            invocation: None,
            kind: RecordKind::Output(Stream::Stderr),
        };
        assert_eq!(
            record(&session(1, "build"), &piece, b"x\n"),
            "{\"type\":\"output\",\"seq\":3,\"time\":\"2023-11-14T22:13:20.000Z\",\
             \"computer_name\":\"server1\",\"name\":\"build\",\
             \"instance_id\":\"00000000-0000-0000-0000-000000000001\",\
             \"stream\":\"stderr\",\"data\":\"x\\n\"}\n"
        );
    }
}
