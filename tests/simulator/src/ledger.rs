//! The witness's book: every record in the order it was made, and every command with what became
//! of it. What clients receive is held against this.

use std::collections::{BTreeMap, BTreeSet};

use outlast_protocol::id::{InvocationId, Seq};
use outlast_protocol::outcome::Outcome;
use outlast_protocol::record::{RecordKind, Stream};
use outlast_subsystem::log::Record;

use crate::pattern::Pattern;
use crate::shown::Shown;
use crate::turns::Turns;
use crate::violation::{Violation, ensure};
use crate::visits::Visits;

/// A record as it was made.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Which invocation it belongs to.
    pub invocation: InvocationId,
    /// What it says.
    pub kind: RecordKind,
    /// For output: where in its stream it begins, and how long it is.
    pub place: (u64, u64),
}

/// What became of one invocation.
#[derive(Clone, Debug, Default)]
pub struct Course {
    /// The number of the command its script carries.
    pub command: u64,
    /// How much standard input its user gives.
    pub input: u64,
    /// All its records.
    pub records: Vec<Seq>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Bytes recorded of standard output and standard error.
    pub recorded: [u64; 2],
    started: bool,
}

/// The book.
#[derive(Default)]
pub struct Ledger {
    entries: Vec<Entry>,
    /// Output bytes in all records before each.
    before: Vec<u64>,
    bytes: u64,
    courses: BTreeMap<InvocationId, Course>,
    /// Commands that were started, by their own number.
    ran: BTreeSet<u64>,
    /// Which records a command line has written out somewhere.
    consumed: Vec<bool>,
    /// What the terminal showed.
    pub shown: Shown,
    /// Visits to it.
    pub visits: Visits,
    /// Who waits.
    pub turns: Turns,
}

/// Which of a command's streams; standard input is 0.
fn number(stream: Stream) -> usize {
    match stream {
        Stream::Stdout | Stream::Pty => 0,
        Stream::Stderr => 1,
    }
}

impl Ledger {
    /// A command line has written this record out.
    pub fn consume(&mut self, seq: Seq) {
        let at = usize::try_from(seq.0).unwrap_or_default();
        if self.consumed.len() <= at {
            self.consumed.resize(at.saturating_add(1), false);
        }
        if let Some(consumed) = self.consumed.get_mut(at) {
            *consumed = true;
        }
    }

    /// Whether a command line has written this record out.
    #[must_use]
    pub fn is_consumed(&self, seq: Seq) -> bool {
        let at = usize::try_from(seq.0).unwrap_or(usize::MAX);
        self.consumed.get(at).copied().unwrap_or_default()
    }

    /// A user asks for a command under this ID.
    pub fn asked(&mut self, invocation: InvocationId, command: u64, input: u64) {
        let course = self.courses.entry(invocation).or_default();
        (course.command, course.input) = (command, input);
    }

    /// The shell got a command.
    pub fn ran(&mut self, command: u64) -> Result<(), Violation> {
        ensure(self.ran.insert(command), || {
            format!("at-most-once: command {command} was started a second time")
        })
    }

    /// Whether a command was started.
    #[must_use]
    pub fn has_run(&self, command: u64) -> bool {
        self.ran.contains(&command)
    }

