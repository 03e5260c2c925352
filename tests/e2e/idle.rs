//! Idle timeouts, as far as they show without waiting for one.

use crate::stage::{Stage, bad_usage, get, only, run};

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
