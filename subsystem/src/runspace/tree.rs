//! The processes below a shell, as /proc shows them at one moment.

use std::fs;
use std::io::Read as _;
use std::path::PathBuf;

use rustix::io::Errno;
use rustix::process::{Pid, Signal};

/// USER_HZ: how /proc counts, whatever the kernel's own tick is.
const TICKS: u64 = 100;

pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) parent: i32,
    pub(super) group: i32,
    session: i32,
    /// Clock ticks since boot.
    started: u64,
}

/// A process and no other that gets its number later.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pid: i32,
    started: u64,
}

impl Identity {
    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    pub(super) fn is_alive(&self) -> bool {
        let found = read(&self.pid.to_string());
        found.is_some_and(|it| it.identity() == *self)
    }
}

impl Process {
    pub(super) fn identity(&self) -> Identity {
        Identity {
            pid: self.pid,
            started: self.started,
        }
    }
}

/// When an invocation began, and what was there before it.
#[derive(Default)]
pub(super) struct Beginning {
    ticks: u64,
    older: Vec<i32>,
}

impl Beginning {
    /// Now. The ticks are coarse, so what the shell has started so far is listed too.
    pub(super) fn now(shell: u32) -> Self {
        Self {
            ticks: now(),
            older: i32::try_from(shell).map(children).unwrap_or_default(),
        }
    }

    pub(super) fn covers(&self, process: &Process) -> bool {
        // A later process may have the number of one that is long gone.
        let older = process.started == self.ticks && self.older.contains(&process.pid);
        process.started >= self.ticks && !older
    }
}

/// Signals everything below `shell`, but not the shell, that started since `beginning` and
/// whose parents did so too: background jobs of earlier invocations are left alone, with all
/// that they start. Says what was there.
pub(super) fn signal_since(shell: u32, beginning: &Beginning, signal: Signal) -> Vec<i32> {
    let Ok(shell) = i32::try_from(shell) else {
        return Vec::new();
    };
    signal_those(shell, signal, |process| beginning.covers(process))
}

/// The same of those in the shell's own group only.
pub(super) fn signal_beside_since(shell: i32, beginning: &Beginning, signal: Signal) {
    let ours = |process: &Process| process.group == shell && beginning.covers(process);
    signal_those(shell, signal, ours);
}

fn signal_those(shell: i32, signal: Signal, which: impl Fn(&Process) -> bool) -> Vec<i32> {
    let found = descendants(shell, &processes(), which);
    for process in &found {
        send(*process, signal);
    }
    found
}

/// What an invocation has left anywhere in the shell's session, though its parent may be gone.
pub(super) fn left_in_session(shell: i32, beginning: &Beginning) -> Vec<i32> {
    let processes = processes();
    let ours = |process: &Process| process.session == shell && process.pid != shell;
    let older = |pid: i32| {
        processes
            .iter()
            .find(|it| it.pid == pid && ours(it) && !beginning.covers(it))
    };
    let is_left = |process: &&Process| {
        let mut ancestors = std::iter::successors(Some(process.pid), |pid| {
            let process = processes.iter().find(|it| it.pid == *pid)?;
            (process.parent > 1 && process.parent != shell).then_some(process.parent)
        });
        ours(process) && beginning.covers(process) && !ancestors.any(|pid| older(pid).is_some())
    };
    processes.iter().filter(is_left).map(|it| it.pid).collect()
}

/// What runs below `shell` in its own group and was there before `beginning`: a child that an
/// earlier invocation left, of a shell that gives none a group of its own.
pub(super) fn older_beside(shell: i32, beginning: &Beginning) -> bool {
    let mut below = below(shell).into_iter();
    below.any(|it| it.group == shell && !beginning.covers(&it))
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
    for pid in descendants(shell, &processes, |_| true) {
        if !targets.contains(&pid) {
            targets.push(pid);
        }
    }
    for pid in &targets {
        send(*pid, signal);
    }
    !targets.is_empty()
}

/// What runs below a shell, in foreground and background, without the dead. Looking through
/// all of /proc takes tens of milliseconds where there are many processes.
pub(super) fn below(shell: i32) -> Vec<Process> {
    let mut found = Vec::new();
    let mut parents = vec![shell];
    while let Some(parent) = parents.pop() {
        for pid in children(parent) {
            found.extend(read(&pid.to_string()));
            parents.push(pid);
        }
    }
    found
}

