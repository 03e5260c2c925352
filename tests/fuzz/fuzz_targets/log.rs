//! Any sequence of what a host does with its log, and of what can happen to the files meanwhile:
//! each reader gets exactly what was appended, or a gap where records are gone, of exact size.
#![no_main]

use std::fs;
use std::path::{Path, PathBuf};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use outlast_fuzz::scratch::Scratch;
use outlast_protocol::id::Seq;
use outlast_protocol::outcome::{ExitStatus, Outcome};
use outlast_rendezvous::PrivateDirectory;
use outlast_subsystem::log::{Buffering, From, GapCause, Log, Policy, Record, RecordKind};

#[path = "../../../subsystem/tests/log/world.rs"]
#[allow(dead_code, reason = "the tests of the log use the rest")]
mod world;

use world::{Reader, World, position};

#[derive(Arbitrary, Clone, Copy, Debug)]
struct Bounds {
    buffering: u8,
    quota: u16,
    memory: u16,
    segment: u16,
}

impl Bounds {
    fn policy(self) -> Policy {
        Policy {
            buffering: match self.buffering % 3 {
                0 => Buffering::Spool,
                1 => Buffering::Block,
                _ => Buffering::Drop,
            },
            quota_bytes: u64::from(self.quota) * 4,
            memory_bytes: usize::from(self.memory),
            segment_bytes: u64::from(self.segment),
        }
    }
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Place {
    Start,
    Seq(u16),
    Tail(u8),
    Kept(u16),
}

#[derive(Arbitrary, Debug)]
enum Happening {
    Output {
        length: u16,
    },
    Outputs {
        count: u8,
        length: u16,
    },
    Started,
    Completed {
        value: u8,
    },
    Flush,
    Shrink,
    Open(Place),
    Read {
        reader: u8,
        count: u8,
        most: u16,
    },
    Drain {
        reader: u8,
    },
    Close {
        reader: u8,
    },
    /// Only these are still to be consumed, and what is to come.
    Hold(Vec<(u16, u8)>),
    Locate {
        seq: u16,
    },
    /// The host dies; what it left is read.
    Crash,
    /// A byte of a segment changes.
    Flip {
        segment: u8,
        at: u16,
        bit: u8,
    },
    /// A segment's end is lost.
    Cut {
        segment: u8,
        to: u16,
    },
    /// A segment goes away.
    Remove {
        segment: u8,
    },
    /// The whole spool does.
    RemoveAll,
}

struct Host {
    world: World,
    policy: Policy,
    session: PrivateDirectory,
    spool: PathBuf,
    readers: Vec<Reader>,
    /// Of each record that came before it was last said, whether it is still to be consumed.
    held: Vec<bool>,
    /// All output there ever was.
    bytes: u64,
    /// Somebody was at the files: what is lost is no longer only what the quota takes.
    harmed: bool,
    /// The files are a dead host's, and nothing is written any more: how many records there were.
    dead: Option<usize>,
    /// What it said while it lived.
    written: Vec<Record>,
}

impl Host {
    fn new(scratch: &Scratch, policy: Policy) -> Self {
        let session = scratch.directory("session");
        Self {
            world: World::new(&session, policy),
            policy,
            spool: session.path().join("spool"),
            session,
            readers: Vec::new(),
            held: Vec::new(),
            bytes: 0,
            harmed: false,
            dead: None,
            written: Vec::new(),
        }
    }

    fn buffering(&self) -> Buffering {
        self.policy.buffering
    }

    fn output(&mut self, length: u16) {
        // A session that may not lose anything has its command wait; a dead one has a last word,
        // and no more than memory holds.
        let last_words = self.dead.map(|kept| self.world.history.len() - kept);
        if !self.world.log.would_block() && last_words.is_none_or(|said| said < 8) {
            self.world.output(length.into());
            self.bytes += u64::from(length);
        }
    }

