//! `outlast connect --steal`, whole processes, from a client that is well, one that is frozen and
//! one behind a network that has gone silent, beside `outlast connect` of a session that is free.
//!
//! `cargo build --release --workspace && OUTLAST_BIN_DIR=target/release cargo bench -p
//! outlast-tests --bench steal`
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]

use std::time::{Duration, Instant};

use outlast_tests::{ClientMachine, Proxy, Sshd, process};
use rustix::process::Signal;

const ROUNDS: usize = 30;
const CONNECT: [&str; 2] = ["connect", "S"];
const STEAL: [&str; 3] = ["connect", "S", "--steal"];

fn main() {
    let sshd = Sshd::builder().bashrc("").start();
    let proxy = Proxy::to(sshd.address());
    let holder = ClientMachine::new();
    holder.host("server", &sshd).via(proxy.address()).add();
    let thief = ClientMachine::knowing("server", &sshd);
    holder.outlast(&["new", "server", "-n", "S"]).success();
    thief.outlast(&["get", "server"]).success();
    let round = |before: &dyn Fn(), verb: &[&str], after: &dyn Fn()| {
        let mut times: Vec<Duration> = (0..ROUNDS)
            .map(|_| {
                take_back(&holder);
                before();
                let began = Instant::now();
                thief.outlast(verb).success();
                let took = began.elapsed();
                after();
                took
            })
            .collect();
        times.sort_unstable();
        (times[ROUNDS / 2], times[ROUNDS - 1])
    };
    let report = |what: &str, (median, longest): (Duration, Duration)| {
        println!("{what:28} median {median:>9.1?}  longest {longest:>9.1?}");
    };
    let free = round(
        &|| drop(holder.outlast(&["disconnect", "S"])),
        &CONNECT,
        &|| (),
    );
    report("connect, free", free);
    report("steal from a live client", round(&|| (), &STEAL, &|| ()));
    let mux = holder.mux_pid();
    let frozen = round(&|| process::send(mux, Signal::STOP), &STEAL, &|| {
        process::send(mux, Signal::CONT)
    });
    report("steal from a frozen client", frozen);
    let silent = round(&|| proxy.stall(), &STEAL, &|| proxy.resume());
    report("steal from a silent network", silent);
    thief.outlast(&["remove", "S"]).success();
}

/// The holder may not have heard yet that it lost the session: then it need not take it back.
fn take_back(holder: &ClientMachine) {
    loop {
        holder.outlast(&STEAL).success();
        let holds = holder.outlast(&["invoke", "-n", "-s", "S", "true"]);
        if holds.status.success() {
            return;
        }
    }
}
