//! Many sessions on one computer: what they cost while nothing happens in them, and listing them
//! while some of their hosts are stopped. `benches/crowd.rs` does it with a thousand.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use outlast_tests::usage::{context_switches, peak_memory_kib};
use outlast_tests::{Sshd, process};
use rustix::process::Signal;

use crate::stage::{Stage, run};

const CROWD: usize = 20;

/// Sessions that nobody is attached to.
fn crowd() -> Stage {
    let stage = Stage::before(Sshd::builder().bashrc("").start());
    let names: Vec<String> = (0..CROWD).map(|number| format!("idle{number}")).collect();
    let made: Vec<_> = names
        .iter()
        .map(|name| stage.machine.spawn(&["new", "server", "-n", name]))
        .collect();
    for new in made {
        new.wait().no_panic().success();
    }
    run(&stage.machine, &["disconnect", "*"]).success();
    for relay in stage.sshd.relays() {
        process::wait_gone(relay.pid);
    }
    stage
}

/// The states of all sessions, as the computer itself tells them.
#[track_caller]
fn states(stage: &Stage) -> BTreeMap<String, usize> {
    let output = run(&stage.machine, &["get", "server", "--output", "json"]);
    let mut states = BTreeMap::new();
    for session in output.success().json().as_array().unwrap() {
        let state = session["state"].as_str().unwrap().to_owned();
        *states.entry(state).or_default() += 1;
    }
    states
}

fn all_of(state: &str) -> BTreeMap<String, usize> {
    BTreeMap::from([(state.to_owned(), CROWD)])
}

/// An idle session is asleep: neither its host nor its shell is put on a processor even once
/// while a job of some seconds runs in another session.
#[test]
fn idle_sessions_are_not_woken() {
    let stage = crowd();
    let hosts = stage.sshd.hosts();
    assert_eq!(hosts.len(), CROWD);
    let mut sleepers: Vec<u32> = hosts.iter().map(|host| host.pid).collect();
    for host in &hosts {
        let shells = process::children_of(host.pid);
        assert_eq!(shells.len(), 1, "{shells:?}");
        sleepers.push(shells[0].pid);
        assert!(peak_memory_kib(host.pid) < 16 * 1024);
    }
    stage.new_session("other");
    let counts = || {
        let count = |pid: &u32| context_switches(*pid).expect("it lives");
        sleepers.iter().map(count).collect::<Vec<u64>>()
    };
    let job = || {
        run(&stage.machine, &["invoke", "-n", "-s", "other", "sleep 3"]).success();
        counts()
    };
    // What the disconnecting left to do is done by the end of the first job.
    let before = job();
    assert_eq!(job(), before, "woken, hosts first and then their shells");
    stage.strike(Vec::new());
}

/// F57: a host that hangs is told apart and costs the list one deadline, however many there are.
#[test]
fn stopped_hosts_delay_the_list_by_one_deadline() {
    let stage = crowd();
    assert_eq!(states(&stage), all_of("Disconnected"));
    let hosts = stage.sshd.hosts();
    process::send(hosts[0].pid, Signal::STOP);
    let output = run(&stage.machine, &["get", "server"]);
    output.success();
    let lines = output.stdout_text();
    let count = |word: &str| lines.lines().filter(|line| line.contains(word)).count();
    assert_eq!(count("Disconnected"), CROWD - 1, "{output}");
    assert_eq!(count("Broken"), 1, "{output}");
    for host in &hosts {
        process::send(host.pid, Signal::STOP);
    }
    let begin = Instant::now();
    assert_eq!(states(&stage), all_of("Broken"));
    // One after the other they would take their number in seconds.
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(CROWD as u64 / 2), "{took:?}");
    // A process that was only stopped was never lost.
    for host in &hosts {
        process::send(host.pid, Signal::CONT);
    }
    assert_eq!(states(&stage), all_of("Disconnected"));
    stage.strike(Vec::new());
}
