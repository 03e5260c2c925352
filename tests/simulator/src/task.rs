//! What a mux does for one command line, by the rules of `client/src/mux`: `invoke.rs` and
//! `receive.rs` there wait for what comes as messages here.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use outlast_protocol::id::{InvocationId, ReaderId, Seq};
use outlast_protocol::link::Level;
use outlast_protocol::link::attachment::Attachment;
use outlast_protocol::link::cursor::Cursor;
use outlast_protocol::link::to_client::{Record, Submitted};
use outlast_protocol::link::to_host::{Answer, Cancel};
use outlast_protocol::record::RecordKind;

use crate::cli::{Cli, Failure, ToCli, ToMux};
use crate::got::Got;
use crate::violation::{Violation, ensure};

/// Records are handed to a command line only while less than this waits for it.
pub const ENOUGH: usize = 512 * 1024;

/// What a reader heard.
pub enum Heard {
    /// A record.
    Record(Record, Bytes),
    /// Everything below that was sent; so many invocations run or wait.
    CaughtUp(Seq, u32),
}

/// What a task is about.
pub enum Kind {
    /// A command whose output is waited for.
    Foreground {
        /// Which.
        invocation: InvocationId,
        /// The first record it can have.
        from: Option<Seq>,
        /// Records handed on.
        records: u64,
        /// The one that says how it ended.
        completed: Option<Seq>,
        /// Whether the host has answered the submission.
        answered: bool,
    },
    /// A visit to the terminal.
    Visit {
        /// Which.
        invocation: InvocationId,
        /// Whether it is known to have begun.
        started: bool,
        /// The record that says how it ended.
        completed: Option<Seq>,
        /// Whether its input is closed: it is over.
        closed: bool,
        /// The last record handed on, and the last one written out.
        sent: Option<Seq>,
        /// See `sent`.
        consumed: Option<Seq>,
    },
    /// A command nobody waits for.
    Background,
    /// Receiving.
    Receive {
        /// Whether what was received before comes again.
        replay: bool,
        /// Whether to stay while anything runs.
        follow: bool,
        /// The last record handed on, and the last one written out.
        sent: Option<Seq>,
        /// See `sent`.
        consumed: Option<Seq>,
        /// The last one there will be.
        end: Option<Seq>,
    },
    /// Letting go.
    Leave,
    /// Ending the session.
    Remove,
}

/// A command line's affair.
pub struct Task {
    /// Whose.
    pub cli: usize,
    /// What it is about.
    pub kind: Kind,
    /// Its reader of the session's log.
    pub reader: Option<ReaderId>,
    /// What that has heard and not handed on.
    pub heard: VecDeque<Heard>,
    /// The session is not held any more: why.
    pub over: Option<Failure>,
    /// What programs ask that it was told of.
    pub told: BTreeSet<u32>,
    /// It has said all.
    pub done: bool,
}

/// What tasks share.
pub struct Shared<'a> {
    /// The mux's memory of the session while links come and go.
    pub attachment: &'a mut Attachment,
    /// What was received.
    pub cursor: &'a mut Cursor,
    /// Commands that have readers of their own here.
    pub foreground: Vec<InvocationId>,
    /// What the user has got.
    pub got: &'a mut Got,
    /// Set when what was received is to be saved now.
    pub save: &'a mut bool,
}

impl Task {
    /// A task with nothing heard.
    #[must_use]
    pub fn new(cli: usize, kind: Kind, reader: Option<ReaderId>) -> Self {
        Self {
            cli,
            kind,
            reader,
            heard: VecDeque::new(),
            over: None,
            told: BTreeSet::new(),
            done: false,
        }
    }

    /// Whether it hears what programs of others ask.
    #[must_use]
    pub fn can_ask(&self) -> bool {
        matches!(
            self.kind,
            Kind::Foreground { .. } | Kind::Visit { .. } | Kind::Receive { follow: true, .. }
        )
    }

    /// The command whose own reader it has.
    #[must_use]
    pub fn own(&self) -> Option<InvocationId> {
        match &self.kind {
            Kind::Foreground { invocation, .. } if self.reader.is_some() => Some(*invocation),
            _ => None,
        }
    }