    fn happen(&mut self, happening: &Happening) {
        match happening {
            Happening::Output { length } => self.output(*length),
            Happening::Outputs { count, length } => {
                for _ in 0..count % 32 {
                    self.output(*length);
                }
            }
            Happening::Started => self.world.append(RecordKind::Started, bytes::Bytes::new()),
            Happening::Completed { value } => {
                let outcome = Outcome::Ended(ExitStatus::Code(*value));
                let kind = RecordKind::Completed(outcome);
                self.world.append(kind, bytes::Bytes::new());
            }
            Happening::Flush => self.world.log.flush(),
            Happening::Shrink => self.world.log.shrink(),
            Happening::Open(place) => self.open(*place),
            Happening::Read {
                reader,
                count,
                most,
            } => {
                for _ in 0..*count {
                    self.step(*reader, usize::from(*most));
                }
            }
            Happening::Drain { reader } => while self.step(*reader, usize::MAX) {},
            Happening::Close { reader } => {
                if let Some(at) = self.reader(*reader) {
                    self.readers.remove(at);
                }
            }
            Happening::Hold(ranges) => self.hold(ranges),
            Happening::Locate { seq } => self.locate((*seq).into()),
            Happening::Crash => self.crash(),
            harm => self.harm(harm),
        }
    }

    fn reader(&self, number: u8) -> Option<usize> {
        usize::from(number).checked_rem(self.readers.len())
    }

    fn open(&mut self, place: Place) {
        if self.readers.len() >= 6 {
            return;
        }
        let next = self.world.log.next();
        let within = |seq: u16| Seq(u64::from(seq).clamp(1, next.0));
        let from = match place {
            Place::Start => From::Start,
            Place::Seq(seq) => From::Seq(Seq(seq.into())),
            Place::Tail(count) => From::Tail(count.into()),
            Place::Kept(seq) => From::Position(position(&self.world, within(seq))),
        };
        let mut reader = Reader::new(&self.world.log, from);
        // Where a file is gone, only the edges of what it held are known.
        reader.exact &= !self.harmed || !matches!(place, Place::Seq(_) | Place::Tail(_));
        self.readers.push(reader);
    }

    /// One record for a reader, which checks it against all that was appended.
    fn step(&mut self, reader: u8, most: usize) -> bool {
        let Some(at) = self.reader(reader) else {
            return false;
        };
        let reader = &mut self.readers[at];
        let (place, gaps) = (reader.next(), reader.gaps.len());
        let more = reader.step(&mut self.world, most);
        let reader = &self.readers[at];
        if let Some(gap) = reader.gaps.get(gaps)
            && !self.harmed
        {
            assert_eq!(gap.cause, GapCause::Quota);
            assert!(
                self.may_be_gone(place, reader.next()),
                "a gap where nothing may be missing: {gap:?}"
            );
            if self.buffering() != Buffering::Block {
                let first = self.world.log.first();
                assert_eq!(reader.next(), first, "it ends where records begin");
            }
        }
        more
    }

    /// What was consumed once is not held again.
    fn hold(&mut self, ranges: &[(u16, u8)]) {
        let wanted = |number: usize| {
            ranges.iter().any(|&(first, count)| {
                (usize::from(first)..=usize::from(first) + usize::from(count)).contains(&number)
            })
        };
        self.held = (0..self.world.history.len())
            .map(|number| self.is_held(number) && wanted(number))
            .collect();
        let seq = |number: usize| Seq(number as u64 + 1);
        let mut held = Vec::new();
        for number in (0..self.held.len()).filter(|&number| self.held[number]) {
            match held.last_mut() {
                Some((_, last)) if *last == Seq(number as u64) => *last = seq(number),
                _ => held.push((seq(number), seq(number))),
            }
        }
        self.world.log.hold(held);
    }

    fn is_held(&self, number: usize) -> bool {
        self.held.get(number).copied().unwrap_or(true)
    }

    /// Whether records from `first` up to `next` may be gone, for no other reason than the quota.
    fn may_be_gone(&self, first: Seq, next: Seq) -> bool {
        match self.buffering() {
            Buffering::Block => (first.0..next.0).all(|seq| !self.is_held(seq as usize - 1)),
            Buffering::Spool | Buffering::Drop => next <= self.world.log.first(),
        }
    }

    fn locate(&self, seq: u64) {
        let seq = Seq(seq.clamp(1, self.world.log.next().0));
        if let Some(found) = self.world.log.locate(seq) {
            assert_eq!(found, position(&self.world, seq));
        } else if !self.harmed {
            assert!(self.may_be_gone(seq, seq.next()), "{seq} is not found");
        }
    }

