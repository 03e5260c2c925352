//! Waiting for a file to appear or to go, by inotify.

use std::mem::MaybeUninit;
use std::path::Path;

use rustix::event::PollFlags;
use rustix::fs::inotify;
use rustix::io::Errno;

use crate::deadline::Deadline;

/// Returns once `path` exists. Its directory must exist already.
pub fn wait_for_file(path: &Path) {
    wait_until(path, "appear", || path.symlink_metadata().is_ok());
}

/// Returns once `path` is gone. Its directory must stay.
pub fn wait_for_removal(path: &Path) {
    wait_until(path, "disappear", || path.symlink_metadata().is_err());
}

fn wait_until(path: &Path, what: &str, holds: impl Fn() -> bool) {
    let directory = path.parent().expect("an absolute path");
    let inotify = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)
        .expect("inotify");
    let events = inotify::WatchFlags::CREATE
        | inotify::WatchFlags::DELETE
        | inotify::WatchFlags::MOVED_TO
        | inotify::WatchFlags::MOVED_FROM;
    inotify::add_watch(&inotify, directory, events)
        .unwrap_or_else(|error| panic!("watching {}: {error}", directory.display()));
    let deadline = Deadline::usual();
    // The watch is there before the first look, so no change can fall between the two.
    while !holds() {
        assert!(
            deadline.poll(&inotify, PollFlags::IN),
            "{} did not {what} in time",
            path.display()
        );
        drain(&inotify);
    }
}

fn drain(inotify: &rustix::fd::OwnedFd) {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(inotify, &mut buffer);
    loop {
        match events.next() {
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return,
            Err(error) => panic!("inotify: {error}"),
        }
    }
}
