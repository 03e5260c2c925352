//! What is left of a log when its host is killed, cut off or its files damaged.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use outlast_protocol::id::Seq;
use outlast_rendezvous::PrivateDirectory;
use outlast_subsystem::log::{From, GapCause, Log, Policy, RecoverError};
use tempfile::TempDir;

use crate::world::{Random, Reader, World, position, scratch, small};

fn segments(root: &TempDir) -> Vec<PathBuf> {
    let spool = root.path().join("session/spool");
    let mut paths: Vec<_> = fs::read_dir(spool)
        .expect("list")
        .map(|entry| entry.expect("entry").path())
        .collect();
    paths.sort();
    paths
}

/// Replaces the world's log by what recovery finds.
fn recover(world: &mut World, session: &PrivateDirectory) -> u64 {
    let (log, cuts) = Log::recover(session).expect("recover");
    world.log = log;
    cuts.iter().map(|cut| cut.dropped).sum()
}

#[test]
fn a_killed_host_loses_only_what_it_did_not_flush() {
    let (_root, session) = scratch();
    let mut world = World::new(&session, Policy::default());
    for _ in 0..30 {
        world.output(50);
    }
    world.log.flush();
    for _ in 0..5 {
        world.output(50);
    }
    assert_eq!(recover(&mut world, &session), 0);
    assert_eq!(world.log.next(), Seq(31));
    let mut reader = Reader::new(&world.log, From::Start);
    reader.drain(&mut world);
    assert_eq!((reader.records, reader.gaps.len()), (30, 0));
}

#[test]
fn a_torn_last_record_is_cut_wherever_it_is_torn() {
    let (root, session) = scratch();
    let mut world = World::new(&session, small());
    world.output(40);
    world.output(60);
    world.log.flush();
    let before = fs::metadata(&segments(&root)[0]).expect("stat").len();
    world.output(33);
    world.log.flush();
    let whole = fs::read(&segments(&root)[0]).expect("read");
    for length in before..whole.len() as u64 {
        fs::write(&segments(&root)[0], &whole[..length as usize]).expect("write");
        assert_eq!(recover(&mut world, &session), length - before);
        assert_eq!(world.log.next(), Seq(3));
        let mut reader = Reader::new(&world.log, From::Start);
        reader.drain(&mut world);
        assert_eq!((reader.records, reader.gaps.len()), (2, 0));
        // Recovery leaves the evidence alone.
        assert_eq!(
            fs::metadata(&segments(&root)[0]).expect("stat").len(),
            length
        );
    }
}

fn spread(world: &mut World) {
    for _ in 0..100 {
        world.output(300);
    }
    world.log.flush();
}

#[test]
fn damage_in_the_middle_is_an_exact_gap_after_recovery() {
    let (root, session) = scratch();
    let mut world = World::new(&session, small());
    spread(&mut world);
    let path = &segments(&root)[1];
    let mut bytes = fs::read(path).expect("read");
    bytes[2000] ^= 0x10;
    fs::write(path, bytes).expect("write");
    assert!(recover(&mut world, &session) > 0);
    assert_eq!(world.log.next(), Seq(101));
    let mut reader = Reader::new(&world.log, From::Start);
    reader.drain(&mut world);
    assert_eq!(reader.gaps.len(), 1);
    assert_eq!(reader.gaps[0].cause, GapCause::Damaged);
    assert_eq!(reader.records + reader.gaps[0].bytes / 300, 100);
}

#[test]
fn damage_in_the_middle_is_an_exact_gap_for_a_running_host() {
    let (root, session) = scratch();
    let mut world = World::new(&session, small());
    spread(&mut world);
    let path = &segments(&root)[1];
    let mut bytes = fs::read(path).expect("read");
    bytes[2000] ^= 0x10;
    fs::write(path, bytes).expect("write");
    let mut reader = Reader::new(&world.log, From::Start);
    reader.drain(&mut world);
    assert_eq!(reader.gaps.len(), 1);
    assert_eq!(reader.gaps[0].cause, GapCause::Damaged);
    assert_eq!(world.log.status().lost_bytes, reader.gaps[0].bytes);
    // A second reader gets the same, and the log goes on.
    world.output(10);
    let mut again = Reader::new(&world.log, From::Start);
    again.drain(&mut world);
    assert_eq!(again.gaps, reader.gaps);
}

#[test]
fn damage_in_the_segment_being_written_does_not_stop_the_log() {
    let (root, session) = scratch();
    let mut policy = small();
    policy.memory_bytes = 1024;
    let mut world = World::new(&session, policy);
    for _ in 0..20 {
        world.output(300);
    }
    let path = segments(&root).pop().expect("segment");
    let mut bytes = fs::read(&path).expect("read");
    bytes[900] ^= 1;
    fs::write(&path, bytes).expect("write");
    let mut reader = Reader::new(&world.log, From::Start);
    reader.drain(&mut world);
    assert_eq!(reader.gaps.len(), 1);
    for _ in 0..20 {
        world.output(300);
    }
    world.log.flush();
    reader.drain(&mut world);
    recover(&mut world, &session);
    let mut again = Reader::new(&world.log, From::Start);
    again.drain(&mut world);
    assert_eq!(again.gaps.len(), 1);
    assert_eq!(again.gaps[0].first, reader.gaps[0].first);
}

/// Removes a random segment, or flips a random byte in it.
fn harm(root: &TempDir, random: &mut Random) {
    let paths = segments(root);
    if paths.is_empty() {
        return;
    }
    let path = &paths[random.below(paths.len() as u64) as usize];
    if random.below(2) == 0 {
        fs::remove_file(path).expect("rm");
        return;
    }
    let file = fs::OpenOptions::new().read(true).write(true).open(path);
    let file = file.expect("open");
    let at = random.below(file.metadata().expect("stat").len().max(1));
    let mut byte = [0];
    if file.read_at(&mut byte, at).expect("read") == 1 {
        file.write_all_at(&[byte[0] ^ 0x40], at).expect("write");
    }
}

