//! Naming a process so that a recycled number is not mistaken for it.

use std::fs;

use serde::{Deserialize, Serialize};

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
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the command in parentheses and may contain anything.
        let after = stat.rsplit_once(')')?.1;
        let started = after.split_ascii_whitespace().nth(19)?.parse().ok()?;
        Some(Self { pid, started })
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_running(self) -> bool {
        Self::of(self.pid) == Some(self)
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
}
