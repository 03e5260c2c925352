//! Listening, connecting, starting and locking between threads that stand for processes.
#![allow(clippy::expect_used)]

use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};

use outlast_rendezvous::listener::{BindError, bind};
use outlast_rendezvous::start::{ConnectError, connect, connect_or_start};
use outlast_rendezvous::{Lock, PrivateDirectory};
use tempfile::TempDir;

fn scratch() -> (TempDir, PrivateDirectory) {
    let root = tempfile::tempdir().expect("tempdir");
    let directory = PrivateDirectory::open_or_create(root.path().join("run")).expect("create");
    (root, directory)
}

fn exchange(listener: &UnixListener, directory: &PrivateDirectory, name: &str) {
    let mut client = connect(directory, name).expect("connect");
    let (mut server, _) = listener.accept().expect("accept");
    client.write_all(b"x").expect("write");
    server.read_exact(&mut [0]).expect("read");
}

#[test]
fn a_socket_is_private_and_alone_in_its_directory() {
    let (_root, directory) = scratch();
    let listener = bind(&directory, "sock").expect("bind");
    let meta = fs::metadata(directory.path().join("sock")).expect("stat");
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    assert_eq!(directory.names().expect("list"), ["sock"]);
    exchange(&listener, &directory, "sock");
}

#[test]
fn a_path_longer_than_an_address_is_no_obstacle() {
    let (root, _) = scratch();
    let deep = root.path().join("d".repeat(100)).join("e".repeat(200));
    let directory = PrivateDirectory::open_or_create(deep).expect("create");
    let listener = bind(&directory, "sock").expect("bind");
    exchange(&listener, &directory, "sock");
    assert!(bind(&directory, &"n".repeat(200)).is_err());
}

#[test]
fn a_live_socket_is_left_alone() {
    let (_root, directory) = scratch();
    let listener = bind(&directory, "sock").expect("bind");
    assert!(matches!(
        bind(&directory, "sock"),
        Err(BindError::Occupied(_))
    ));
    let (_probe, _) = listener.accept().expect("the second one's question");
    exchange(&listener, &directory, "sock");
}

#[test]
fn a_stale_socket_is_replaced() {
    let (_root, directory) = scratch();
    drop(bind(&directory, "sock").expect("bind"));
    assert!(matches!(
        connect(&directory, "sock"),
        Err(ConnectError::Absent(_))
    ));
    let listener = bind(&directory, "sock").expect("bind again");
    exchange(&listener, &directory, "sock");
}

#[test]
fn a_file_under_the_sockets_name_is_kept() {
    let (_root, directory) = scratch();
    directory.atomic_write("sock", b"mine").expect("write");
    assert!(matches!(
        bind(&directory, "sock"),
        Err(BindError::InTheWay(_))
    ));
    assert_eq!(directory.read("sock", 9).expect("read"), b"mine");
}

#[test]
fn of_many_binding_over_a_stale_socket_one_wins() {
    let (_root, directory) = scratch();
    for _ in 0..20 {
        let barrier = Barrier::new(4);
        let winners: Vec<UnixListener> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        match bind(&directory, "sock") {
                            Ok(listener) => Some(listener),
                            Err(BindError::Occupied(_)) => None,
                            Err(error) => panic!("{error}"),
                        }
                    })
                })
                .collect();
            let joined = threads.into_iter().map(|thread| thread.join());
            joined.filter_map(|winner| winner.expect("join")).collect()
        });
        assert_eq!(winners.len(), 1);
        connect(&directory, "sock").expect("the winner is reachable");
    }
}

#[test]
fn of_two_starters_one_starts_and_both_connect() {
    let (_root, directory) = scratch();
    let starts = AtomicUsize::new(0);
    let listener = Mutex::new(None);
    let barrier = Barrier::new(2);
    let run = || {
        barrier.wait();
        connect_or_start(&directory, "sock", "start.lock", || {
            starts.fetch_add(1, Ordering::SeqCst);
            *listener.lock().expect("mutex") = Some(bind(&directory, "sock")?);
            Ok(())
        })
        .expect("connect")
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(run);
        run();
        other.join().expect("join");
    });
    assert_eq!(starts.load(Ordering::SeqCst), 1);
}

#[test]
fn a_failed_start_is_told_with_its_reason() {
    let (_root, directory) = scratch();
    let error = connect_or_start(&directory, "sock", "start.lock", || {
        Err(std::io::Error::other("no such program"))
    })
    .expect_err("cannot start");
    assert!(error.to_string().ends_with("no such program"), "{error}");
    assert!(!Lock::is_held(&directory, "start.lock").expect("ask"));
}

#[test]
fn a_lock_has_one_holder_and_ends_with_its_last_descriptor() {
    let (_root, directory) = scratch();
    assert!(!Lock::is_held(&directory, "lock").expect("ask"));
    let lock = Lock::try_acquire(&directory, "lock").expect("try");
    let lock = lock.expect("free");
    assert!(
        Lock::try_acquire(&directory, "lock")
            .expect("try")
            .is_none()
    );
    assert!(Lock::is_held(&directory, "lock").expect("ask"));
    let fd = OwnedFd::from(lock);
    let inherited = Lock::from_inherited(fd.try_clone().expect("dup"));
    drop(fd);
    assert!(Lock::is_held(&directory, "lock").expect("ask"));
    drop(inherited);
    assert!(!Lock::is_held(&directory, "lock").expect("ask"));
}

#[test]
fn looking_at_a_lock_does_not_stop_who_takes_it() {
    let (_root, directory) = scratch();
    let done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while done.load(Ordering::SeqCst) == 0 {
                Lock::is_held(&directory, "lock").expect("ask");
            }
        });
        for _ in 0..500 {
            let lock = Lock::try_acquire(&directory, "lock").expect("try");
            assert!(lock.is_some());
        }
        done.store(1, Ordering::SeqCst);
    });
}

#[test]
fn a_waiter_gets_the_lock_when_it_is_let_go() {
    let (_root, directory) = scratch();
    let lock = Lock::acquire(&directory, "lock").expect("acquire");
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| Lock::acquire(&directory, "lock").map(|_| ()));
        directory
            .remove_file("lock")
            .expect("its owner removes the file");
        drop(lock);
        waiter.join().expect("join").expect("acquire");
    });
}
