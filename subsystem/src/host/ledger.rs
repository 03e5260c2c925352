//! The session's ledger: which invocations were accepted and how they ended, in a file.
//!
//! An invocation is written down before it is acted on or answered, so that also after this
//! process a resend of it can be told the truth. Output is dropped at the quota; this is not.
//!
//! The file is lines of JSON, first its format, then one line an event. A line torn by the end
//! of this process or by a full disk is skipped by whoever reads.

use std::fs::File;
use std::io::{self, Write};

use outlast_protocol::id::{InvocationId, Seq};
use outlast_protocol::limits::{MAX_OUTCOMES, MAX_QUEUE};
use outlast_protocol::outcome::Outcome;
use outlast_rendezvous::{DirectoryError, PrivateDirectory};
use serde::{Deserialize, Serialize};

const FILE: &str = "ledger";
const FORMAT: u32 = 1;
/// Lines after which the file is written anew with what is still of use.
const MOST_LINES: usize = 4 * (MAX_OUTCOMES + MAX_QUEUE);
/// Longer than any ledger: a damaged one must not fill the memory.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// Longest reason kept, in characters: a reason is a sentence.
const MOST_TEXT: usize = 1000;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Entry {
    /// An invocation will run when its turn comes. It has no record below `from`.
    Accepted { invocation: InvocationId, from: Seq },
    /// It is over.
    Completed(Completed),
}

/// The end of an invocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Completed {
    pub(super) invocation: InvocationId,
    /// The number of the record that says so.
    pub(super) seq: Seq,
    /// Output bytes before that record.
    pub(super) offset: u64,
    pub(super) time_ms: u64,
    pub(super) outcome: Outcome,
}

#[derive(Serialize, Deserialize)]
struct Head {
    format: u32,
}

/// Why a ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum LedgerError {
    /// It cannot be read.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// Its first line is damaged.
    #[error("the session's ledger does not say what it is")]
    Damaged,
    /// It is from another version.
    #[error("the session's ledger has format {0}; this version reads {FORMAT}")]
    Format(u32),
}

/// The ledger of a live session.
pub(super) struct Ledger {
    directory: PrivateDirectory,
    file: Option<File>,
    lines: usize,
    /// Whether the last line could not be written, or not whole; that has been said then.
    torn: bool,
}

impl Ledger {
    /// The ledger of a new session.
    pub(super) fn create(directory: &PrivateDirectory) -> Result<Self, DirectoryError> {
        let directory = directory.try_clone()?;
        directory.atomic_write(FILE, &head())?;
        let file = directory.open_to_append(FILE)?;
        Ok(Self {
            directory,
            file: Some(file),
            lines: 1,
            torn: false,
        })
    }

    /// Writes an event down. A disk that does not take it costs only what others can learn after
    /// this process: while it lives, it knows.
    pub(super) fn note(&mut self, entry: &Entry) {
        match self.append(entry) {
            Ok(()) => self.torn = false,
            Err(error) if !self.torn => {
                super::complain(&format!("cannot write the session's ledger: {error}"));
                self.torn = true;
            }
            Err(_) => {}
        }
    }

    fn append(&mut self, entry: &Entry) -> io::Result<()> {
        if self.lines >= MOST_LINES {
            self.compact().map_err(io::Error::other)?;
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(self.directory.open_to_append(FILE)?),
        };
        self.lines = self.lines.saturating_add(1);
        let mut line = Vec::with_capacity(160);
        if self.torn {
            line.push(b'\n');
        }
        write_line(entry, &mut line);
        file.write_all(&line)
    }

    /// Writes the file anew without the invocations that are forgotten anyway.
    fn compact(&mut self) -> Result<(), LedgerError> {
        let entries = read(&self.directory)?;
        let completed = entries
            .iter()
            .filter(|it| matches!(it, Entry::Completed(_)));
        let mut surplus = completed.count().saturating_sub(MAX_OUTCOMES);
        let mut forgotten = std::collections::BTreeSet::new();
        for entry in &entries {
            if let Entry::Completed(completed) = entry
                && surplus > 0
            {
                surplus = surplus.saturating_sub(1);
                forgotten.insert(completed.invocation);
            }
        }
        let kept = entries
            .iter()
            .filter(|entry| !forgotten.contains(&entry.invocation()));
        let mut bytes = head();
        self.lines = 1;
        for entry in kept {
            write_line(entry, &mut bytes);
            self.lines = self.lines.saturating_add(1);
        }
        self.file = None;
        self.directory.atomic_write(FILE, &bytes)?;
        Ok(())
    }
}

impl Entry {
    /// Whose it is.
    pub(super) fn invocation(&self) -> InvocationId {
        match self {
            Self::Accepted { invocation, .. } => *invocation,
            Self::Completed(completed) => completed.invocation,
        }
    }
}

/// Reads the ledger of a session that may have no host any more.
pub(super) fn read(directory: &PrivateDirectory) -> Result<Vec<Entry>, LedgerError> {
    parse(&directory.read(FILE, MOST_BYTES)?)
}

fn parse(bytes: &[u8]) -> Result<Vec<Entry>, LedgerError> {
    let mut lines = bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let Head { format } = serde_json::from_slice(first).map_err(|_| LedgerError::Damaged)?;
    if format != FORMAT {
        return Err(LedgerError::Format(format));
    }
    let entries = lines.filter_map(|line| serde_json::from_slice(line).ok());
    Ok(entries.collect())
}

