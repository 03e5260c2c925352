//! Naming a process so that a recycled number is not mistaken for it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};

/// Where the kernel shows processes.
pub const PROC: &str = "/proc";

/// A process number with its start time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// The number.
    pub pid: u32,
    /// Start time in clock ticks since boot, from `/proc/PID/stat`.
    pub started: u64,
}

impl ProcessId {
    /// The process with that number now.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        Process::read(Path::new(PROC), pid).map(|process| process.id)
    }

    /// Whether it still runs. One that is dead and was not waited for does not.
    #[must_use]
    pub fn is_running(self) -> bool {
        self.is_running_in(Path::new(PROC))
    }

    /// A descriptor of it, with which its number cannot be recycled any more.
    #[must_use]
    pub fn open(self) -> Option<OwnedFd> {
        let pid = Pid::from_raw(i32::try_from(self.pid).ok()?)?;
        let descriptor = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        self.is_running().then_some(descriptor)
    }

    /// Whether it runs and still does so after a while.
    #[must_use]
    pub fn outlives(self, time: Duration) -> bool {
        self.open()
            .is_some_and(|process| !ends_within(&process, time))
    }

    /// Whether it still runs, by what that directory shows.
    #[must_use]
    pub fn is_running_in(self, proc: &Path) -> bool {
        Process::read(proc, self.pid).is_some_and(|process| process.id == self)
    }
}

/// Waits for the end of a process, at most that long. Says whether it came.
#[must_use]
pub fn ends_within(process: &OwnedFd, time: Duration) -> bool {
    let until = std::time::Instant::now() + time;
    loop {
        let left = until.saturating_duration_since(std::time::Instant::now());
        let timeout = Timespec::try_from(left).ok();
        match poll(&mut [PollFd::new(process, PollFlags::IN)], timeout.as_ref()) {
            Ok(0) => return false,
            Ok(_) => return true,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

/// A process that is not dead, as `/proc` shows it at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Which.
    pub id: ProcessId,
    /// The kernel's short name of its program.
    pub name: String,
    /// Number of the leader of its session.
    pub session: u32,
}

impl Process {
    /// The process with that number.
    #[must_use]
    pub fn read(proc: &Path, pid: u32) -> Option<Self> {
        let stat = fs::read(proc.join(pid.to_string()).join("stat")).ok()?;
        Self::parse(pid, &stat)
    }

    /// The second field is the name in parentheses and may contain anything.
    fn parse(pid: u32, stat: &[u8]) -> Option<Self> {
        let start = stat.iter().position(|byte| *byte == b'(')?.checked_add(1)?;
        let end = stat.iter().rposition(|byte| *byte == b')')?;
        let name = String::from_utf8_lossy(stat.get(start..end)?).into_owned();
        let rest = std::str::from_utf8(stat.get(end.checked_add(1)?..)?).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        // A zombie, or one that is being waited for.
        if matches!(fields.next()?, "Z" | "X" | "x") {
            return None;
        }
        let session = fields.nth(2)?.parse().ok()?;
        let started = fields.nth(15)?.parse().ok()?;
        Some(Self {
            id: ProcessId { pid, started },
            name,
            session,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_itself_and_not_another_with_its_number() {
        let me = ProcessId::of(std::process::id()).unwrap();
        assert!(me.is_running());
        assert!(
            !ProcessId {
                started: me.started + 1,
                ..me
            }
            .is_running()
        );
    }

    #[test]
    fn a_name_with_parentheses_does_not_confuse_and_the_dead_do_not_run() {
        let rest = "5 7 3 0 -1 1 1 1 1 1 1 1 1 1 1 1 1 1 9876 1 1";
        let read = |state: &str| Process::parse(7, format!("7 (a) b) {state} {rest}").as_bytes());
        let process = read("S").unwrap();
        assert_eq!(process.name, "a) b");
        assert_eq!((process.session, process.id.started), (3, 9876));
        assert_eq!(read("Z"), None);
        assert_eq!(Process::parse(7, b"7 (a"), None);
    }

    #[test]
    fn a_dead_child_that_nobody_waits_for_does_not_run() {
        let mut child = std::process::Command::new("sleep")
            .arg("1000")
            .spawn()
            .unwrap();
        let id = ProcessId::of(child.id()).unwrap();
        assert!(id.is_running());
        child.kill().unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        let exited =
            rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
        rustix::process::waitid(rustix::process::WaitId::Pid(pid), exited).unwrap();
        assert!(!id.is_running(), "it is a zombie");
        child.wait().unwrap();
    }
}