    /// The host has the command.
    pub fn submitted(&mut self, submitted: &Submitted, cli: &mut Cli, shared: &mut Shared<'_>) {
        if let (Kind::Visit { .. }, 1..) = (&self.kind, submitted.stdin_offset) {
            let taken = ToCli::Taken(submitted.stdin_offset, false);
            cli.from_mux.push_back(taken);
        }
        if let Kind::Foreground { from, answered, .. } = &mut self.kind {
            *from = Some(submitted.from);
            *answered = true;
            shared.cursor.begin(submitted.invocation, submitted.from);
            if submitted.stdin_offset > 0 {
                cli.from_mux
                    .push_back(ToCli::Taken(submitted.stdin_offset, false));
            }
        }
    }

    /// Whether it can go on by itself.
    #[must_use]
    pub fn is_ready(&self, cli: &Cli) -> bool {
        if self.done {
            return false;
        }
        let quiet = cli.waiting < ENOUGH
            && match &self.kind {
                Kind::Foreground { completed, .. } | Kind::Visit { completed, .. } => {
                    completed.is_none()
                }
                Kind::Receive { end, .. } => end.is_none(),
                _ => true,
            };
        let unanswered = matches!(
            self.kind,
            Kind::Foreground {
                answered: false,
                ..
            }
        );
        let lost = self.over.is_some() && (unanswered || self.heard.is_empty());
        (quiet && (lost || !self.heard.is_empty())) || self.is_received()
    }

    fn is_received(&self) -> bool {
        matches!(&self.kind, Kind::Receive { end: Some(_), sent, consumed, .. } if consumed >= sent)
    }