    /// The host made a record.
    pub fn see(&mut self, record: &Record) -> Result<(), Violation> {
        let seq = self.next();
        ensure(record.seq == seq, || {
            format!("the log went from {:?} to {:?}", seq, record.seq)
        })?;
        let Some(invocation) = record.invocation else {
            return Err(Violation(format!("record {seq:?} belongs to no command")));
        };
        let course = self
            .courses
            .get_mut(&invocation)
            .ok_or_else(|| Violation(format!("record {seq:?} is of a command nobody asked for")))?;
        let mut place = (0, record.bytes.len() as u64);
        match &record.kind {
            RecordKind::Started => {
                ensure(!course.started && course.outcome.is_none(), || {
                    format!("at-most-once: {invocation} started again at {seq:?}")
                })?;
                course.started = true;
            }
            RecordKind::Output(stream) => {
                let at = number(*stream);
                let pattern = Pattern::new(course.command, at as u64 + 1);
                let offset = course.recorded.get(at).copied().unwrap_or_default();
                ensure(
                    course.started && pattern.is_at(offset, &record.bytes),
                    || {
                        format!(
                            "record {seq:?} is not what command {} wrote",
                            course.command
                        )
                    },
                )?;
                place.0 = offset;
                if let Some(recorded) = course.recorded.get_mut(at) {
                    *recorded = offset.saturating_add(place.1);
                }
            }
            RecordKind::Completed(outcome) => {
                ensure(course.outcome.is_none(), || {
                    format!("at-most-once: {invocation} completed again at {seq:?}")
                })?;
                course.outcome = Some(outcome.clone());
            }
            RecordKind::Gap(_) => {
                return Err(Violation(format!(
                    "the witness missed {seq:?}: it saw a gap"
                )));
            }
        }
        course.records.push(seq);
        self.before.push(self.bytes);
        self.bytes = self.bytes.saturating_add(place.1);
        self.entries.push(Entry {
            invocation,
            kind: record.kind.clone(),
            place,
        });
        Ok(())
    }

    /// The number the next record gets.
    #[must_use]
    pub fn next(&self) -> Seq {
        Seq(self.entries.len() as u64).next()
    }

    /// The last record there is.
    #[must_use]
    pub fn last(&self) -> Seq {
        Seq(self.entries.len() as u64)
    }

    /// Output bytes there ever were.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A record.
    #[must_use]
    pub fn entry(&self, seq: Seq) -> Option<&Entry> {
        self.entries
            .get(usize::try_from(seq.0.checked_sub(1)?).ok()?)
    }

    /// Output bytes in the records from `first` to `last`.
    #[must_use]
    pub fn bytes_in(&self, first: Seq, last: Seq) -> u64 {
        self.bytes_before(last.next())
            .saturating_sub(self.bytes_before(first))
    }

    fn bytes_before(&self, seq: Seq) -> u64 {
        let at = usize::try_from(seq.0.saturating_sub(1)).unwrap_or(usize::MAX);
        self.before.get(at).copied().unwrap_or(self.bytes)
    }

    /// An invocation.
    #[must_use]
    pub fn course(&self, invocation: InvocationId) -> Option<&Course> {
        self.courses.get(&invocation)
    }

    /// All invocations asked for.
    pub fn courses(&self) -> impl Iterator<Item = (&InvocationId, &Course)> {
        self.courses.iter()
    }

    /// The first record behind `covered` that `only`, or everybody, is to get.
    #[must_use]
    pub fn due_after(&self, covered: Seq, only: Option<InvocationId>) -> Option<Seq> {
        match only {
            None => (covered < self.last()).then_some(covered.next()),
            Some(invocation) => {
                let records = &self.courses.get(&invocation)?.records;
                let at = records.partition_point(|seq| *seq <= covered);
                records.get(at).copied()
            }
        }
    }

    /// Whether what a client got as record `seq` is that record.
    pub fn verify(
        &self,
        seq: Seq,
        invocation: Option<InvocationId>,
        kind: &RecordKind,
        bytes: &[u8],
    ) -> Result<(), Violation> {
        let entry = self
            .entry(seq)
            .ok_or_else(|| Violation(format!("record {seq:?} was never made")))?;
        let command = self
            .courses
            .get(&entry.invocation)
            .map(|course| course.command);
        let content = match &entry.kind {
            RecordKind::Output(stream) => {
                let pattern = Pattern::new(command.unwrap_or_default(), number(*stream) as u64 + 1);
                bytes.len() as u64 == entry.place.1 && pattern.is_at(entry.place.0, bytes)
            }
            _ => bytes.is_empty(),
        };
        ensure(
            content && invocation == Some(entry.invocation) && *kind == entry.kind,
            || {
                format!(
                    "record {seq:?} came as another: {kind:?}, {} bytes",
                    bytes.len()
                )
            },
        )
    }
}
