//! Idle timeouts, as far as they show without waiting for one.

use outlast_tests::deadline::Deadline;
use outlast_tests::process;

use crate::stage::{Stage, bad_usage, get, one_error, only, run};

#[test]
fn idle_timeout_is_set_by_new_and_changed_by_disconnect() {
    let stage = Stage::set();
    let args = ["new", "server", "-n", "job", "--idle-timeout", "90s"];
    run(&stage.machine, &args).success();
    assert_eq!(get(&stage.machine, "job")["idle_timeout_s"], 90);
    for (typed, seconds) in [("60", Some(60)), ("2h", Some(7200)), ("never", None)] {
        run(&stage.machine, &["connect", "job"]).success();
        let args = [
            "disconnect",
            "job",
            "--idle-timeout",
            typed,
            "--output",
            "json",
        ];
        let left = only(&run(&stage.machine, &args).success().json());
        assert_eq!(left["idle_timeout_s"].as_u64(), seconds, "{left:#}");
        assert_eq!(left["state"], "Disconnected");
        assert_eq!(
            left["expires_on"].is_string(),
            seconds.is_some(),
            "{left:#}"
        );
        // The host has it, not only our list.
        let second = stage.second_client();
        let listed = run(&second, &["get", "server", "--output", "json"]);
        let listed = only(&listed.success().json());
        assert_eq!(listed["idle_timeout_s"].as_u64(), seconds, "{listed:#}");
        assert_eq!(
            listed["expires_on"].is_string(),
            seconds.is_some(),
            "{listed:#}"
        );
    }
    stage.strike(Vec::new());
}

/// Also of a session that this client does not hold at the moment.
#[test]
fn idle_timeout_of_a_disconnected_session_is_changed() {
    let stage = Stage::set();
    stage.new_session("job");
    run(&stage.machine, &["disconnect", "job"]).success();
    run(
        &stage.machine,
        &["disconnect", "job", "--idle-timeout", "3h"],
    )
    .success();
    assert_eq!(get(&stage.machine, "job")["idle_timeout_s"], 3 * 3600);
    stage.strike(Vec::new());
}

#[test]
fn bad_durations_are_refused_before_anything_is_done() {
    let stage = Stage::set();
    for bad in ["59s", "59", "0", "1x", "", "-5", "1.5h", "99999999d"] {
        let option = format!("--idle-timeout={bad}");
        bad_usage(
            &run(&stage.machine, &["new", "server", &option]),
            &["--idle-timeout"],
        );
        bad_usage(
            &run(&stage.machine, &["disconnect", "1", &option]),
            &["--idle-timeout"],
        );
    }
    bad_usage(
        &run(&stage.machine, &["new", "server", "--idle-timeout", "59s"]),
        &["at least 60"],
    );
    bad_usage(
        &run(
            &stage.machine,
            &["invoke", "-s", "1", "--timeout", "soon", "true"],
        ),
        &["--timeout", "soon"],
    );
    bad_usage(
        &run(
            &stage.machine,
            &["invoke", "-s", "1", "--reconnect-for", "1y", "true"],
        ),
        &["--reconnect-for", "1y"],
    );
    assert_eq!(stage.sshd.hosts(), []);
}

/// One host stands at the decision to end its session, another is stopped until its time is over;
/// to both comes a client. It gets the session, or hears why not: nothing else.
#[test]
fn client_that_comes_at_the_end_of_the_idle_timeout_gets_the_session_or_the_reason() {
    let stage = Stage::set();
    let host_of = |name: &str, before: &[process::Process]| {
        let args = ["new", "server", "-n", name, "--idle-timeout", "60s"];
        run(&stage.machine, &args).success();
        let hosts = stage.sshd.hosts();
        let new = hosts.into_iter().find(|host| !before.contains(host));
        new.expect("a host for the new session")
    };
    let first = host_of("stopped", &[]);
    let second = host_of("decided", std::slice::from_ref(&first));
    run(&stage.machine, &["disconnect", "stopped"]).success();
    process::send(first.pid, rustix::process::Signal::STOP);
    run(&stage.machine, &["disconnect", "decided"]).success();

    let expires = stage.sshd.failpoint("host.expires");
    let deadline = Deadline::after(std::time::Duration::from_secs(120));
    assert_eq!(expires.wait_by(deadline), second.pid);
    // Its time was over first.
    let late = ["stopped", "decided"].map(|name| stage.machine.spawn(&["connect", name]));
    drop(expires);
    process::send(first.pid, rustix::process::Signal::CONT);
    let [stopped, decided] = late.map(outlast_tests::Running::wait);
    one_error(&decided, 255, &["decided", "idle timeout"], "outlast new");
    assert_eq!(get(&stage.machine, "decided")["state"], "Closed");
    if stopped.no_panic().status.success() {
        run(
            &stage.machine,
            &["invoke", "-n", "-s", "stopped", "echo on"],
        )
        .success()
        .stdout_is("on\n");
    } else {
        one_error(&stopped, 255, &["stopped", "idle timeout"], "outlast new");
    }
    stage.strike(Vec::new());
}

/// Who comes after the end hears of it, once; what ran before is still there to be received.
#[test]
fn session_that_ended_unseen_says_how_to_whoever_comes() {
    let stage = Stage::set();
    stage.new_session("job");
    let gate = outlast_tests::Gate::new();
    let script = format!("echo out; read -r _ <{}; exec sh -c 'exit 9'", gate.word());
    run(&stage.machine, &["invoke", "-d", "-s", "job", &script]).success();
    let [host] = stage.sshd.hosts().try_into().unwrap();
    let [shell] = process::children_of(host.pid).try_into().unwrap();
    gate.open();
    process::wait_gone(shell.pid);
    let refused = run(&stage.machine, &["connect", "job"]);
    one_error(
        &refused,
        255,
        &["job", "over", "exit code 9"],
        "outlast new",
    );
    assert_eq!(get(&stage.machine, "job")["state"], "Closed");
    let refused = run(&stage.machine, &["invoke", "-n", "-s", "job", "true"]);
    one_error(&refused, 255, &["ended", "exit code 9"], "outlast new");
    run(&stage.machine, &["receive", "job"])
        .success()
        .stdout_is("out\n");
    // Now everything was received, and nothing of it stays.
    process::wait_gone(host.pid);
    stage.strike(Vec::new());
}
