//! Disks that are full, and files that go away under the log.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use outlast_rendezvous::PrivateDirectory;
use outlast_subsystem::log::{Buffering, From, GapCause, Log, Policy, Share};
use tempfile::TempDir;

use crate::world::{Reader, World, scratch, small};

/// A file system of a few kilobytes.
struct Tiny {
    _root: TempDir,
    path: PathBuf,
}

impl Tiny {
    fn new(options: &str) -> Option<Self> {
        let root = tempfile::tempdir().expect("tempdir");
        let path = root.path().join("tiny");
        fs::create_dir(&path).expect("mkdir");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(&path)
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self { _root: root, path });
        }
        println!("skipped: a small file system can be mounted only by root");
        None
    }

    fn session(&self) -> PrivateDirectory {
        PrivateDirectory::open_or_create(self.path.join("session")).expect("create")
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

fn policy(buffering: Buffering) -> Policy {
    Policy {
        buffering,
        quota_bytes: 64 * 1024 * 1024,
        memory_bytes: 16 * 1024,
        segment_bytes: 64 * 1024,
    }
}

fn fill(path: &Path) -> PathBuf {
    let ballast = path.join("ballast");
    let _ = fs::write(&ballast, vec![0u8; 4 * 1024 * 1024]);
    ballast
}

#[test]
fn a_full_disk_costs_no_more_than_memory_cannot_hold() {
    let Some(tiny) = Tiny::new("size=512k") else {
        return;
    };
    let mut world = World::new(&tiny.session(), policy(Buffering::Spool));
    for _ in 0..50 {
        world.output(1000);
    }
    world.log.flush();
    let ballast = fill(&tiny.path);
    let on_disk = world.log.next();
    for _ in 0..100 {
        world.output(1000);
        world.log.flush();
    }
    assert!(world.log.status().disk_error.is_some());
    let mut reader = Reader::new(
        &world.log,
        From::Position(world.log.locate(on_disk).unwrap()),
    );
    reader.drain(&mut world);
    assert!(reader.gaps.is_empty(), "the memory still has it");

    for _ in 0..3000 {
        world.output(1000);
        world.log.flush();
    }
    let mut reader = Reader::new(&world.log, From::Start);
    reader.drain(&mut world);
    let storage = |gap: &&outlast_subsystem::log::Gap| gap.cause == GapCause::Storage;
    assert_eq!(
        reader.gaps.iter().filter(storage).count(),
        1,
        "{:?}",
        reader.gaps
    );
    assert!(world.log.status().lost_records > 0);

    fs::remove_file(ballast).expect("rm");
    for _ in 0..100 {
        world.output(1000);
        world.log.flush();
    }
    assert_eq!(world.log.status().disk_error, None, "it is tried again");
}

#[test]
fn a_full_disk_blocks_a_command_that_may_not_lose_anything() {
    let Some(tiny) = Tiny::new("size=256k") else {
        return;
    };
    let mut world = World::new(&tiny.session(), policy(Buffering::Block));
    let mut reader = Reader::new(&world.log, From::Start);
    for _ in 0..5 {
        let before = world.log.next();
        while !world.log.would_block() {
            world.output(5000);
            world.log.flush();
        }
        assert!(world.log.next() > before);
        assert!(world.log.status().memory_bytes < 2 * 1024 * 1024);
        reader.drain(&mut world);
        world.log.hold([]);
    }
    assert!(reader.gaps.is_empty());
}

#[test]
fn one_part_in_twenty_is_left_to_others() {
    let Some(tiny) = Tiny::new("size=1m") else {
        return;
    };
    let mut world = World::new(&tiny.session(), policy(Buffering::Spool));
    for _ in 0..5000 {
        world.output(1000);
        world.log.flush();
    }
    assert_eq!(
        world.log.status().disk_error,
        None,
        "it lives within what there is"
    );
    assert!(world.log.status().disk_bytes > 512 * 1024);
    let mut reader = Reader::new(&world.log, From::Start);
    reader.drain(&mut world);
    assert_eq!(reader.gaps.len(), 1);
    assert_eq!(reader.gaps[0].cause, GapCause::Quota);
}

#[test]
fn a_segment_deleted_underneath_is_an_exact_gap() {
    let (root, session) = scratch();
    let mut world = World::new(&session, small());
    for _ in 0..100 {
        world.output(300);
    }
    world.log.flush();
    let spool = root.path().join("session/spool");
    let mut names: Vec<_> = fs::read_dir(&spool)
        .expect("list")
        .map(|entry| entry.expect("entry").path())
        .collect();
    names.sort();
    fs::remove_file(&names[1]).expect("rm");
    let mut reader = Reader::new(&world.log, From::Start);
    reader.drain(&mut world);
    assert_eq!(reader.gaps.len(), 1);
    assert_eq!(reader.gaps[0].cause, GapCause::Damaged);
    let (log, _) = Log::recover(&session).expect("recover");
    world.log = log;
    let mut again = Reader::new(&world.log, From::Start);
    again.drain(&mut world);
    assert_eq!(again.gaps, reader.gaps);
}

#[test]
fn a_spool_directory_deleted_underneath_is_made_again() {
    let (root, session) = scratch();
    let mut world = World::new(&session, small());
    for _ in 0..30 {
        world.output(300);
    }
    world.log.flush();
    let spool = root.path().join("session/spool");
    fs::remove_dir_all(&spool).expect("rm");
    for _ in 0..100 {
        world.output(300);
        world.log.flush();
    }
    assert_eq!(world.log.status().disk_error, None);
    assert!(fs::read_dir(&spool).expect("list").count() > 1);
    let mut reader = Reader::new(&world.log, From::Start);
    reader.drain(&mut world);
    assert_eq!(reader.gaps.len(), 1);
}

#[test]
fn what_a_deleted_spool_began_with_is_part_of_the_gap() {
    let (root, session) = scratch();
    let mut world = World::new(&session, small());
    for _ in 0..30 {
        world.output(6000);
    }
    world.log.flush();
    fs::remove_dir_all(root.path().join("session/spool")).expect("rm");
    // Nobody has noticed yet: the place has to be known without a look at the file.
    let mut reader = Reader::new(&world.log, From::Tail(1000));
    assert_eq!(reader.next(), world.log.first());
    assert!(reader.next() < world.log.next());
    reader.drain(&mut world);
    assert_eq!(reader.gaps.len(), 1);
}

#[test]
fn a_session_directory_deleted_underneath_is_trouble_told() {
    let (root, session) = scratch();
    let mut world = World::new(&session, small());
    fs::remove_dir_all(root.path()).expect("rm");
    for _ in 0..40 {
        world.output(60_000);
        world.log.flush();
    }
    assert!(world.log.status().disk_error.is_some());
    assert!(world.log.status().memory_bytes <= 1024 * 1024 + 65_000);
    let mut reader = Reader::new(&world.log, From::Start);
    reader.drain(&mut world);
    assert_eq!(reader.gaps[0].cause, GapCause::Storage);
}

#[test]
fn the_logs_of_a_user_together_keep_to_their_limit_and_each_keeps_something() {
    let root = tempfile::tempdir().expect("tempdir");
    let sessions = PrivateDirectory::open_or_create(root.path().join("all")).expect("create");
    let limit = 2 * 1024 * 1024;
    let mut worlds: Vec<World> = (0..6)
        .map(|n| {
            let session = sessions.create_dir(&format!("s{n}")).expect("create");
            let mut world = World::new(&session, policy(Buffering::Spool));
            let share = Share::new(sessions.try_clone().expect("clone"), limit);
            world.log = world.log.with_share(share);
            world
        })
        .collect();
    for world in &mut worlds {
        for _ in 0..400 {
            world.output(5000);
            world.log.flush();
        }
    }
    let kept: Vec<u64> = worlds
        .iter()
        .map(|world| world.log.status().disk_bytes)
        .collect();
    // Four segments are anybody's; the last of each is being written.
    let least = 4 * 64 * 1024;
    assert!(
        kept.iter().all(|&bytes| bytes >= least - 64 * 1024),
        "{kept:?}"
    );
    assert!(kept.iter().sum::<u64>() <= limit + 6 * least, "{kept:?}");
    for world in &mut worlds {
        assert_eq!(world.log.status().disk_error, None);
        let mut reader = Reader::new(&world.log, From::Start);
        reader.drain(world);
        assert!(reader.gaps.iter().all(|gap| gap.cause == GapCause::Quota));
    }
}
