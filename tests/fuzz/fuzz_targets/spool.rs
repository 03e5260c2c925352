//! Recovery of a spool that holds whatever it likes: segments that pass every checksum and
//! contradict each other, segments torn and damaged, rubbish under a segment's name. What is read
//! was written, in order, and every gap is exactly what lies between two records that are there.
#![no_main]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use arbitrary::Arbitrary;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use outlast_fuzz::memory::within;
use outlast_fuzz::scratch::Scratch;
use outlast_fuzz::segment::{Said, encode, header};
use outlast_protocol::id::Seq;
use outlast_protocol::record::{GapCause, RecordKind, Stream};
use outlast_subsystem::log::{From, Log, MAX_PAYLOAD, Position, Record};

#[derive(Arbitrary, Debug)]
struct File {
    name: Name,
    /// Ahead of the file before: an overlap where it is negative.
    ahead: i8,
    /// Output beyond what the records before have: bytes that are gone, or contradict.
    beyond: i8,
    /// Where the numbers begin, instead.
    at: Option<(u64, u64)>,
    same_epoch: bool,
    records: Vec<(Said, u8)>,
    damage: Vec<Damage>,
}

#[derive(Arbitrary, Debug)]
enum Name {
    First,
    Number(u64),
    Text(String),
    Link,
    Directory,
}

#[derive(Arbitrary, Debug)]
enum Damage {
    Flip { at: u16, bit: u8 },
    Cut { to: u16 },
    Append(Vec<u8>),
    Swallow { at: u16, bytes: u8 },
    Replace(Vec<u8>),
}

impl Damage {
    fn strike(&self, bytes: &mut Vec<u8>) {
        let end = bytes.len();
        match self {
            Self::Flip { at, bit } if end > 0 => bytes[usize::from(*at) % end] ^= 1 << (bit % 8),
            Self::Flip { .. } => {}
            Self::Cut { to } => bytes.truncate(usize::from(*to) % (end + 1)),
            Self::Append(more) => bytes.extend_from_slice(more),
            Self::Swallow { at, bytes: count } => {
                let at = usize::from(*at) % (end + 1);
                bytes.drain(at..end.min(at + usize::from(*count)));
            }
            Self::Replace(with) => bytes.clone_from(with),
        }
    }
}

/// Every record written under each number, before any damage.
type Written = BTreeMap<u64, Vec<Record>>;

fn write(spool: &Path, files: &[File]) -> Written {
    let mut written = Written::new();
    let (mut next, mut offset) = (1u64, 0u64);
    for file in files.iter().take(12) {
        (next, offset) = file.at.unwrap_or((
            next.saturating_add_signed(file.ahead.into()),
            offset.saturating_add_signed(file.beyond.into()),
        ));
        let first = next;
        let mut bytes = header(u64::from(file.same_epoch), first, offset);
        for (said, number) in &file.records {
            let record = said.record(next, *number);
            bytes.extend(encode(&record));
            offset = offset.saturating_add(record.bytes.len() as u64);
            written.entry(next).or_default().push(record);
            next = next.saturating_add(1);
        }
        for damage in &file.damage {
            damage.strike(&mut bytes);
        }
        place(spool, &file.name, first, &bytes);
    }
    written
}

fn place(spool: &Path, name: &Name, first: u64, bytes: &[u8]) {
    let number = |number: u64| spool.join(format!("{number:020}.seg"));
    // What the file system refuses as a name, it refuses to a hostile hand, too.
    let _ = match name {
        Name::First => fs::write(number(first), bytes),
        Name::Number(other) => fs::write(number(*other), bytes),
        Name::Text(text) if !text.contains('/') => fs::write(spool.join(text), bytes),
        Name::Text(_) => Ok(()),
        Name::Link => std::os::unix::fs::symlink("/etc/hostname", number(first)),
        Name::Directory => fs::create_dir(number(first)),
    };
}

/// Reads from a cursor to the end.
fn drain(log: &mut Log, from: From, written: &Written) -> Vec<Record> {
    let mut cursor = log.cursor(from);
    let mut read = Vec::new();
    loop {
        let before = cursor.position();
        let Some(record) = log.read(&mut cursor, MAX_PAYLOAD).expect("no shortage") else {
            break;
        };
        let after = cursor.position();
        assert!(after.seq > before.seq, "it goes on");
        assert_eq!(after.seq, record.seq.next());
        let bytes = after.offset - before.offset;
        if let RecordKind::Gap(gap) = record.kind {
            assert_eq!(gap.first, before.seq);
            assert_eq!(gap.bytes, bytes, "the gap is not exact");
        } else {
            assert_eq!(record.seq, before.seq);
            assert_eq!(record.bytes.len() as u64, bytes);
            let known = written.get(&record.seq.0);
            assert!(
                known.is_some_and(|known| known.contains(&record)),
                "nobody wrote {record:?}"
            );
        }
        read.push(record);
    }
    assert_eq!(cursor.position().seq, log.next());
    read
}

fn listing(spool: &Path) -> Vec<(std::path::PathBuf, u64)> {
    let entries = fs::read_dir(spool).expect("a directory").flatten();
    let mut all: Vec<_> = entries
        .map(|entry| (entry.path(), entry.metadata().map_or(0, |it| it.len())))
        .collect();
    all.sort();
    all
}

fuzz_target!(|input: (Vec<File>, u64, u8)| {
    let (files, seq, tail) = input;
    let scratch = Scratch::new();
    let session = scratch.directory("session");
    let spool = session.create_dir("spool").expect("create");
    let written = write(spool.path(), &files);
    let before = listing(spool.path());

    let size: u64 = before.iter().map(|(_, length)| length).sum();
    let allowed = 64 * 1024 + 4 * usize::try_from(size).expect("small");
    let Ok((mut log, _)) = within(allowed, || Log::recover(&session)) else {
        return;
    };
    let whole = drain(&mut log, From::Start, &written);
    // What any other reader gets ends as the first one's did.
    for from in [
        From::Tail(tail.into()),
        From::Seq(Seq(seq)),
        From::Position(Position {
            seq: log.first(),
            offset: 0,
        }),
    ] {
        // A place that was made up makes no exact gap.
        let place = log.cursor(from).position();
        if log.locate(place.seq) == Some(place) {
            let part = drain(&mut log, From::Position(place), &written);
            assert!(whole.ends_with(&part), "{from:?} differs from the start");
        }
    }
    if log.next() < Seq(u64::MAX - 10) {
        let kind = RecordKind::Output(Stream::Stdout);
        let last = log.append(0, None, kind.clone(), Bytes::from_static(b"last"));
        let mut cursor = log.cursor(From::Tail(1));
        let read = log.read(&mut cursor, 4).expect("no shortage");
        assert_eq!(read.map(|it| (it.seq, it.kind)), Some((last, kind)));
        log.flush();
        log.shrink();
    }
    drop(log);

    assert_eq!(listing(spool.path()), before, "the evidence was touched");
    let (mut again, _) = Log::recover(&session).expect("as before");
    assert_eq!(
        told(&drain(&mut again, From::Start, &written)),
        told(&whole)
    );
});

/// All but the causes: what is found only while reading is known better than before.
fn told(records: &[Record]) -> Vec<Record> {
    let mut all = records.to_vec();
    for record in &mut all {
        if let RecordKind::Gap(gap) = &mut record.kind {
            gap.cause = GapCause::Damaged;
        }
    }
    all
}