    fn crash(&mut self) {
        if self.buffering() == Buffering::Drop {
            return;
        }
        let Ok((log, cuts)) = Log::recover(&self.session) else {
            assert!(self.harmed, "what a host wrote can be read");
            return;
        };
        assert!(self.harmed || cuts.is_empty(), "{cuts:?}");
        self.world.log = log;
        // What a dead host's log is told is nowhere on disk, and harm may undo harm.
        let history = std::mem::take(&mut self.world.history);
        if self.dead.is_none() {
            self.written = history;
        }
        let kept = usize::try_from(self.world.log.next().0 - 1).expect("small");
        self.world.history = self.written[..kept].to_vec();
        self.readers.clear();
        self.dead = Some(kept);
        // Whether the first records went by quota or by harm, their number is exact.
        let mut reader = Reader::new(&self.world.log, From::Start);
        reader.drain(&mut self.world);
        if !self.harmed && self.buffering() != Buffering::Block {
            assert!(reader.gaps.len() <= 1);
        }
    }

    fn harm(&mut self, harm: &Happening) {
        let segments = segments(&self.spool);
        let pick = |number: &u8| Some(&segments[usize::from(*number).checked_rem(segments.len())?]);
        self.harmed |= match harm {
            Happening::Flip { segment, at, bit } => pick(segment).is_some_and(|path| {
                change(path, |bytes| {
                    let at = usize::from(*at).checked_rem(bytes.len()).unwrap_or(0);
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 1 << (bit % 8);
                    }
                })
            }),
            Happening::Cut { segment, to } => pick(segment).is_some_and(|path| {
                let length = fs::metadata(path).map_or(0, |it| it.len());
                let file = fs::OpenOptions::new().write(true).open(path);
                file.and_then(|file| file.set_len(u64::from(*to) % (length + 1)))
                    .is_ok()
            }),
            Happening::Remove { segment } => {
                pick(segment).is_some_and(|path| fs::remove_file(path).is_ok())
            }
            Happening::RemoveAll => fs::remove_dir_all(&self.spool).is_ok(),
            _ => false,
        };
    }

    /// What holds at every step.
    fn check(&self) {
        let log = &self.world.log;
        let status = log.status();
        let segment = self
            .policy
            .segment_bytes
            .clamp(4096, self.policy.quota_bytes.max(4096));
        let record = 70 * 1024;
        if self.dead.is_none() {
            assert_eq!(log.next().0 as usize, self.world.history.len() + 1);
            let quota = self.policy.quota_bytes.max(16 * 1024);
            let slack = match self.buffering() {
                Buffering::Block => 70 * 1024 + segment,
                Buffering::Spool | Buffering::Drop => 0,
            };
            assert!(
                status.disk_bytes <= quota + segment + record + slack,
                "{status:?} {:?}",
                self.policy
            );
        }
        let ring = self.policy.memory_bytes.max(1024 * 1024);
        assert!(status.memory_bytes <= ring + record as usize, "{status:?}");
        if !self.harmed && !self.world.history.is_empty() && log.first() < log.next() {
            let last = Seq(log.next().0 - 1);
            let most = self.world.bytes_between(log.first(), last);
            match self.buffering() {
                // It may have dropped what lies between records that are held.
                Buffering::Block => assert!(log.retained_bytes() <= most),
                Buffering::Spool | Buffering::Drop => assert_eq!(log.retained_bytes(), most),
            }
            assert_eq!(status.lost_records, 0);
        }
    }
}

fn segments(spool: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(spool).into_iter().flatten().flatten();
    let mut all: Vec<_> = entries.map(|entry| entry.path()).collect();
    all.sort();
    all
}

/// In place: the host has the file open.
fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> bool {
    use std::io::Write;
    let Ok(mut bytes) = fs::read(path) else {
        return false;
    };
    change(&mut bytes);
    let file = fs::OpenOptions::new().write(true).open(path);
    file.and_then(|mut file| file.write_all(&bytes)).is_ok()
}

fuzz_target!(|input: (Bounds, Vec<Happening>)| {
    let (bounds, happenings) = input;
    let scratch = Scratch::new();
    let mut host = Host::new(&scratch, bounds.policy());
    for happening in happenings.iter().take(200) {
        // More than any bound here, and enough for one input.
        if host.world.history.len() > 2000 || host.bytes > 4 * 1024 * 1024 {
            break;
        }
        host.happen(happening);
        host.check();
    }
    for at in 0..host.readers.len() {
        let at = u8::try_from(at).expect("at most six");
        while host.step(at, usize::MAX) {}
    }
});
