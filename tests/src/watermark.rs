//! How full a directory ever got.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify;
use rustix::io::Errno;

use crate::deadline::Deadline;

/// Looks at the sizes of the files in a directory each time one is written to, made or removed,
/// from a thread of its own, and keeps the highest sum.
pub struct Watermark {
    shared: Arc<Shared>,
    stop: Option<std::io::PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Seen>,
    rose: Condvar,
}

/// What was seen so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// The highest sum of the files' sizes.
    pub highest: u64,
    /// How often they were added up.
    pub samples: u64,
}

impl Watermark {
    /// Begins to watch; the directory must be there.
    pub fn of(directory: &Path) -> Self {
        let inotify = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)
            .expect("inotify");
        let events =
            inotify::WatchFlags::CREATE | inotify::WatchFlags::DELETE | inotify::WatchFlags::MODIFY;
        inotify::add_watch(&inotify, directory, events)
            .unwrap_or_else(|error| panic!("watching {}: {error}", directory.display()));
        let (stopped, stop) = std::io::pipe().expect("a pipe");
        let shared = Arc::<Shared>::default();
        let (directory, seen) = (directory.to_owned(), Arc::clone(&shared));
        let thread = std::thread::spawn(move || watch(&directory, &inotify, &stopped, &seen));
        Self {
            shared,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Waits until the files together have had so many bytes.
    #[track_caller]
    pub fn wait_reached(&self, bytes: u64) {
        let deadline = Deadline::usual();
        let mut seen = self.shared.lock();
        while seen.highest < bytes {
            assert!(
                !deadline.has_passed(),
                "not {bytes} bytes in time: {seen:?}"
            );
            let waited = self.shared.rose.wait_timeout(seen, deadline.remaining());
            seen = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Ends the watch.
    pub fn end(mut self) -> Seen {
        self.stop();
        *self.shared.lock()
    }

    fn stop(&mut self) {
        if let Some(mut stop) = self.stop.take() {
            let _ = stop.write_all(b".");
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Watermark {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, sum: u64) {
        let mut seen = self.lock();
        seen.samples += 1;
        if sum > seen.highest {
            seen.highest = sum;
            self.rose.notify_all();
        }
    }
}

fn watch(directory: &Path, inotify: &OwnedFd, stopped: &impl AsFd, shared: &Shared) {
    loop {
        if let Some(sum) = sum(directory) {
            shared.note(sum);
        }
        let mut fds = [
            PollFd::new(inotify, PollFlags::IN),
            PollFd::new(stopped, PollFlags::IN),
        ];
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => panic!("poll: {error}"),
        }
        if !fds[1].revents().is_empty() {
            return;
        }
        forget_events(inotify);
    }
}

/// The sum of the sizes. None if files came or went meanwhile: a file counted before it went and
/// its successor would make more than there ever was. Files only grow, so with the same names at
/// both ends so much there was at the end.
fn sum(directory: &Path) -> Option<u64> {
    let before = names(directory);
    let paths = before.iter().map(|name| directory.join(name));
    let sum = paths.map(|path: PathBuf| fs::metadata(path).map_or(0, |file| file.len()));
    let sum = sum.sum();
    (names(directory) == before).then_some(sum)
}

fn names(directory: &Path) -> BTreeSet<OsString> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).collect()
}

fn forget_events(inotify: &OwnedFd) {
    let mut buffer = [MaybeUninit::uninit(); 64 * 1024];
    let mut events = inotify::Reader::new(inotify, &mut buffer);
    loop {
        match events.next() {
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return,
            Err(error) => panic!("inotify: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_sum_is_kept_when_files_go() {
        let directory = tempfile::tempdir().unwrap();
        let watermark = Watermark::of(directory.path());
        for (name, size) in [("a", 1000), ("b", 500)] {
            fs::write(directory.path().join(name), vec![0; size]).unwrap();
        }
        watermark.wait_reached(1500);
        fs::remove_file(directory.path().join("a")).unwrap();
        fs::write(directory.path().join("b"), [0; 700]).unwrap();
        let seen = watermark.end();
        assert_eq!(seen.highest, 1500);
        assert!(seen.samples >= 2, "{seen:?}");
    }
}
