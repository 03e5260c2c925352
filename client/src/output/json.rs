//! Results as one JSON document.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use outlast_protocol::control::session::Session;
use outlast_protocol::control::to_cli::FailureKind;
use outlast_protocol::outcome::{ExitStatus, Outcome};
use serde::Serialize;

use super::session::SessionObject;

/// The sessions asked for or acted on.
#[must_use]
pub fn sessions(sessions: &[Session]) -> String {
    document(&sessions.iter().map(SessionObject::from).collect::<Vec<_>>())
}

/// Any value, in lines.
#[must_use]
pub fn document<T: Serialize>(value: &T) -> String {
    // Our own types have string keys only and always serialize.
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    format!("{text}\n")
}

/// What became of a command in one session.
#[derive(Debug, Default, Serialize)]
pub struct ResultObject {
    pub computer_name: String,
    pub name: Option<String>,
    pub instance_id: Option<String>,
    pub invocation_id: Option<String>,
    pub outcome: &'static str,
    pub exit_code: Option<u8>,
    pub signal: Option<u8>,
    pub stdout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdout_base64: Option<String>,
    pub stderr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stderr_base64: Option<String>,
    pub duration_ms: Option<u64>,
    /// Output bytes that are lost; absent if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing_bytes: Option<u64>,
    /// Why there is no outcome; absent if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Bytes as JSON can hold them: as text, or else in base64.
#[must_use]
pub fn text_or_base64(bytes: Vec<u8>) -> (Option<String>, Option<String>) {
    match String::from_utf8(bytes) {
        Ok(text) => (Some(text), None),
        Err(error) => (None, Some(STANDARD.encode(error.as_bytes()))),
    }
}

/// The word for an outcome, with exit code and signal where there are any.
#[must_use]
pub fn outcome(outcome: &Outcome) -> (&'static str, Option<u8>, Option<u8>) {
    let (word, status) = match outcome {
        Outcome::Ended(status @ ExitStatus::Code(_)) => ("completed", Some(status)),
        Outcome::Ended(status @ ExitStatus::Signal(_)) => ("signaled", Some(status)),
        Outcome::TimedOut(status) => ("timed_out", Some(status)),
        Outcome::Cancelled(status) => ("cancelled", Some(status)),
        Outcome::NeverRan => ("cancelled", None),
        Outcome::SessionEnded(_) => ("session_lost", None),
        Outcome::Failed(_) => ("failed", None),
    };
    match status {
        Some(ExitStatus::Code(code)) => (word, Some(*code), None),
        Some(ExitStatus::Signal(signal)) => (word, None, Some(*signal)),
        None => (word, None, None),
    }
}

/// The word for a request that failed.
#[must_use]
pub fn failure(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Unreachable => "unreachable",
        FailureKind::Authentication => "auth_failed",
        FailureKind::SessionLost => "session_lost",
        FailureKind::Usage | FailureKind::Protocol | FailureKind::Busy | FailureKind::Internal => {
            "failed"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_travel_in_base64() {
        assert_eq!(
            text_or_base64(b"a\0b".to_vec()),
            (Some("a\0b".into()), None)
        );
        assert_eq!(text_or_base64(vec![0xff, 0]), (None, Some("/wA=".into())));
    }

    #[test]
    fn death_by_signal_is_not_an_exit_code() {
        let killed = Outcome::Ended(ExitStatus::Signal(9));
        assert_eq!(outcome(&killed), ("signaled", None, Some(9)));
        let stopped = Outcome::TimedOut(ExitStatus::Code(143));
        assert_eq!(outcome(&stopped), ("timed_out", Some(143), None));
    }
}
