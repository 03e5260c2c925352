//! A thousand sessions on one computer: making, listing and removing them; their memory; what
//! they cost while nothing happens, with a client attached to all of them and with none.
//!
//! `cargo build --release --workspace && OUTLAST_BIN_DIR=target/release cargo bench -p
//! outlast-tests --bench crowd`; `OUTLAST_BENCH_SESSIONS` is another number.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use outlast_tests::deadline::Deadline;
use outlast_tests::process::{self, Process, proportional_memory_kib};
use outlast_tests::usage::{context_switches, processor_time};
use outlast_tests::{ClientMachine, Sshd};
use rustix::process::Signal;

/// Sessions made at the same time.
const MAKERS: usize = 4;
/// Idle time that is looked at: a benchmark may wait for time.
const WATCHED: Duration = Duration::from_secs(60);
/// How long strace looks at some of them.
const TRACED: Duration = Duration::from_secs(20);
const ROUNDS: usize = 11;
/// More than all of them take together anywhere.
const LONG: Duration = Duration::from_secs(900);

fn main() {
    let count = std::env::var("OUTLAST_BENCH_SESSIONS").ok();
    let count = count.map_or(1000, |count| count.parse().expect("a number"));
    let sshd = Sshd::builder().bashrc("").start();
    let machine = ClientMachine::knowing("server", &sshd);
    machine.outlast(&["get", "server"]).success();
    make(&machine, count);

    let hosts = pids(&sshd.hosts());
    assert_eq!(hosts.len(), count);
    let shells: Vec<u32> = hosts
        .iter()
        .flat_map(|host| pids(&process::children_of(*host)))
        .collect();
    assert_eq!(shells.len(), count);
    println!("attached to all, {} connections:", sshd.connections().len());
    memory("  mux", &[machine.mux_pid()]);
    memory("  hosts", &hosts);
    let parties = [
        ("mux", vec![machine.mux_pid()]),
        ("hosts", hosts.clone()),
        ("shells", shells.clone()),
        ("sshd", pids(&sshd.connections())),
    ];
    watch(&parties);
    timed(
        "  outlast get server",
        &mut machine.command(&outlast(), &["get", "server"]),
    );

    let begin = Instant::now();
    let mut disconnect = machine.spawn(&["disconnect", "*"]);
    assert!(
        disconnect.end_by(Deadline::after(LONG)),
        "still disconnecting"
    );
    disconnect.wait().success();
    println!(
        "disconnected all in {:.2?}; attached to none:",
        begin.elapsed()
    );
    for relay in sshd.relays() {
        process::wait_gone(relay.pid);
    }
    memory("  hosts", &hosts);
    memory("  shells", &shells);
    memory("  mux", &[machine.mux_pid()]);
    let idle = [("hosts", hosts.clone()), ("shells", shells)];
    watch(&idle);
    trace(&hosts[..hosts.len().min(5)]);
    let ours = timed(
        "  outlast get server",
        &mut machine.command(&outlast(), &["get", "server"]),
    );
    let list = timed("  outlast get", &mut machine.command(&outlast(), &["get"]));
    if let Some(theirs) = tmux(count) {
        println!(
            "  ratios to tmux ls: get server {:.2}, get {:.2}",
            ours.as_secs_f64() / theirs.as_secs_f64(),
            list.as_secs_f64() / theirs.as_secs_f64()
        );
    }
    let begin = Instant::now();
    let mut remove = machine.spawn(&["remove", "*"]);
    assert!(remove.end_by(Deadline::after(LONG)), "still removing");
    remove.wait().success();
    println!("removed all in {:.2?}", begin.elapsed());
    sshd.wait_nothing_left();
    machine.outlast(&["mux", "stop"]).success();
}

/// Makes them, some at the same time, and says how long the first and the last hundred took.
fn make(machine: &ClientMachine, count: usize) {
    let next = AtomicUsize::new(0);
    let begin = Instant::now();
    let ends: Vec<Duration> = std::thread::scope(|scope| {
        let makers: Vec<_> = (0..MAKERS)
            .map(|_| {
                scope.spawn(|| {
                    let mut ends = Vec::new();
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= count {
                            return ends;
                        }
                        let name = format!("idle{number}");
                        machine.outlast(&["new", "server", "-n", &name]).success();
                        ends.push(begin.elapsed());
                    }
                })
            })
            .collect();
        let ends = makers
            .into_iter()
            .map(|maker| maker.join().expect("it made them"));
        ends.flatten().collect()
    });
    let mut ends = ends;
    ends.sort();
    let tenth = (count / 10).max(1);
    println!(
        "made {count} sessions, {MAKERS} at a time, in {:.2?}: the first {tenth} in {:.2?}, the \
         last {tenth} in {:.2?}",
        ends[count - 1],
        ends[tenth - 1],
        ends[count - 1] - ends[(count - tenth).saturating_sub(1)],
    );
}

fn outlast() -> std::path::PathBuf {
    outlast_tests::binaries::outlast()
}

