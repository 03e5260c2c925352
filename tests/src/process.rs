//! What `/proc` says about processes: who mentions a directory, who descends from whom, who has gone.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::deadline::Deadline;

/// A process as it was when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    pub pid: u32,
    pub command: String,
}

/// Every process of this machine that can be looked into.
pub fn all() -> Vec<Process> {
    let mut processes = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc is mounted").flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        processes.push(Process {
            pid,
            command: command_of(pid),
        });
    }
    processes
}

/// Processes whose environment has exactly `NAME=value`.
pub fn with_environment(name: &str, value: &Path) -> Vec<Process> {
    let wanted = format!("{name}={}", value.display());
    filtered(|pid| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|pair| pair == wanted.as_bytes())
    })
}

/// Processes that have to do with a directory: by command line, environment, working directory
/// or an open file. The test itself is not among them.
pub fn mentioning(directory: &Path) -> Vec<Process> {
    let wanted = directory.to_str().expect("temporary paths are ASCII");
    filtered(|pid| {
        let contains = |file: &str| {
            let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            String::from_utf8_lossy(&bytes).contains(wanted)
        };
        contains("cmdline") || contains("environ") || links(pid).any(|link| link.contains(wanted))
    })
}

/// The children of `pid`. As the kernel lists them: where thousands of processes are, looking at
/// the parent of each takes too long.
pub fn children_of(pid: u32) -> Vec<Process> {
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    let lists = threads.into_iter().flatten().flatten().map(|thread| {
        let children = thread.path().join("children");
        fs::read_to_string(children).unwrap_or_default()
    });
    let pids: Vec<u32> = lists
        .flat_map(|list| {
            let pids = list.split_whitespace().map(str::parse);
            pids.flatten().collect::<Vec<u32>>()
        })
        .filter(|pid| is_alive(*pid))
        .collect();
    pids.into_iter()
        .map(|pid| Process {
            pid,
            command: command_of(pid),
        })
        .collect()
}

/// The children of `pid`, their children, and so on.
pub fn descendants_of(pid: u32) -> Vec<Process> {
    let mut found = Vec::new();
    let mut unvisited = children_of(pid);
    while let Some(process) = unvisited.pop() {
        unvisited.extend(children_of(process.pid));
        found.push(process);
    }
    found
}

/// Processes whose executable file has this name.
pub fn running(executable: &Path) -> Vec<Process> {
    filtered(|pid| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == executable))
}

/// The listening and connected Unix sockets bound below a directory.
pub fn unix_sockets_below(directory: &Path) -> Vec<String> {
    let wanted = directory.to_str().expect("temporary paths are ASCII");
    let table = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let paths = table
        .lines()
        .filter_map(|line| line.split_whitespace().nth(7));
    let found: BTreeSet<&str> = paths.filter(|path| path.starts_with(wanted)).collect();
    found.into_iter().map(str::to_owned).collect()
}

/// Resident memory that belongs to the process alone and its share of the rest, in KiB.
pub fn proportional_memory_kib(pid: u32) -> Option<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

/// `true` while the process exists and is no zombie.
pub fn is_alive(pid: u32) -> bool {
    state_of(pid).is_some_and(|state| state != 'Z' && state != 'X')
}

/// Waits for the end of any process of ours, child or not.
pub fn wait_gone(pid: u32) {
    let pidfd = match pidfd_open(raw(pid), PidfdFlags::empty()) {
        Ok(pidfd) => pidfd,
        Err(Errno::SRCH) => return,
        Err(error) => panic!("pidfd_open({pid}): {error}"),
    };
    assert!(
        Deadline::usual().poll(pidfd, PollFlags::IN),
        "process {pid} ({}) has not ended in time",
        command_of(pid)
    );
}

pub fn kill9(pid: u32) {
    send(pid, Signal::KILL);
}

/// A process that has gone in the meantime is no error: that is what races are like.
pub fn send(pid: u32, signal: Signal) {
    match kill_process(raw(pid), signal) {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(error) => panic!("{signal:?} to {pid} ({}): {error}", command_of(pid)),
    }
}

fn filtered(wanted: impl Fn(u32) -> bool) -> Vec<Process> {
    let own = std::process::id();
    let mut processes = all();
    processes.retain(|process| process.pid != own && is_alive(process.pid) && wanted(process.pid));
    processes
}

fn links(pid: u32) -> impl Iterator<Item = String> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten();
    let paths = descriptors.map(|entry| entry.path());
    let cwd = Path::new("/proc").join(pid.to_string()).join("cwd");
    paths
        .chain([cwd])
        .filter_map(|path| fs::read_link(path).ok()?.to_str().map(str::to_owned))
}

/// The kernel's short name, which no process title hides.
pub fn name_of(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm"))
        .unwrap_or_default()
        .trim_end()
        .to_owned()
}

fn command_of(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<_> = bytes
        .split(|byte| *byte == 0)
        .map(String::from_utf8_lossy)
        .collect();
    words.join(" ").trim_end().to_owned()
}

fn state_of(pid: u32) -> Option<char> {
    after_name(pid)?.chars().next()
}

/// `/proc/PID/stat` from the state on: the name before it may hold spaces and parentheses.
fn after_name(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit_once(") ")?.1.to_owned())
}

fn raw(pid: u32) -> Pid {
    Pid::from_raw(pid.cast_signed()).expect("no process has the id 0")
}
