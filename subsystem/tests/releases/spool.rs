//! Spools: records of every kind, and layouts in which something is missing.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use outlast_protocol::id::InvocationId;
use outlast_protocol::id::Seq;
use outlast_protocol::outcome::{ExitStatus, Outcome};
use outlast_rendezvous::PrivateDirectory;
use outlast_subsystem::log::{
    Buffering, From, Gap, GapCause, Log, Policy, Record, RecordKind, RecoverError, Stream,
};
use tempfile::TempDir;

use crate::folder;

/// What was read from a spool, beside its segments.
const RECORDS: &str = "records.txt";
const SMALL: u64 = 4 * 1024;

/// Puts a spool into a session's directory.
type Make = fn(&PrivateDirectory);

/// The layouts, by name.
const LAYOUTS: [(&str, Make); 5] = [
    ("every-kind", every_kind),
    ("oldest-dropped", |session| spread(session, 4 * SMALL)),
    ("segment-missing", |session| {
        spread(session, 16 * SMALL);
        fs::remove_file(segment(session, 2)).unwrap();
    }),
    ("segment-damaged", |session| {
        spread(session, 16 * SMALL);
        let path = segment(session, 1);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x40;
        fs::write(path, bytes).unwrap();
    }),
    ("end-torn", |session| {
        spread(session, 16 * SMALL);
        let path = folder::entries(&session.path().join("spool"))
            .pop()
            .unwrap();
        let bytes = fs::read(&path).unwrap();
        fs::write(path, &bytes[..bytes.len() - 7]).unwrap();
    }),
];

fn every_kind(session: &PrivateDirectory) {
    let invocation = Some(InvocationId(uuid::Uuid::from_u128(0x0123_4567_89ab)));
    let gap = |cause| {
        let first = Seq(3);
        RecordKind::Gap(Gap {
            first,
            bytes: 1 << 40,
            cause,
        })
    };
    let kinds = [
        RecordKind::Started,
        RecordKind::Output(Stream::Stdout),
        RecordKind::Output(Stream::Stderr),
        RecordKind::Output(Stream::Pty),
        RecordKind::Completed(Outcome::Ended(ExitStatus::Code(7))),
        RecordKind::Completed(Outcome::Ended(ExitStatus::Signal(9))),
        RecordKind::Completed(Outcome::TimedOut(ExitStatus::Signal(15))),
        RecordKind::Completed(Outcome::Cancelled(ExitStatus::Code(130))),
        RecordKind::Completed(Outcome::NeverRan),
        RecordKind::Completed(Outcome::SessionEnded("its shell ended".into())),
        RecordKind::Completed(Outcome::Failed("größer als erlaubt".into())),
        gap(GapCause::Quota),
        gap(GapCause::Storage),
        gap(GapCause::Damaged),
    ];
    let mut log = log(session, 16 * SMALL);
    for (number, kind) in (0..).zip(kinds) {
        let bytes = match kind {
            RecordKind::Output(_) => Bytes::from_static(b"one line\n\0\xff"),
            _ => Bytes::new(),
        };
        let invocation = invocation.filter(|_| number != 3);
        log.append(1_700_000_000_000 + number, invocation, kind, bytes);
    }
    log.flush();
}

/// Some segments full of output.
fn spread(session: &PrivateDirectory, quota_bytes: u64) {
    let mut log = log(session, quota_bytes);
    for number in 0..70_u64 {
        let bytes = format!("{number:03}").repeat(100).into();
        log.append(
            1_700_000_000_000,
            None,
            RecordKind::Output(Stream::Stdout),
            bytes,
        );
    }
    log.flush();
}

fn log(session: &PrivateDirectory, quota_bytes: u64) -> Log {
    let policy = Policy {
        buffering: Buffering::Spool,
        quota_bytes,
        memory_bytes: 1024,
        segment_bytes: SMALL,
    };
    Log::create(session, 0x0102_0304_0506_0708, policy).unwrap()
}

fn segment(session: &PrivateDirectory, which: usize) -> PathBuf {
    folder::entries(&session.path().join("spool"))[which].clone()
}

fn scratch() -> (TempDir, PrivateDirectory) {
    let root = tempfile::tempdir().unwrap();
    let session = PrivateDirectory::open_or_create(root.path().join("session")).unwrap();
    (root, session)
}

pub(crate) fn write(directory: &Path) {
    for (name, make) in LAYOUTS {
        let (_root, session) = scratch();
        make(&session);
        let layout = directory.join(name);
        fs::create_dir_all(&layout).unwrap();
        for path in folder::entries(&session.path().join("spool")) {
            fs::copy(&path, layout.join(path.file_name().unwrap())).unwrap();
        }
        fs::write(layout.join(RECORDS), recovered(&session)).unwrap();
    }
}

/// Puts a layout's segments where a session has them.
fn session_with(layout: &Path) -> (TempDir, PrivateDirectory) {
    let (root, session) = scratch();
    session.create_dir("spool").unwrap();
    for path in folder::entries(layout) {
        let name = path.file_name().unwrap();
        if name != RECORDS {
            fs::copy(&path, session.path().join("spool").join(name)).unwrap();
        }
    }
    (root, session)
}

