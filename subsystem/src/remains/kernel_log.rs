//! What the kernel says in its own log of the processes it killed for want of memory.

use std::time::Duration;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use crate::registry::ProcessId;

const LOG: &str = "/dev/kmsg";
/// More records than the kernel keeps.
const MOST: usize = 100_000;
/// Longest record the kernel gives.
const RECORD: usize = 8192;
/// Clock ticks of a second in /proc, and microseconds of a tick.
const TICK_MICROS: u64 = 10_000;

/// The log as far as we may read it: one line a record, `priority,number,microseconds,…;text`.
pub(super) fn read() -> String {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(log) = open(LOG, flags, Mode::empty()) else {
        return String::new();
    };
    let mut text = String::new();
    let mut record = vec![0; RECORD];
    for _ in 0..MOST {
        match rustix::io::read(&log, &mut record) {
            Ok(0) => break,
            Ok(count) => {
                let record = record.get(..count).unwrap_or_default();
                text.push_str(&String::from_utf8_lossy(record));
            }
            // Overwritten while we read, or interrupted.
            Err(Errno::PIPE | Errno::INTR) => {}
            Err(_) => break,
        }
    }
    text
}

/// How long the computer has slept since it was started: the log's clock stood still meanwhile,
/// the one of process start times did not.
pub(super) fn slept() -> Duration {
    let time = |clock| {
        let now = clock_gettime(clock);
        Duration::new(
            u64::try_from(now.tv_sec).unwrap_or_default(),
            u32::try_from(now.tv_nsec).unwrap_or_default(),
        )
    };
    time(ClockId::Boottime).saturating_sub(time(ClockId::Monotonic))
}

/// Whether the log says that the kernel killed this very process of this program.
pub(super) fn killed(log: &str, slept: Duration, process: ProcessId, program: &str) -> bool {
    let phrase = format!("Killed process {} (", process.pid);
    log.lines().any(|line| {
        let Some((prefix, text)) = line.split_once(';') else {
            return false;
        };
        let Some((_, rest)) = text.split_once(&phrase) else {
            return false;
        };
        let micros = prefix.split(',').nth(2).and_then(|it| it.parse().ok());
        rest.split(')').next() == Some(program)
            && micros.is_some_and(|micros: u64| is_after(micros, slept, process))
    })
}

/// Whether that moment of the log can lie after the start of the process: a number is used again.
fn is_after(micros: u64, slept: Duration, process: ProcessId) -> bool {
    // The log's clock is not corrected by the network's and runs a little off.
    let slack = (micros / 1000).saturating_add(1_000_000);
    let slept = u64::try_from(slept.as_micros()).unwrap_or(u64::MAX);
    let latest = micros.saturating_add(slept).saturating_add(slack);
    latest >= process.started.saturating_mul(TICK_MICROS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: ProcessId = ProcessId {
        pid: 4711,
        started: 500_000,
    };
    const PROGRAM: &str = "outlast-subsyst";

    fn at(seconds: u64, text: &str) -> bool {
        let log = format!("6,1,100,-;booted\n3,900,{seconds}000000,-;{text}\n SUBSYSTEM=x\n");
        killed(&log, Duration::ZERO, HOST, PROGRAM)
    }

    #[test]
    fn both_of_the_kernels_sentences_are_understood() {
        let rest = "(outlast-subsyst) total-vm:104kB, anon-rss:1kB, UID:0 oom_score_adj:0";
        assert!(at(
            5001,
            &format!("Out of memory: Killed process 4711 {rest}")
        ));
        let group = "Memory cgroup out of memory: Killed process 4711";
        assert!(at(5001, &format!("{group} {rest}")));
    }

    #[test]
    fn another_process_with_the_number_is_another_process() {
        let sentence = "Out of memory: Killed process 4711 (outlast-subsyst) total-vm:104kB";
        assert!(!at(3000, sentence), "before this one was started");
        assert!(!at(5001, &sentence.replace("outlast-subsyst", "cc1plus")));
        assert!(!at(5001, &sentence.replace("4711", "14711")));
        assert!(!at(5001, &sentence.replace("4711", "471")));
    }

    #[test]
    fn a_sleep_of_the_computer_is_taken_into_account() {
        let log = "3,9,3000000000,-;Out of memory: Killed process 4711 (outlast-subsyst) x\n";
        let slept = Duration::from_secs(2500);
        assert!(killed(log, slept, HOST, PROGRAM));
        assert!(!killed(log, Duration::ZERO, HOST, PROGRAM));
    }
}