    /// Goes on.
    pub fn go(&mut self, cli: &mut Cli, shared: &mut Shared<'_>) -> Result<(), Violation> {
        if self.is_received() {
            if let Kind::Receive { end: Some(end), .. } = self.kind {
                Self::received(end, shared);
            }
            *shared.save = true;
            self.end(cli, ToCli::Finished);
            return Ok(());
        }
        let unanswered = matches!(
            self.kind,
            Kind::Foreground {
                answered: false,
                ..
            }
        );
        if let Some(failure) = self.over.clone()
            && (unanswered || self.heard.is_empty())
        {
            let answer = match (&self.kind, &failure) {
                (Kind::Leave, _) | (Kind::Remove, Failure::Ended(_)) => ToCli::Finished,
                _ => ToCli::Failed(failure),
            };
            self.end(cli, answer);
            return Ok(());
        }
        match self.heard.pop_front() {
            Some(Heard::Record(record, body)) => self.tell(record, body, cli, shared),
            Some(Heard::CaughtUp(next, active)) => {
                if let Kind::Receive { follow, end, .. } = &mut self.kind
                    && (!*follow || active == 0)
                {
                    *end = Some(Seq(next.0.saturating_sub(1)));
                }
                if let Kind::Visit {
                    closed: true,
                    completed: None,
                    ..
                } = self.kind
                    && active == 0
                {
                    self.end(cli, ToCli::Failed(Failure::Unheard));
                }
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Says the last word.
    pub fn end(&mut self, cli: &mut Cli, answer: ToCli) {
        self.done = true;
        cli.from_mux.push_back(answer);
    }

    fn tell(
        &mut self,
        record: Record,
        body: Bytes,
        cli: &mut Cli,
        shared: &mut Shared<'_>,
    ) -> Result<(), Violation> {
        match &mut self.kind {
            Kind::Foreground {
                records, completed, ..
            } => {
                if matches!(record.kind, RecordKind::Completed(_)) {
                    *completed = Some(record.seq);
                }
                *records = records.saturating_add(1);
            }
            Kind::Visit {
                invocation,
                started,
                completed,
                sent,
                ..
            } => {
                if record.invocation == Some(*invocation) {
                    match record.kind {
                        RecordKind::Started => *started = true,
                        RecordKind::Completed(_) => *completed = Some(record.seq),
                        _ => {}
                    }
                }
                *sent = Some(record.seq);
            }
            Kind::Receive { replay, sent, .. } => {
                if !*replay && !shared.cursor.wants(record.invocation, record.seq) {
                    // Received before, by a command line of its own.
                    if let Some(reader) = self.reader {
                        shared.attachment.consumed(reader, record.seq);
                    }
                    return Ok(());
                }
                let repeats = !*replay
                    && shared.got.is_noted(record.seq)
                    && !matches!(record.kind, RecordKind::Gap(_));
                ensure(!repeats, || {
                    format!("no duplicate: {:?} is received again", record.seq)
                })?;
                *sent = Some(record.seq);
            }
            _ => {}
        }
        cli.waiting = cli.waiting.saturating_add(body.len());
        cli.from_mux.push_back(ToCli::Record(record, body));
        Ok(())
    }

    /// Takes in what the command line says.
    pub fn hear(&mut self, message: ToMux, cli: &mut Cli, shared: &mut Shared<'_>) {
        if self.done {
            return;
        }
        match (&mut self.kind, message) {
            (
                Kind::Foreground { invocation, .. } | Kind::Visit { invocation, .. },
                ToMux::Stdin(bytes),
            ) => {
                shared.attachment.stdin(*invocation, bytes);
            }
            (
                Kind::Foreground { invocation, .. } | Kind::Visit { invocation, .. },
                ToMux::StdinEnd,
            ) => {
                shared.attachment.stdin_end(*invocation);
            }
            (_, ToMux::Answer(question, text)) => {
                let text = Some(text);
                shared.attachment.answer(Answer {
                    question,
                    text: text.map(Into::into),
                });
            }
            (Kind::Visit { .. }, ToMux::Resize(size)) => shared.attachment.resize(size),
            (
                Kind::Visit {
                    completed,
                    sent,
                    consumed,
                    ..
                },
                ToMux::Consumed(seq, _),
            ) => {
                if let Some(reader) = self.reader {
                    shared.attachment.consumed(reader, seq);
                }
                *consumed = Some(seq);
                if completed.is_some() && *consumed >= *sent {
                    self.end(cli, ToCli::Finished);
                }
            }
            (Kind::Foreground { invocation, .. }, ToMux::Cancel(level)) => {
                let invocation = *invocation;
                let cancel = Cancel { invocation, level };
                shared.attachment.say(cancel.into(), Bytes::new());
            }
            (
                Kind::Foreground {
                    invocation,
                    completed,
                    ..
                },
                ToMux::Consumed(seq, _),
            ) => {
                if let Some(reader) = self.reader {
                    shared.attachment.consumed(reader, seq);
                }
                shared.cursor.received(*invocation, seq);
                if completed.is_some_and(|completed| seq >= completed) {
                    self.end(cli, ToCli::Finished);
                }
            }
            (Kind::Receive { consumed, .. }, ToMux::Consumed(seq, _)) => {
                if let Some(reader) = self.reader {
                    shared.attachment.consumed(reader, seq);
                }
                *consumed = Some(seq);
                Self::received(seq, shared);
            }
            _ => {}
        }
    }

    fn received(seq: Seq, shared: &mut Shared<'_>) {
        shared.cursor.caught_up(seq, &shared.foreground);
    }

    /// Lets go of what it used; `finished` as far as it came.
    pub fn put_away(&mut self, shared: &mut Shared<'_>) {
        if let Some(reader) = self.reader.take() {
            shared.attachment.close_reader(reader);
        }
        if let Kind::Visit {
            invocation,
            started,
            completed,
            ..
        } = self.kind
        {
            shared.attachment.forget_size();
            match completed {
                Some(_) => shared.attachment.completed(invocation),
                None => shared.attachment.stdin_end(invocation),
            }
            if completed.is_none() && !started {
                // One that still waits for its turn is withdrawn.
                shared.attachment.cancel(invocation, Level::Interrupt);
                shared.attachment.left(invocation);
            }
        }
        if let Kind::Foreground {
            invocation,
            from: Some(from),
            records,
            completed: Some(_),
            ..
        } = self.kind
        {
            shared.cursor.finish(invocation, from, records);
        }
    }
}
