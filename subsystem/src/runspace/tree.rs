//! The processes below a shell, as /proc shows them at one moment.

use std::fs;

use rustix::process::{Pid, Signal};

/// USER_HZ: how /proc counts, whatever the kernel's own tick is.
const TICKS: u64 = 100;

struct Process {
    pid: i32,
    parent: i32,
    session: i32,
    /// Clock ticks since boot.
    started: u64,
}

/// Signals everything below `shell`, but not the shell, that started at `since` or later and
/// whose parents did so too: background jobs of earlier invocations are left alone, with all
/// that they start.
pub(super) fn signal_since(shell: u32, since: u64, signal: Signal) {
    let Ok(shell) = i32::try_from(shell) else {
        return;
    };
    let processes = processes();
    for process in descendants(shell, &processes, since) {
        send(process, signal);
    }
}

/// Signals the shell, everything below it, and everything that is left of its session. Says
/// whether anything was there.
pub(super) fn signal_session(shell: u32, signal: Signal) -> bool {
    let Ok(shell) = i32::try_from(shell) else {
        return false;
    };
    let processes = processes();
    let mut targets: Vec<i32> = processes
        .iter()
        .filter(|process| process.session == shell)
        .map(|it| it.pid)
        .collect();
    for pid in descendants(shell, &processes, 0) {
        if !targets.contains(&pid) {
            targets.push(pid);
        }
    }
    for pid in &targets {
        send(*pid, signal);
    }
    !targets.is_empty()
}

/// Clock ticks since boot, now, as /proc counts them.
pub(super) fn now() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let whole = u64::try_from(now.tv_sec)
        .unwrap_or_default()
        .saturating_mul(TICKS);
    let part = u64::try_from(now.tv_nsec)
        .unwrap_or_default()
        .saturating_mul(TICKS);
    whole.saturating_add(part / 1_000_000_000)
}

fn descendants(root: i32, processes: &[Process], since: u64) -> Vec<i32> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        next += 1;
        let children = processes
            .iter()
            .filter(|process| process.parent == parent && process.started >= since)
            .map(|process| process.pid);
        found.extend(children);
    }
    found.remove(0);
    found
}

fn send(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

fn processes() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| read(entry.ok()?.file_name().to_str()?))
        .collect()
}

fn read(name: &str) -> Option<Process> {
    let pid = name.parse().ok()?;
    let stat = fs::read(format!("/proc/{name}/stat")).ok()?;
    parse(pid, &stat)
}

/// The second field is the program's name in parentheses and may contain anything.
fn parse(pid: i32, stat: &[u8]) -> Option<Process> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = core::str::from_utf8(stat.get(end.checked_add(1)?..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    if state == "Z" || state == "X" {
        return None;
    }
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    let started = fields.nth(15)?.parse().ok()?;
    Some(Process {
        pid,
        parent,
        session,
        started,
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_program_name_with_parentheses_does_not_confuse() {
        let stat = b"7 (a) b) S 5 7 3 0 -1 1 1 1 1 1 1 1 1 1 1 1 1 1 9876 1 1";
        let process = parse(7, stat).unwrap();
        assert_eq!(
            (process.parent, process.session, process.started),
            (5, 3, 9876)
        );
    }
}
