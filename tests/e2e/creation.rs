//! Making a session while things are lost: it is made once, and whoever asked hears of it.

use outlast_tests::process;

use crate::stage::{Stage, run};

/// Wherever the making of a session is cut, it is made once, and the command line hears of it.
#[test]
fn session_is_made_once_whatever_is_killed_meanwhile() {
    for place in [
        "relay.greeted",
        "relay.asked",
        "relay.created",
        "relay.hands-over",
        "relay.handed-over",
    ] {
        let stage = Stage::set();
        let failpoint = stage.sshd.failpoint(place);
        let making = stage.machine.spawn(&["new", "server", "-n", "job"]);
        failpoint.kill();
        drop(failpoint);
        making.wait().no_panic().success();
        run(&stage.machine, &["invoke", "-n", "-s", "job", "echo here"])
            .success()
            .stdout_is("here\n");
        assert_eq!(stage.sshd.hosts().len(), 1, "after {place}");
        stage.strike(Vec::new());
    }
}

/// The shell takes its time, and the mux, the connection and the relay do not live to see it.
#[test]
fn session_whose_shell_is_starting_is_found_again() {
    let stage = Stage::set();
    let starting = stage.sshd.failpoint("host.opened");
    let making = stage.machine.spawn(&["new", "server", "-n", "job"]);
    starting.wait();
    let mux = stage.machine.mux_pid();
    process::kill9(mux);
    process::wait_gone(mux);
    stage.sshd.kill_relays();
    let asked = stage.sshd.wait_log("subsystem 'outlast'");
    assert!(asked.contains("Starting session"), "{asked}");
    starting.go();
    making.wait().no_panic().success();
    assert_eq!(stage.sshd.hosts().len(), 1);
    stage.strike(Vec::new());
}