/// Everything a reader from the start gets, a line each.
fn recovered(session: &PrivateDirectory) -> String {
    let (mut log, cuts) = Log::recover(session).unwrap();
    let mut text = String::new();
    for cut in cuts {
        let _ = writeln!(
            text,
            "cut {} after {}: {} bytes",
            cut.file, cut.kept, cut.dropped
        );
    }
    let mut cursor = log.cursor(From::Start);
    while let Some(record) = log.read(&mut cursor, usize::MAX).unwrap() {
        text.push_str(&line(&record));
    }
    text
}

/// Not `Debug`, which changes with the names of fields.
fn line(record: &Record) -> String {
    let invocation = record
        .invocation
        .map_or("-".to_owned(), |id| id.to_string());
    let kind = match &record.kind {
        RecordKind::Started => "started".to_owned(),
        RecordKind::Output(Stream::Stdout) => "stdout".to_owned(),
        RecordKind::Output(Stream::Stderr) => "stderr".to_owned(),
        RecordKind::Output(Stream::Pty) => "pty".to_owned(),
        RecordKind::Completed(outcome) => outcome_word(outcome),
        RecordKind::Gap(gap) => format!(
            "gap from {} of {} {}",
            gap.first.0,
            gap.bytes,
            cause(gap.cause)
        ),
    };
    // A gap that reading makes has no time of its own.
    let time = match record.kind {
        RecordKind::Gap(_) => 0,
        _ => record.time_ms,
    };
    let bytes: String = record
        .bytes
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{} {time} {invocation} {kind} {bytes}\n", record.seq.0)
}

fn outcome_word(outcome: &Outcome) -> String {
    let status = |status: &ExitStatus| match status {
        ExitStatus::Code(code) => format!("code {code}"),
        ExitStatus::Signal(signal) => format!("signal {signal}"),
    };
    match outcome {
        Outcome::Ended(how) => format!("ended {}", status(how)),
        Outcome::TimedOut(how) => format!("timed out {}", status(how)),
        Outcome::Cancelled(how) => format!("cancelled {}", status(how)),
        Outcome::NeverRan => "never ran".to_owned(),
        Outcome::SessionEnded(why) => format!("session ended: {why}"),
        Outcome::Failed(why) => format!("failed: {why}"),
    }
}

fn cause(cause: GapCause) -> &'static str {
    match cause {
        GapCause::Quota => "quota",
        GapCause::Storage => "storage",
        GapCause::Damaged => "damaged",
    }
}

#[test]
fn every_spool_of_every_release_gives_the_records_it_gave() {
    for layout in folder::all("spool") {
        let (_root, session) = session_with(&layout);
        let expected = fs::read_to_string(layout.join(RECORDS)).unwrap();
        assert_eq!(recovered(&session), expected, "{}", layout.display());
    }
}

/// The fixtures have in them what they are there for.
#[test]
fn the_first_release_has_every_layout() {
    let records = |name: &str| {
        let path = format!(
            "{}/tests/releases/0.1.0/spool/{name}/{RECORDS}",
            env!("CARGO_MANIFEST_DIR")
        );
        fs::read_to_string(path).unwrap()
    };
    assert_eq!(records("every-kind").lines().count(), 14);
    let gaps = |name: &str| records(name).matches(" gap from ").count();
    assert_eq!(gaps("every-kind"), 3);
    for (name, cause) in [
        ("oldest-dropped", "quota"),
        ("segment-missing", "damaged"),
        ("segment-damaged", "damaged"),
    ] {
        assert_eq!(gaps(name), 1, "{name}");
        assert!(records(name).contains(cause), "{name}");
    }
    assert!(records("end-torn").starts_with("cut "));
}

/// What this version writes is what a reader of its own format was made for: other bytes need
/// another number.
#[test]
fn this_version_writes_the_bytes_it_wrote() {
    for (name, make) in LAYOUTS {
        let (_root, session) = scratch();
        make(&session);
        let then = folder::own().join("spool").join(name);
        for path in folder::entries(&session.path().join("spool")) {
            let then = then.join(path.file_name().unwrap());
            let same = fs::read(&path).unwrap() == fs::read(&then).unwrap_or_default();
            assert!(same, "{} is written otherwise now", then.display());
        }
    }
}

#[test]
fn a_newer_format_is_told_by_both_numbers() {
    let layout = folder::own().join("spool/every-kind");
    let (_root, session) = session_with(&layout);
    let path = segment(&session, 0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[8] = 2;
    fs::write(path, bytes).unwrap();
    match Log::recover(&session) {
        Err(error @ RecoverError::Version { .. }) => {
            let text = error.to_string();
            assert!(
                text.contains("format 2") && text.contains("reads 1"),
                "{text}"
            );
        }
        other => panic!("{:?}", other.map(|(_, cuts)| cuts)),
    }
}