fn head() -> Vec<u8> {
    let mut bytes = Vec::new();
    write_json(&Head { format: FORMAT }, &mut bytes);
    bytes
}

fn write_line(entry: &Entry, out: &mut Vec<u8>) {
    let mut entry = entry.clone();
    if let Entry::Completed(completed) = &mut entry
        && let Outcome::SessionEnded(text) | Outcome::Failed(text) = &mut completed.outcome
        && let Some((end, _)) = text.char_indices().nth(MOST_TEXT)
    {
        text.truncate(end);
    }
    write_json(&entry, out);
}

fn write_json(value: &impl Serialize, out: &mut Vec<u8>) {
    // Into memory, and of types whose every value JSON can say.
    let written = serde_json::to_writer(&mut *out, value);
    debug_assert!(written.is_ok());
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use outlast_protocol::outcome::ExitStatus;

    use super::*;

    fn id(number: u128) -> InvocationId {
        InvocationId(uuid::Uuid::from_u128(number))
    }

    fn accepted(number: u128) -> Entry {
        Entry::Accepted {
            invocation: id(number),
            from: Seq(7),
        }
    }

    fn completed(number: u128, outcome: Outcome) -> Entry {
        Entry::Completed(Completed {
            invocation: id(number),
            seq: Seq(9),
            offset: 100,
            time_ms: 5,
            outcome,
        })
    }

    fn scratch() -> (tempfile::TempDir, PrivateDirectory) {
        let root = tempfile::tempdir().unwrap();
        let directory = PrivateDirectory::open_or_create(root.path().join("s")).unwrap();
        (root, directory)
    }

    #[test]
    fn what_was_noted_is_read_and_a_torn_line_is_skipped() {
        let (root, directory) = scratch();
        let mut ledger = Ledger::create(&directory).unwrap();
        let outcomes = [
            Outcome::Ended(ExitStatus::Code(3)),
            Outcome::Cancelled(ExitStatus::Signal(9)),
            Outcome::NeverRan,
            Outcome::SessionEnded("größer\n\"".to_owned()),
        ];
        let mut noted = Vec::new();
        for (number, outcome) in (0..).zip(outcomes) {
            noted.extend([accepted(number), completed(number, outcome)]);
        }
        noted.iter().for_each(|entry| ledger.note(entry));
        assert_eq!(read(&directory).unwrap(), noted);
        let path = root.path().join("s/ledger");
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            match parse(&whole[..length]) {
                Ok(entries) => assert_eq!(entries, noted[..entries.len()]),
                Err(error) => assert!(matches!(error, LedgerError::Damaged), "{error}"),
            }
        }
        let torn = &whole[..whole.len() - 20];
        std::fs::write(&path, torn).unwrap();
        let mut ledger = Ledger {
            directory: directory.try_clone().unwrap(),
            file: None,
            lines: 1,
            torn: true,
        };
        ledger.note(&accepted(99));
        assert_eq!(read(&directory).unwrap().last(), Some(&accepted(99)));
    }

    #[test]
    fn the_file_is_bounded_and_the_unfinished_and_latest_stay() {
        let (_root, directory) = scratch();
        let mut ledger = Ledger::create(&directory).unwrap();
        ledger.note(&accepted(0));
        let last = (MOST_LINES / 2 + 100) as u128;
        for number in 1..=last {
            ledger.note(&accepted(number));
            ledger.note(&completed(number, Outcome::NeverRan));
        }
        let entries = read(&directory).unwrap();
        assert!(entries.len() <= MOST_LINES);
        assert_eq!(entries.first(), Some(&accepted(0)), "it never ended");
        let first_kept = last - MAX_OUTCOMES as u128 + 1;
        assert!(entries.contains(&accepted(first_kept)));
        assert!(entries.contains(&completed(last, Outcome::NeverRan)));
    }

    /// What a host of release 0.1.0 writes has to be read by every later one.
    #[test]
    fn the_ledger_of_the_first_release_is_read() {
        let text = concat!(
            "{\"format\":1}\n",
            "{\"accepted\":{\"invocation\":\"00000000-0000-0000-0000-000000000001\",\"from\":7}}\n",
            "{\"completed\":{\"invocation\":\"00000000-0000-0000-0000-000000000001\",\"seq\":9,",
            "\"offset\":100,\"time_ms\":5,\"outcome\":{\"Ended\":{\"Code\":3}}}}\n",
        );
        let entries = [
            accepted(1),
            completed(1, Outcome::Ended(ExitStatus::Code(3))),
        ];
        assert_eq!(parse(text.as_bytes()).unwrap(), entries);
        let mut written = head();
        entries
            .iter()
            .for_each(|entry| write_line(entry, &mut written));
        assert_eq!(String::from_utf8(written).unwrap(), text);
    }

    #[test]
    fn foreign_files_are_named() {
        assert!(matches!(parse(b""), Err(LedgerError::Damaged)));
        assert!(matches!(parse(b"{\"for"), Err(LedgerError::Damaged)));
        assert!(matches!(
            parse(b"{\"format\":2}\n"),
            Err(LedgerError::Format(2))
        ));
    }
}
