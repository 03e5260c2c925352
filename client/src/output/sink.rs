//! How the records of one session are shown.

use bytes::Bytes;
use outlast_protocol::control::session::Session;
use outlast_protocol::control::to_cli::Record;
use outlast_protocol::outcome::Outcome;
use outlast_protocol::record::{Gap, GapCause, RecordKind, Stream};

use super::event;
use super::json::{ResultObject, outcome, text_or_base64};
use super::page::{Channel, Page};
use super::prefix::Prefixer;

/// What is made of a session's records.
#[derive(Debug)]
pub enum Sink {
    /// Bytes as they are, each stream to its own.
    Raw,
    /// Whole lines with the computer's name in front.
    Lines { out: Prefixer, err: Prefixer },
    /// Collected for one JSON object.
    Collect(Box<Collected>),
    /// One JSON object for every record.
    Events,
}

/// What there is for a JSON object so far.
#[derive(Debug, Default)]
pub struct Collected {
    invocation: Option<String>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    started_ms: Option<u64>,
    completed: Option<(Outcome, u64)>,
}

impl Sink {
    /// Whole lines; with an empty name nothing is put in front of them.
    #[must_use]
    pub fn lines(computer: &str) -> Self {
        let prefix = if computer.is_empty() {
            String::new()
        } else {
            format!("{}| ", super::clean(computer))
        };
        Self::Lines {
            out: Prefixer::new(prefix.clone()),
            err: Prefixer::new(prefix),
        }
    }

    /// Shows a record on `page`.
    pub fn record(&mut self, session: &Session, record: &Record, body: Bytes, page: &mut Page) {
        match (&mut *self, &record.kind) {
            (Self::Events, _) => page.push(Channel::Out, event::record(session, record, &body)),
            (Self::Collect(collected), _) => collected.record(session, record, &body, page),
            (Self::Raw, RecordKind::Output(stream)) => page.push(channel(*stream), body),
            (Self::Lines { out, err }, RecordKind::Output(stream)) => match channel(*stream) {
                Channel::Out => page.push(Channel::Out, out.push(&body)),
                Channel::Err => page.push(Channel::Err, err.push(&body)),
            },
            (_, RecordKind::Gap(gap)) => page.note(&gap_note(session, record, *gap)),
            (_, RecordKind::Completed(how)) => {
                self.finish(page);
                if let Some(reason) = why(how) {
                    page.note(&format!("{}: {reason}", session.computer_name));
                }
            }
            (_, RecordKind::Started) => {}
        }
    }

    /// Shows that the connection is lost.
    pub fn interrupted(&mut self, session: &Session, reason: &str, page: &mut Page) {
        if matches!(self, Self::Events) {
            page.push(Channel::Out, event::interrupted(session, reason));
        }
        page.note(&format!(
            "{}: the connection is interrupted ({reason}); the command goes on, reconnecting …",
            session.computer_name
        ));
    }

    /// Shows that the connection is back.
    pub fn resumed(&mut self, session: &Session, page: &mut Page) {
        if matches!(self, Self::Events) {
            page.push(Channel::Out, event::resumed(session));
        }
        page.note(&format!("{}: resumed", session.computer_name));
    }

    /// Shows what was held back.
    pub fn finish(&mut self, page: &mut Page) {
        if let Self::Lines { out, err } = self {
            page.push(Channel::Out, out.finish());
            page.push(Channel::Err, err.finish());
        }
    }

    /// The JSON object, where one is wanted.
    #[must_use]
    pub fn into_result(self, session: &Session, failure: Option<&'static str>) -> ResultObject {
        let collected = match self {
            Self::Collect(collected) => *collected,
            _ => Collected::default(),
        };
        collected.into_result(session, failure)
    }
}

impl Collected {
    fn record(&mut self, session: &Session, record: &Record, body: &[u8], page: &mut Page) {
        if let Some(invocation) = record.invocation {
            self.invocation = Some(invocation.to_string());
        }
        match &record.kind {
            RecordKind::Started => {
                self.started_ms.get_or_insert(record.time_ms);
            }
            RecordKind::Output(stream) => match channel(*stream) {
                Channel::Out => self.stdout.extend_from_slice(body),
                Channel::Err => self.stderr.extend_from_slice(body),
            },
            RecordKind::Completed(how) => self.completed = Some((how.clone(), record.time_ms)),
            RecordKind::Gap(gap) => page.note(&gap_note(session, record, *gap)),
        }
    }

    fn into_result(self, session: &Session, failure: Option<&'static str>) -> ResultObject {
        let (stdout, stdout_base64) = text_or_base64(self.stdout);
        let (stderr, stderr_base64) = text_or_base64(self.stderr);
        let (word, exit_code, signal) = match (&failure, &self.completed) {
            (Some(word), _) => (*word, None, None),
            (None, Some((how, _))) => outcome(how),
            (None, None) => ("completed", None, None),
        };
        let ended = self.completed.as_ref().map(|(_, ended)| *ended);
        let duration_ms = ended.zip(self.started_ms);
        ResultObject {
            computer_name: session.computer_name.clone(),
            name: Some(session.name.to_string()),
            instance_id: Some(session.instance.to_string()),
            invocation_id: self.invocation,
            outcome: word,
            exit_code,
            signal,
            stdout,
            stdout_base64,
            stderr,
            stderr_base64,
            duration_ms: duration_ms.map(|(ended, started)| ended.saturating_sub(started)),
            missing_bytes: None,
            error: None,
        }
    }
}

fn channel(stream: Stream) -> Channel {
    match stream {
        Stream::Stdout | Stream::Pty => Channel::Out,
        Stream::Stderr => Channel::Err,
    }
}

fn gap_note(session: &Session, record: &Record, gap: Gap) -> String {
    let why = match gap.cause {
        GapCause::Quota => "the quota was reached",
        GapCause::Storage => "it could not be stored",
        GapCause::Damaged => "it was damaged or removed",
    };
    format!(
        "{}: {} bytes of output are missing here (records {} to {}): {why}",
        session.computer_name, gap.bytes, gap.first, record.seq
    )
}

/// Why a command has no ordinary end, in words.
#[must_use]
pub fn why(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Ended(_) => None,
        Outcome::TimedOut(_) => Some("the command timed out".to_owned()),
        Outcome::Cancelled(_) => Some("the command was cancelled".to_owned()),
        Outcome::NeverRan => Some("the command was cancelled before it ran".to_owned()),
        Outcome::SessionEnded(reason) => Some(format!("the session ended: {reason}")),
        Outcome::Failed(reason) => Some(format!("the command could not be started: {reason}")),
    }
}
