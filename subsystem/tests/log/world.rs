//! A log, all that was ever put into it, and readers that are held to both.

use std::sync::LazyLock;

use bytes::Bytes;
use outlast_protocol::id::{InvocationId, Seq};
use outlast_protocol::outcome::{ExitStatus, Outcome};
use outlast_rendezvous::PrivateDirectory;
use outlast_subsystem::log::{
    Buffering, Cursor, From, Gap, Log, Policy, Position, Record, RecordKind, Stream,
};
use tempfile::TempDir;

/// A small generator whose whole state is its seed, so that a failure names its case.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

pub(crate) fn scratch() -> (TempDir, PrivateDirectory) {
    let root = tempfile::tempdir().expect("tempdir");
    let session = PrivateDirectory::open_or_create(root.path().join("session")).expect("create");
    (root, session)
}

pub(crate) fn small() -> Policy {
    Policy {
        buffering: Buffering::Spool,
        quota_bytes: 64 * 1024,
        memory_bytes: 4 * 1024,
        segment_bytes: 8 * 1024,
    }
}

/// What outputs are cut from, each at another place.
static PATTERN: LazyLock<Bytes> =
    LazyLock::new(|| (0..65_536 + 251).map(|i| (i % 251) as u8).collect());

/// The log and its history.
pub(crate) struct World {
    pub(crate) log: Log,
    pub(crate) history: Vec<Record>,
}

impl World {
    pub(crate) fn new(session: &PrivateDirectory, policy: Policy) -> Self {
        Self {
            log: Log::create(session, 7, policy).expect("create"),
            history: Vec::new(),
        }
    }

    pub(crate) fn append(&mut self, kind: RecordKind, bytes: Bytes) {
        let time_ms = 1_000 + self.history.len() as u64;
        let seq = Seq(self.history.len() as u64 + 1);
        let invocation =
            (!seq.0.is_multiple_of(3)).then(|| InvocationId(uuid::Uuid::from_u128(seq.0.into())));
        let appended = self
            .log
            .append(time_ms, invocation, kind.clone(), bytes.clone());
        assert_eq!(appended, seq);
        self.history.push(Record {
            seq,
            time_ms,
            invocation,
            kind,
            bytes,
        });
    }

    pub(crate) fn output(&mut self, length: usize) {
        let start = self.history.len() * 31 % 251;
        let bytes = PATTERN.slice(start..start + length);
        let streams = [Stream::Stdout, Stream::Stderr, Stream::Pty];
        let stream = streams[self.history.len() % 3];
        self.append(RecordKind::Output(stream), bytes);
    }

    pub(crate) fn anything(&mut self, random: &mut Random) {
        let status = ExitStatus::Code(random.below(256) as u8);
        match random.below(20) {
            0 => self.append(RecordKind::Started, Bytes::new()),
            1 => self.append(RecordKind::Completed(Outcome::Ended(status)), Bytes::new()),
            2 => self.append(
                RecordKind::Completed(Outcome::Failed("größer".into())),
                Bytes::new(),
            ),
            3 => self.output(random.below(64 * 1024 + 1) as usize),
            4..8 => self.output(random.below(9000) as usize),
            _ => self.output(random.below(200) as usize),
        }
    }

    pub(crate) fn bytes_between(&self, first: Seq, last: Seq) -> u64 {
        let range = first.0 as usize - 1..last.0 as usize;
        self.history[range]
            .iter()
            .map(|it| it.bytes.len() as u64)
            .sum()
    }
}

/// A reader that checks all it gets against the history.
pub(crate) struct Reader {
    pub(crate) cursor: Cursor,
    /// Whether its first gap has exact bytes.
    pub(crate) exact: bool,
    pub(crate) gaps: Vec<Gap>,
    pub(crate) records: u64,
}

impl Reader {
    pub(crate) fn new(log: &Log, from: From) -> Self {
        let exact = match from {
            From::Start | From::Tail(_) | From::Bytes(_) | From::Position(_) => true,
            From::Seq(seq) => seq >= log.first(),
        };
        Self {
            cursor: log.cursor(from),
            exact,
            gaps: Vec::new(),
            records: 0,
        }
    }

    pub(crate) fn next(&self) -> Seq {
        self.cursor.position().seq
    }

    /// Reads one record; false if there is none that fits.
    pub(crate) fn step(&mut self, world: &mut World, max_bytes: usize) -> bool {
        let expected = self.next();
        let missing = expected < world.log.first();
        let Some(record) = world.log.read(&mut self.cursor, max_bytes).expect("read") else {
            return false;
        };
        assert_eq!(self.next(), record.seq.next());
        if let RecordKind::Gap(gap) = record.kind {
            assert_eq!(gap.first, expected);
            assert!(record.seq >= expected && record.seq < world.log.next());
            if self.exact {
                assert_eq!(gap.bytes, world.bytes_between(expected, record.seq));
            }
            self.gaps.push(gap);
        } else {
            assert!(!missing, "{expected} was read though it is gone");
            assert_eq!(record, world.history[expected.0 as usize - 1]);
            assert!(record.bytes.len() <= max_bytes);
            self.records += 1;
        }
        self.exact = true;
        true
    }

    pub(crate) fn drain(&mut self, world: &mut World) {
        while self.step(world, usize::MAX) {}
        assert_eq!(self.next(), world.log.next());
    }
}

/// The position of `seq` by the history.
pub(crate) fn position(world: &World, seq: Seq) -> Position {
    let before = &world.history[..seq.0 as usize - 1];
    Position {
        seq,
        offset: before.iter().map(|it| it.bytes.len() as u64).sum(),
    }
}