fn pids(processes: &[Process]) -> Vec<u32> {
    processes.iter().map(|process| process.pid).collect()
}

fn memory(what: &str, pids: &[u32]) {
    let mut sizes: Vec<u64> = pids
        .iter()
        .filter_map(|pid| proportional_memory_kib(*pid))
        .collect();
    assert_eq!(sizes.len(), pids.len(), "some are gone");
    sizes.sort_unstable();
    let sum: u64 = sizes.iter().sum();
    println!(
        "{what}: proportional memory {sum} KiB, median {} KiB, largest {} KiB",
        sizes[sizes.len() / 2],
        sizes[sizes.len() - 1]
    );
}

/// Processor time and context switches of idle processes.
fn watch(parties: &[(&str, Vec<u32>)]) {
    let look = |pids: &[u32]| -> Vec<(u64, Duration)> {
        let look = |pid: &u32| Some((context_switches(*pid)?, processor_time(*pid)?));
        pids.iter()
            .map(|pid| look(pid).expect("it lives"))
            .collect()
    };
    // What attaching or detaching left to do is over by then.
    std::thread::sleep(Duration::from_secs(5));
    let before: Vec<_> = parties.iter().map(|(_, pids)| look(pids)).collect();
    std::thread::sleep(WATCHED);
    for ((what, pids), before) in parties.iter().zip(before) {
        let after = look(pids);
        let switches = after
            .iter()
            .zip(&before)
            .map(|(after, before)| after.0 - before.0);
        let time = after
            .iter()
            .zip(&before)
            .map(|(after, before)| after.1 - before.1);
        println!(
            "  {what} in {WATCHED:?}: {} context switches, {:.2?} of processor time, {} of {} \
             processes woken",
            switches.clone().sum::<u64>(),
            time.sum::<Duration>(),
            switches.filter(|count| *count > 0).count(),
            pids.len()
        );
    }
}

/// What some of them ask of the kernel.
fn trace(pids: &[u32]) {
    let mut strace = Command::new("strace");
    strace
        .arg("-f")
        .args(pids.iter().map(|pid| format!("-p{pid}")));
    let started = strace.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let Ok(mut strace) = started else {
        println!("  NOT TRACED: there is no strace here (Debian: apt-get install strace)");
        return;
    };
    std::thread::sleep(TRACED);
    process::send(strace.id(), Signal::INT);
    let mut text = String::new();
    let mut pipe = strace.stderr.take().expect("piped above");
    std::io::Read::read_to_string(&mut pipe, &mut text).expect("strace speaks ASCII");
    strace.wait().expect("it is ours");
    let attached = text
        .lines()
        .filter(|line| line.ends_with(" attached"))
        .count();
    assert!(
        attached >= pids.len(),
        "strace attached to {attached}: {text}"
    );
    // What it was in when we came is shown as unfinished: the one wait each of them is in.
    let calls = text.lines().filter(|line| {
        line.contains('(') && !line.ends_with("...>") && !line.ends_with(" detached")
    });
    let calls: Vec<&str> = calls.filter(|line| !line.ends_with(" attached")).collect();
    println!(
        "  strace of {} hosts for {TRACED:?}: {} calls",
        pids.len(),
        calls.len()
    );
    for call in calls.iter().take(10) {
        println!("    {call}");
    }
}

fn timed(what: &str, command: &mut Command) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let begin = Instant::now();
            let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
            assert!(status.expect("it starts").success());
            begin.elapsed()
        })
        .collect();
    times.sort();
    println!("{what}: median {:.2?} of {ROUNDS}", times[ROUNDS / 2]);
    times[ROUNDS / 2]
}

/// As many sessions of tmux, and its list.
fn tmux(count: usize) -> Option<Duration> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let socket = directory.path().join("socket");
    let tmux = |words: &[&str]| {
        let mut command = Command::new("tmux");
        command
            .arg("-S")
            .arg(&socket)
            .args(["-f", "/dev/null"])
            .args(words);
        command
    };
    if tmux(&["-V"]).output().is_err() {
        println!("  NOT COMPARED: there is no tmux here (Debian: apt-get install tmux)");
        return None;
    }
    let begin = Instant::now();
    for number in 0..count {
        let name = format!("idle{number}");
        let status = tmux(&["new-session", "-d", "-s", &name, "exec sleep 100000"]).status();
        assert!(status.expect("tmux starts").success());
    }
    println!("  tmux: made {count} sessions in {:.2?}", begin.elapsed());
    let took = timed("  tmux ls", &mut tmux(&["ls"]));
    let server = tmux(&["display-message", "-p", "#{pid}"])
        .output()
        .expect("tmux answers");
    let server = String::from_utf8_lossy(&server.stdout)
        .trim()
        .parse()
        .expect("a number");
    memory("  tmux server", &[server]);
    assert!(
        tmux(&["kill-server"])
            .status()
            .expect("tmux starts")
            .success()
    );
    Some(took)
}
