//! Processes that stand still for a while, as in a suspended or overloaded computer, and come back.

use outlast_tests::process;
use rustix::process::Signal;

use crate::stage::{Job, Stage, get, run};

/// Shorter than a link needs to die: nobody notices anything.
#[test]
fn mux_that_stood_still_for_a_moment_goes_on_over_the_same_link() {
    let stage = Stage::set();
    stage.new_session("job");
    let job = Job::new();
    let waiting = job.start(&stage.machine, "job", &[]);
    let mux = stage.machine.mux_pid();
    process::send(mux, Signal::STOP);
    job.gate.open();
    // All of the output waits for the mux by then.
    let second = stage.second_client();
    run(
        &second,
        &["receive", "-c", "server", "job", "--read-only", "--follow"],
    )
    .success()
    .stdout_is_stream(&job.expected);
    process::send(mux, Signal::CONT);
    waiting
        .wait()
        .no_panic()
        .success()
        .stdout_is_stream(&job.expected)
        .stderr_is("");
    stage.strike(vec![second]);
}

/// The relay of a reconnect gives up on a host that does not answer; the client does not.
#[test]
fn host_that_stands_still_through_a_reconnect_is_waited_for() {
    let stage = Stage::set();
    stage.new_session("job");
    let job = Job::new();
    let waiting = job.start(&stage.machine, "job", &[]);
    let [host] = stage.sshd.hosts().try_into().unwrap();
    process::send(host.pid, Signal::STOP);
    let handing = stage.sshd.failpoint("relay.hands-over");
    stage.proxy.cut();
    waiting.wait_stderr("interrupted");
    let relay = handing.wait();
    drop(handing);
    process::wait_gone(relay);
    let own = get(&stage.machine, "job");
    assert_eq!(own["state"], "Connecting", "{own:#}");
    process::send(host.pid, Signal::CONT);
    waiting.wait_stderr("resumed");
    job.gate.open();
    waiting
        .wait()
        .no_panic()
        .success()
        .stdout_is_stream(&job.expected);
    stage.strike(Vec::new());
}
