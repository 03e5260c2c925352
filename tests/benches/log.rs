//! What appending to a session's log and reading it cost, in processor time:
//! `cargo bench -p outlast-tests --bench log`.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]

use std::time::Duration;

use bytes::Bytes;
use outlast_subsystem::log::{Buffering, From, Log, MAX_PAYLOAD, Policy, RecordKind, Stream};
use rustix::time::{ClockId, clock_gettime};

use outlast_rendezvous::PrivateDirectory;

fn now() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

fn timed(count: u32, work: impl FnOnce()) -> Duration {
    let start = now();
    work();
    (now() - start) / count
}

fn append(log: &mut Log, length: usize, count: u32) -> Duration {
    let chunk = Bytes::from(vec![b'x'; length]);
    timed(count, || {
        for turn in 0..count {
            let kind = RecordKind::Output(Stream::Stdout);
            log.append(turn.into(), None, kind, chunk.clone());
            if turn % 16 == 15 {
                log.flush();
            }
        }
    })
}

fn drain(log: &mut Log, from: From) {
    let mut cursor = log.cursor(from);
    while log.read(&mut cursor, MAX_PAYLOAD).expect("read").is_some() {}
}

fn main() {
    for (length, count) in [(80, 300_000), (4096, 40_000), (MAX_PAYLOAD, 3_000)] {
        let root = tempfile::tempdir().expect("a temporary directory");
        let session = PrivateDirectory::open_or_create(root.path().join("session")).expect("made");
        let mut policy = Policy {
            quota_bytes: 512 * 1024 * 1024,
            ..Policy::default()
        };
        let mut log = Log::create(&session, 0, policy).expect("create");
        let to_disk = append(&mut log, length, count);
        let from_disk = timed(count, || drain(&mut log, From::Start));
        let live = timed(30_000, || {
            for _ in 0..10_000 {
                drain(&mut log, From::Tail(3));
            }
        });
        policy.buffering = Buffering::Drop;
        let mut log = Log::create(&session, 0, policy).expect("create");
        let to_memory = append(&mut log, length, count);
        println!(
            "{length} bytes: append {to_memory:?}, with its share of the write {to_disk:?}; \
             read live {live:?}, from disk {from_disk:?}"
        );
    }
}
