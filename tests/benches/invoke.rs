//! `outlast invoke -s S true` in an open session beside `ssh HOST true` over a warm
//! ControlMaster, whole processes, in turn, against one sshd; and the memory of an idle host.
//!
//! `cargo build --release --workspace && OUTLAST_BIN_DIR=target/release cargo bench -p
//! outlast-tests --bench invoke`
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]

use std::time::{Duration, Instant};

use outlast_tests::{ClientMachine, Sshd};

const ROUNDS: usize = 200;

fn main() {
    // No rc file: ssh starts a shell that reads it each time, a session read it once.
    let sshd = Sshd::builder().bashrc("").start();
    let machine = ClientMachine::knowing("server", &sshd);
    machine.outlast(&["new", "server", "-n", "S"]).success();
    let control = machine.home().join("control");
    let control = format!("ControlPath={}", control.display());
    let master = machine
        .ssh(&["-o", &control, "-MNf", "server"])
        .status()
        .expect("ssh starts");
    assert!(master.success(), "the ControlMaster did not start");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(timed(|| {
            machine
                .outlast(&["invoke", "-n", "-s", "S", "true"])
                .success();
        }));
        theirs.push(timed(|| {
            let status = machine
                .ssh(&["-n", "-o", &control, "server", "true"])
                .status();
            assert!(status.expect("ssh starts").success());
        }));
    }
    report("outlast invoke -s S true", &mut ours);
    report("ssh -o ControlPath server true", &mut theirs);
    let ratio = median(&mut ours).as_secs_f64() / median(&mut theirs).as_secs_f64();
    println!("ratio of the medians: {ratio:.2}");
    for host in sshd.hosts() {
        let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", host.pid));
        let rollup = rollup.expect("the host is there");
        for line in rollup.lines().filter(|line| line.starts_with("Pss")) {
            println!("idle host: {line}");
        }
    }
    let exit = machine
        .ssh(&["-o", &control, "-O", "exit", "server"])
        .status();
    assert!(exit.expect("ssh starts").success());
    machine.outlast(&["remove", "S"]).success();
}

fn timed(work: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    work();
    begin.elapsed()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn report(what: &str, times: &mut [Duration]) {
    let middle = median(times);
    let at = |share: usize| {
        times
            .get(times.len() * share / 100)
            .copied()
            .unwrap_or_default()
    };
    println!(
        "{what}: median {middle:?}, 10 % {:?}, 90 % {:?}",
        at(10),
        at(90)
    );
}