/// The same, with what has lost its parent to a signal in the shell's own group: a process that
/// a command substitution forked, and whose end the shell waits for all the same.
pub(super) fn below_and_beside(shell: i32, beginning: &Beginning) -> Vec<Process> {
    let mut found = below(shell);
    let mut orphans = processes();
    orphans.retain(|it| {
        let beside = it.session == shell && it.group == shell && it.pid != shell;
        beside && beginning.covers(it) && !found.iter().any(|other| other.pid == it.pid)
    });
    found.append(&mut orphans);
    found
}

fn children(parent: i32) -> Vec<i32> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    let children = children.unwrap_or_default();
    let children = children.split_ascii_whitespace();
    children.filter_map(|pid| pid.parse().ok()).collect()
}

/// What an invocation left in the shell's own group, which no background job is in: command
/// substitutions, and what has lost its parent to a ^C that it was not hit by itself.
pub(super) fn left_beside(shell: i32, beginning: &Beginning) -> Vec<i32> {
    let mut left = below_and_beside(shell, beginning);
    left.retain(|it| it.group == shell && beginning.covers(it));
    left.iter().map(|it| it.pid).collect()
}

/// Kills what a shell at rest has forked and never let go on. A ^C right after the fork throws
/// bash out before it closes the pipe that its child, still a copy of it, waits on: for ever,
/// as the copy catches SIGINT, and often with the terminal. Were it let go on by the next job,
/// it would run the interrupted command as a part of that. Says whether there was any.
pub(super) fn kill_held(shell: i32) -> bool {
    let mut open = pipes(shell);
    open.sort_unstable();
    // Only of this pipe does the shell hold both ends.
    let both = open.windows(2).filter(|it| it.first() == it.last());
    let both: Vec<&PathBuf> = both.filter_map(|it| it.first()).collect();
    let mut any = false;
    if !both.is_empty() {
        for pid in children(shell) {
            if pipes(pid).iter().any(|pipe| both.contains(&pipe)) {
                any |= send(pid, Signal::KILL);
            }
        }
    }
    any
}

/// The pipes that a process has open, each as often as it has.
fn pipes(pid: i32) -> Vec<PathBuf> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd"));
    let links = entries.into_iter().flatten().flatten();
    links
        .filter_map(|it| fs::read_link(it.path()).ok())
        .filter(|path| path.as_os_str().as_encoded_bytes().starts_with(b"pipe:"))
        .collect()
}

/// What is left of `roots` and everything below them.
pub(super) fn still_there(roots: &[i32]) -> Vec<i32> {
    let processes = processes();
    let mut found: Vec<i32> = roots.to_vec();
    found.retain(|pid| processes.iter().any(|process| process.pid == *pid));
    for root in found.clone() {
        found.extend(descendants(root, &processes, |_| true));
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// What a process does about a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disposition {
    Default,
    Caught,
    Ignored,
}

pub(super) fn disposition(pid: i32, signal: Signal) -> Option<Disposition> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let has = |field: &str| mask(&status, field, signal);
    Some(match (has("SigIgn:")?, has("SigCgt:")?) {
        (true, _) => Disposition::Ignored,
        (_, true) => Disposition::Caught,
        _ => Disposition::Default,
    })
}

/// Whether a process has a signal wait.
pub(super) fn blocks(pid: i32, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status"));
    status.is_ok_and(|status| mask(&status, "SigBlk:", signal) == Some(true))
}

/// Whether a copy of bash is caught in its handler for SIGINT. Before it waits for a program, a copy
/// without job control (a subshell, a command substitution) installs `wait_sigint_handler` and then
/// notes which handler was there before (`wait_for` in jobs.c of 5.2). On a SIGINT in between the
/// handler finds no note, leaves itself installed, and sends itself the same signal again, without
/// end. What it would have waited for is dead, and it can never know.
pub(super) fn is_caught(pid: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status"));
    status.is_ok_and(|status| is_caught_by(&status))
}

fn is_caught_by(status: &str) -> bool {
    let has = |field: &str, signal: Signal| mask(status, field, signal) == Some(true);
    let runs = status
        .lines()
        .filter_map(|line| line.strip_prefix("State:"))
        .any(|state| state.trim_start().starts_with('R'));
    // Between one time and the next it is not blocked, but there already.
    let comes = has("SigBlk:", Signal::INT) || has("ShdPnd:", Signal::INT);
    runs && comes
        && has("SigCgt:", Signal::INT)
        && has("SigBlk:", Signal::CHILD)
        && has("ShdPnd:", Signal::CHILD)
}

/// Whether a signal is in one of the masks of /proc.
fn mask(status: &str, field: &str, signal: Signal) -> Option<bool> {
    let bit = u32::try_from(signal.as_raw()).ok()?.checked_sub(1)?;
    let mask = status.lines().find_map(|line| line.strip_prefix(field))?;
    let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
    Some(mask.checked_shr(bit)? & 1 == 1)
}

