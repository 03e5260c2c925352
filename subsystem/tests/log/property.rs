//! Whatever the sizes, the quota and the pace of the readers: each gets every record once and in
//! order, and a gap exactly where records are gone, with exact counts.

use outlast_protocol::id::Seq;
use outlast_rendezvous::PrivateDirectory;
use outlast_subsystem::log::{Buffering, From, GapCause, Log, Policy, RecordKind};

use crate::world::{Random, Reader, World, position, scratch, small};

fn random_policy(random: &mut Random, buffering: Buffering) -> Policy {
    Policy {
        buffering,
        quota_bytes: 16 * 1024 + random.below(800 * 1024),
        memory_bytes: 2 * 1024 + random.below(200 * 1024) as usize,
        segment_bytes: 1024 + random.below(200 * 1024),
    }
}

fn random_start(random: &mut Random, world: &World) -> From {
    let seq = Seq(1 + random.below(world.log.next().0 + 2));
    match random.below(4) {
        0 => From::Start,
        1 => From::Seq(seq),
        2 => From::Tail(random.below(50)),
        _ => From::Position(position(world, seq.min(world.log.next()))),
    }
}

fn check_bounds(world: &World, policy: &Policy) {
    let status = world.log.status();
    let record = 70 * 1024;
    let segment = policy
        .segment_bytes
        .clamp(4096, policy.quota_bytes.max(4096));
    assert_eq!(status.disk_error, None);
    assert!(status.disk_bytes <= policy.quota_bytes.max(16 * 1024) + segment + record);
    let memory = match policy.buffering {
        Buffering::Drop => policy.memory_bytes.max(1024 * 1024),
        _ => policy.memory_bytes,
    };
    assert!(status.memory_bytes <= memory);
    let retained = world.bytes_between(world.log.first(), Seq(world.log.next().0 - 1));
    assert_eq!(world.log.retained_bytes(), retained);
}

fn run(seed: u64, buffering: Buffering) {
    let random = &mut Random::new(seed);
    let (_root, session) = scratch();
    let policy = random_policy(random, buffering);
    let mut world = World::new(&session, policy);
    let mut readers = vec![Reader::new(&world.log, From::Start)];
    for _ in 0..800 {
        match random.below(10) {
            0 if random.below(20) == 0 => world.log.shrink(),
            0 => world.log.flush(),
            1 if readers.len() < 6 => {
                readers.push(Reader::new(&world.log, random_start(random, &world)));
            }
            2..5 => {
                let which = random.below(readers.len() as u64) as usize;
                let max_bytes = random.below(128 * 1024) as usize;
                for _ in 0..random.below(30) {
                    readers[which].step(&mut world, max_bytes);
                }
            }
            _ => world.anything(random),
        }
        if !world.history.is_empty() {
            check_bounds(&world, &policy);
        }
    }
    for reader in &mut readers {
        reader.drain(&mut world);
        let all_quota = reader.gaps.iter().all(|gap| gap.cause == GapCause::Quota);
        assert!(all_quota, "{:?}", reader.gaps);
    }
    assert_eq!(world.log.status().lost_records, 0);
    if buffering != Buffering::Drop {
        world.log.flush();
        recovered_equals(world, &session);
    }
}

fn recovered_equals(mut world: World, session: &PrivateDirectory) {
    let (log, cuts) = Log::recover(session).expect("recover");
    assert!(cuts.is_empty(), "{cuts:?}");
    // Memory may have held more than the quota lets the disk hold.
    assert!(log.first() >= world.log.first());
    assert_eq!(log.next(), world.log.next());
    world.log = log;
    let mut reader = Reader::new(&world.log, From::Start);
    reader.drain(&mut world);
    let lost = world.log.first() > Seq::FIRST;
    assert_eq!(reader.gaps.len(), usize::from(lost));
}

#[test]
fn spool_drops_the_oldest_and_says_how_much() {
    for seed in 0..16 {
        run(seed, Buffering::Spool);
    }
}

#[test]
fn drop_keeps_to_memory_and_says_how_much_is_gone() {
    for seed in 100..110 {
        run(seed, Buffering::Drop);
    }
}

