//! What appending and reading cost. Not a test of anything: run it by name, optimised, with
//! `--ignored --nocapture`.

use std::time::Instant;

use bytes::Bytes;
use outlast_subsystem::log::{Buffering, From, Log, MAX_PAYLOAD, Policy, RecordKind, Stream};

use crate::world::scratch;

#[test]
#[ignore = "a measurement"]
fn cost() {
    for (length, count) in [(80, 1_000_000u32), (4096, 50_000), (MAX_PAYLOAD, 3_000)] {
        let (_root, session) = scratch();
        let policy = Policy {
            buffering: Buffering::Spool,
            quota_bytes: 512 * 1024 * 1024,
            ..Policy::default()
        };
        let mut log = Log::create(&session, 0, policy).expect("create");
        let mut live = log.cursor(From::Start);
        let chunk = Bytes::from(vec![b'x'; length]);
        let start = Instant::now();
        for turn in 0..count {
            let kind = RecordKind::Output(Stream::Stdout);
            log.append(turn.into(), None, kind, chunk.clone());
            if turn % 16 == 15 {
                log.flush();
            }
        }
        let append = start.elapsed() / count;
        let start = Instant::now();
        let mut read = 0;
        while log.read(&mut live, MAX_PAYLOAD).expect("read").is_some() {
            read += 1;
        }
        assert_eq!(read, count);
        let disk = start.elapsed() / count;
        let mut tail = log.cursor(From::Tail(3));
        let start = Instant::now();
        for _ in 0..100_000 {
            tail = log.cursor(From::Tail(3));
            while log.read(&mut tail, MAX_PAYLOAD).expect("read").is_some() {}
        }
        let memory = start.elapsed() / 300_000;
        println!("{length} bytes: append+flush {append:?}, disk {disk:?}, memory {memory:?}");
        assert_eq!(tail.position().seq, log.next());
    }
}