/// The program that a process runs.
pub(super) fn image(pid: i32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/exe")).ok()
}

/// Whether a process waits for something.
pub(super) fn sleeps(pid: i32) -> bool {
    let stat = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    let end = stat.iter().rposition(|byte| *byte == b')');
    end.is_some_and(|end| stat.get(end..).is_some_and(|it| it.starts_with(b") S")))
}

/// Whether a process sleeps, with its standard streams on a terminal.
pub(super) fn waits_at_terminal(pid: i32) -> bool {
    sleeps(pid)
        && (0..=2).all(|number| {
            fs::read_link(format!("/proc/{pid}/fd/{number}"))
                .is_ok_and(|path| path.starts_with("/dev/pts"))
        })
}

/// Whether a process belongs to the session of `shell`.
pub(super) fn is_of(pid: u32, shell: u32) -> bool {
    let session = read(&pid.to_string()).map(|it| it.session);
    session.is_some_and(|it| u32::try_from(it) == Ok(shell))
}

/// Clock ticks since boot, now, as /proc counts them.
fn now() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let whole = u64::try_from(now.tv_sec)
        .unwrap_or_default()
        .saturating_mul(TICKS);
    let part = u64::try_from(now.tv_nsec)
        .unwrap_or_default()
        .saturating_mul(TICKS);
    whole.saturating_add(part / 1_000_000_000)
}

fn descendants(root: i32, processes: &[Process], which: impl Fn(&Process) -> bool) -> Vec<i32> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        next += 1;
        let children = processes
            .iter()
            .filter(|process| process.parent == parent && which(process))
            .map(|process| process.pid);
        found.extend(children);
    }
    found.remove(0);
    found
}

/// Signals one process, if we may.
pub(super) fn send(pid: i32, signal: Signal) -> bool {
    Pid::from_raw(pid).is_some_and(|pid| rustix::process::kill_process(pid, signal).is_ok())
}

/// Signals a process group.
pub(super) fn send_group(group: i32, signal: Signal) {
    if let Some(group) = Pid::from_raw(group) {
        let _ = rustix::process::kill_process_group(group, signal);
    }
}

/// Whether we may signal a process; one that is gone does not count.
pub(super) fn is_ours(pid: i32) -> bool {
    Pid::from_raw(pid)
        .is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(Errno::PERM))
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
    // By one call, where `fs::read` makes six: there may be thousands of processes. What is asked
    // for stands at the beginning.
    let mut stat = [0; 1024];
    let mut file = fs::File::open(format!("/proc/{name}/stat")).ok()?;
    let count = file.read(&mut stat).ok()?;
    parse(pid, stat.get(..count)?)
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
    let group = fields.next()?.parse().ok()?;
    let session = fields.next()?.parse().ok()?;
    let started = fields.nth(15)?.parse().ok()?;
    Some(Process {
        pid,
        parent,
        group,
        session,
        started,
    })
}

/// What a process calls itself.
pub(super) fn name(pid: i32) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::{is_caught_by, parse};

    #[test]
    fn a_copy_that_signals_itself_without_end_is_known_by_its_masks() {
        let status = |state: &str, pending: &str, blocked: &str, caught: &str| {
            format!(
                "Name:\tbash\nState:\t{state}\nShdPnd:\t{pending}\nSigBlk:\t{blocked}\nSigCgt:\t{caught}\n"
            )
        };
        let (child, both, int, caught) = (
            "0000000000010000",
            "0000000000010002",
            "0000000000000002",
            "000000004b813efb",
        );
        assert!(is_caught_by(&status("R (running)", child, both, caught)));
        assert!(is_caught_by(&status("R (running)", both, child, caught)));
        for other in [
            status("S (sleeping)", child, both, caught),
            status("R (running)", int, both, caught),
            status("R (running)", child, int, caught),
            status("R (running)", child, child, caught),
            status("R (running)", child, both, "0000000000010000"),
            String::new(),
        ] {
            assert!(!is_caught_by(&other), "{other}");
        }
    }

    #[test]
    fn a_program_name_with_parentheses_does_not_confuse() {
        let stat = b"7 (a) b) S 5 7 3 0 -1 1 1 1 1 1 1 1 1 1 1 1 1 1 9876 1 1";
        let process = parse(7, stat).unwrap();
        assert_eq!(
            (
                process.parent,
                process.group,
                process.session,
                process.started
            ),
            (5, 7, 3, 9876)
        );
    }
}