#[test]
fn block_loses_nothing_to_a_reader_that_acknowledges() {
    let mut blocked = 0;
    for seed in 200..208 {
        let random = &mut Random::new(seed);
        let (_root, session) = scratch();
        let mut policy = random_policy(random, Buffering::Block);
        policy.quota_bytes = 64 * 1024 + random.below(256 * 1024);
        let mut world = World::new(&session, policy);
        let mut reader = Reader::new(&world.log, From::Start);
        for _ in 0..1500 {
            if world.log.would_block() {
                blocked += 1;
            } else {
                world.anything(random);
            }
            world.log.flush();
            let bound = policy.quota_bytes + policy.segment_bytes + 140 * 1024;
            assert!(world.log.status().disk_bytes <= bound);
            if random.below(100) < 3 || world.log.would_block() {
                for _ in 0..random.below(60) {
                    reader.step(&mut world, usize::MAX);
                }
                let last = Seq(world.log.next().0 - 1);
                world.log.hold([(reader.next(), last)]);
            }
        }
        reader.drain(&mut world);
        assert!(reader.gaps.is_empty());
        assert_eq!(reader.records, world.history.len() as u64);
    }
    assert!(blocked > 0, "the quota was never full");
}

#[test]
fn block_drops_what_was_consumed_behind_what_was_not() {
    let (_root, session) = scratch();
    let policy = Policy {
        buffering: Buffering::Block,
        ..small()
    };
    let mut world = World::new(&session, policy);
    // A background command's output, which nobody has received.
    for _ in 0..10 {
        world.output(1000);
    }
    world.log.hold([(Seq(1), Seq(10))]);
    let mut reader = Reader::new(&world.log, From::Seq(Seq(11)));
    for _ in 0..1000 {
        assert!(!world.log.would_block(), "this command is read");
        world.output(1000);
        world.log.flush();
        reader.drain(&mut world);
        world.log.hold([(Seq(1), Seq(10))]);
    }
    assert!(reader.gaps.is_empty());
    assert!(world.log.status().disk_bytes <= policy.quota_bytes + policy.segment_bytes);
    let mut late = Reader::new(&world.log, From::Start);
    late.drain(&mut world);
    assert_eq!(late.gaps.len(), 1, "{:?}", late.gaps);
    assert!(late.gaps[0].first > Seq(10));
}

#[test]
fn long_output_becomes_several_records() {
    let (_root, session) = scratch();
    let mut log = Log::create(&session, 0, Policy::default()).expect("create");
    let long = vec![7u8; 200 * 1024];
    let kind = RecordKind::Output(outlast_subsystem::log::Stream::Stdout);
    assert_eq!(log.append(0, None, kind, long.into()), Seq(4));
    let mut cursor = log.cursor(From::Start);
    let mut total = 0;
    while let Some(record) = log.read(&mut cursor, 64 * 1024).expect("read") {
        total += record.bytes.len();
    }
    assert_eq!(total, 200 * 1024);
}

#[test]
fn a_place_kept_while_it_was_there_gives_an_exact_gap_later() {
    let (_root, session) = scratch();
    let mut world = World::new(&session, small());
    for i in 0..40 {
        world.output(100 + i * 20);
    }
    let kept = world.log.locate(Seq(17)).expect("still there");
    assert_eq!(kept, position(&world, Seq(17)));
    for _ in 0..100 {
        world.output(3000);
    }
    assert!(world.log.first() > Seq(17));
    let mut reader = Reader::new(&world.log, From::Position(kept));
    reader.drain(&mut world);
    assert_eq!(reader.gaps.len(), 1);
}

#[test]
fn a_live_reader_does_not_need_the_disk() {
    let (root, session) = scratch();
    let mut world = World::new(&session, small());
    let mut reader = Reader::new(&world.log, From::Start);
    world.output(10);
    std::fs::remove_dir_all(root.path()).expect("rm");
    for _ in 0..500 {
        world.output(100);
        world.log.flush();
        reader.drain(&mut world);
    }
    assert!(reader.gaps.is_empty());
}