#[test]
fn harm_anywhere_at_any_time_gives_exact_gaps() {
    for seed in 300..330 {
        let random = &mut Random::new(seed);
        let (root, session) = scratch();
        let mut policy = small();
        policy.memory_bytes = 1024 + random.below(64 * 1024) as usize;
        let mut world = World::new(&session, policy);
        let mut readers = vec![Reader::new(&world.log, From::Start)];
        for _ in 0..600 {
            match random.below(40) {
                0 => harm(&root, random),
                1 => {
                    let seq = Seq(1 + random.below(world.log.next().0));
                    let from = From::Position(position(&world, seq));
                    readers.push(Reader::new(&world.log, from));
                }
                2..12 => {
                    let which = random.below(readers.len() as u64) as usize;
                    readers[which].step(&mut world, 64 * 1024);
                }
                12..20 => world.log.flush(),
                _ => world.anything(random),
            }
        }
        for reader in &mut readers {
            reader.drain(&mut world);
        }
        assert_eq!(world.log.status().disk_error, None);
        world.log.flush();
        recover(&mut world, &session);
        Reader::new(&world.log, From::Start).drain(&mut world);
    }
}

#[test]
fn a_recovered_log_takes_a_last_word() {
    let (_root, session) = scratch();
    let mut world = World::new(&session, small());
    world.output(5);
    world.log.flush();
    recover(&mut world, &session);
    world.output(6);
    let mut reader = Reader::new(&world.log, From::Start);
    reader.drain(&mut world);
    assert_eq!(reader.records, 2);
    let (log, _) = Log::recover(&session).expect("recover");
    assert_eq!(log.next(), Seq(2), "the files are not touched");
}

#[test]
fn foreign_and_empty_files_are_passed_over() {
    let (root, session) = scratch();
    let mut world = World::new(&session, small());
    spread(&mut world);
    let spool = root.path().join("session/spool");
    let first = &segments(&root)[0];
    fs::copy(first, spool.join("00000000000000000999.seg")).expect("copy");
    fs::write(spool.join("00000000000000001000.seg"), "").expect("write");
    fs::write(spool.join("notes"), "").expect("write");
    fs::create_dir(spool.join("00000000000000002000.seg")).expect("mkdir");
    recover(&mut world, &session);
    let mut reader = Reader::new(&world.log, From::Start);
    reader.drain(&mut world);
    assert_eq!((reader.records, reader.gaps.len()), (100, 0));
}

#[test]
fn a_newer_format_is_named() {
    let (root, session) = scratch();
    let mut world = World::new(&session, small());
    world.output(5);
    world.log.flush();
    let path = &segments(&root)[0];
    let mut bytes = fs::read(path).expect("read");
    bytes[8] = 2;
    fs::write(path, bytes).expect("write");
    let error = Log::recover(&session).err().expect("newer");
    assert!(matches!(error, RecoverError::Version { found: 2, .. }));
}

#[test]
fn any_garbage_in_a_segment_is_survived() {
    let (root, session) = scratch();
    let mut world = World::new(&session, small());
    spread(&mut world);
    let path = segments(&root)[1].clone();
    let whole = fs::read(&path).expect("read");
    for at in (0..whole.len()).step_by(97) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        fs::write(&path, bytes).expect("write");
        recover(&mut world, &session);
        let mut reader = Reader::new(&world.log, From::Start);
        reader.drain(&mut world);
        // Byte 10 is reserved and covered by nothing.
        assert!(reader.gaps.len() == 1 || (10..12).contains(&at));
    }
}

/// A checksum proves nothing about who wrote it: sums of such numbers would overflow, or be wrong.
#[test]
fn numbers_no_log_can_have_are_damage() {
    let (root, session) = scratch();
    let mut world = World::new(&session, small());
    spread(&mut world);
    let whole = fs::read(&segments(&root)[0]).expect("read");
    for (first, offset) in [
        (u64::MAX - 1, 1 << 40),
        (1000, u64::MAX - 200),
        // One record before it can have had 64 KiB, and none can have had none.
        (102, 100 * 300 + 64 * 1024 + 1),
        (101, 100 * 300 + 1),
    ] {
        let mut bytes = whole.clone();
        bytes[24..32].copy_from_slice(&first.to_le_bytes());
        bytes[32..40].copy_from_slice(&offset.to_le_bytes());
        let checksum = crc32c::crc32c(&bytes[16..40]);
        bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
        let path = root.path().join(format!("session/spool/{first:020}.seg"));
        fs::write(&path, bytes).expect("write");
        assert_eq!(recover(&mut world, &session), whole.len() as u64);
        assert_eq!(world.log.next(), Seq(101));
        fs::remove_file(path).expect("rm");
    }
}

/// What is far longer than a segment is not read into memory to find that out.
#[test]
fn a_file_of_a_terabyte_is_passed_over() {
    let (root, session) = scratch();
    let mut world = World::new(&session, small());
    spread(&mut world);
    let path = root.path().join("session/spool/00000000000000000999.seg");
    let file = fs::File::create(path).expect("create");
    file.set_len(1 << 40).expect("a sparse file");
    recover(&mut world, &session);
    let mut reader = Reader::new(&world.log, From::Start);
    reader.drain(&mut world);
    assert_eq!((reader.records, reader.gaps.len()), (100, 0));
}

#[test]
fn an_absent_spool_is_told() {
    let (_root, session) = scratch();
    let error = Log::recover(&session).err().expect("absent");
    assert!(matches!(error, RecoverError::Directory(error) if error.is_absent()));
}
