//! The background process on the client: it comes when needed, leaves when not, and is missed by
//! nobody when it dies.

use outlast_tests::{Running, file_event, process};
use serde_json::Value;

use crate::stage::{Job, Stage, command, get, instance, one_error, run};

#[test]
fn status_and_stop_never_start_one() {
    let stage = Stage::set();
    for verb in ["status", "stop"] {
        run(&stage.machine, &["mux", verb]).success();
        assert_eq!(stage.machine.processes(), [], "after {verb}");
    }
    run(&stage.machine, &["mux", "status", "--output", "json"])
        .success()
        .stdout_is("[]\n");
}

#[test]
fn status_tells_what_is_held() {
    let stage = Stage::set();
    stage.new_session("a");
    stage.new_session("b");
    let status = run(&stage.machine, &["mux", "status", "--output", "json"]);
    let status = crate::stage::only(&status.success().json());
    assert_eq!(status["pid"], stage.machine.mux_pid());
    assert_eq!(status["attached"], 2);
    let connections = status["connections"].as_array().unwrap();
    assert_eq!(connections.len(), 1, "both share one: {status:#}");
    assert_eq!(connections[0]["computer_name"], "server");
    run(&stage.machine, &["mux", "status"])
        .success()
        .stdout_has(&stage.machine.mux_pid().to_string())
        .stdout_has("server");
    stage.strike(Vec::new());
}

fn ids_and_names(stage: &Stage) -> Vec<(Value, Value, Value)> {
    let listed = run(&stage.machine, &["get", "--output", "json"]);
    let listed = listed.success().json();
    let fields = |session: &Value| {
        (
            session["id"].clone(),
            session["name"].clone(),
            session["instance_id"].clone(),
        )
    };
    listed.as_array().unwrap().iter().map(fields).collect()
}

#[test]
fn restarted_mux_knows_ids_and_names_and_goes_on_counting() {
    let stage = Stage::set();
    for name in ["a", "b", "c"] {
        stage.new_session(name);
    }
    run(&stage.machine, &["remove", "b"]).success();
    let before = ids_and_names(&stage);
    assert_eq!(before.len(), 2);
    for kill in [false, true] {
        let mux = stage.machine.mux_pid();
        if kill {
            process::kill9(mux);
        } else {
            run(&stage.machine, &["mux", "stop"]).success();
        }
        process::wait_gone(mux);
        assert_eq!(ids_and_names(&stage), before);
        assert_eq!(get(&stage.machine, "a")["state"], "Disconnected");
        run(&stage.machine, &["invoke", "-n", "-s", "3", "echo c"])
            .success()
            .stdout_is("c\n");
        assert_eq!(get(&stage.machine, "c")["state"], "Opened");
    }
    let next = stage.new_session("d");
    assert_eq!(next["id"], 4, "no Id is given twice");
    stage.strike(Vec::new());
}

#[test]
fn stopping_leaves_sessions_and_what_they_run() {
    let stage = Stage::set();
    stage.new_session("job");
    let job = Job::new();
    run(&stage.machine, &["invoke", "-d", "-s", "job", &job.script])
        .success()
        .stdout_has("Disconnected");
    let other = stage.new_session("idle");
    let mux = stage.machine.mux_pid();
    run(&stage.machine, &["mux", "stop"]).success();
    process::wait_gone(mux);
    assert_eq!(stage.sshd.hosts().len(), 2);
    job.gate.open();
    let second = stage.second_client();
    run(&second, &["connect", "-c", "server", &instance(&other)]).success();
    run(&stage.machine, &["receive", "job", "--follow"])
        .success()
        .stdout_is_stream(&job.expected);
    run(&second, &["disconnect", "idle"]).success();
    stage.strike(vec![second]);
}

#[test]
fn mux_leaves_when_it_holds_nothing_and_comes_back() {
    let stage = Stage::set();
    let outlast = |args: &[&str]| {
        let mut running =
            Running::start(command(&stage.machine, args).env("OUTLAST_MUX_IDLE", "1"));
        running.close_stdin();
        running.wait()
    };
    outlast(&["new", "server", "-n", "job"]).success();
    let mux = stage.machine.mux_pid();
    outlast(&["disconnect", "job"]).success();
    process::wait_gone(mux);
    assert_eq!(stage.machine.processes(), []);
    assert_eq!(
        process::unix_sockets_below(stage.machine.home()),
        Vec::<String>::new()
    );
    outlast(&["invoke", "-n", "-s", "job", "echo back"])
        .success()
        .stdout_is("back\n");
    let status = outlast(&["mux", "status", "--output", "json"]);
    assert_eq!(status.json()[0]["idle_exit_s"], 1);
    stage.strike(Vec::new());
}

#[test]
fn many_command_lines_at_once_start_one_mux() {
    let stage = Stage::set();
    let all: Vec<Running> = (0..12)
        .map(|n| {
            stage
                .machine
                .spawn(&["new", "server", "-n", &format!("s{n}")])
        })
        .collect();
    for running in all {
        running.wait().no_panic().success();
    }
    stage.machine.mux_pid();
    let mut ids: Vec<_> = ids_and_names(&stage).into_iter().map(|it| it.0).collect();
    ids.dedup();
    assert_eq!(ids.len(), 12);
    stage.strike(Vec::new());
}

/// sshd refuses the third channel of a connection, or every second one: another is opened.
#[test]
fn max_sessions_1_and_2_are_no_limit() {
    for limit in [1, 2] {
        let sshd = outlast_tests::Sshd::builder().max_sessions(limit).start();
        let stage = Stage::before(sshd);
        for name in ["a", "b", "c", "d", "e"] {
            stage.new_session(name);
        }
        let job = Job::new();
        let waiting = job.start(&stage.machine, "c", &[]);
        run(
            &stage.machine,
            &["invoke", "-n", "-s", "a,b,d,e", "echo ok"],
        )
        .success()
        .stdout_is(&"server| ok\n".repeat(4));
        let status = run(&stage.machine, &["mux", "status", "--output", "json"]);
        let connections = status.json()[0]["connections"].as_array().unwrap().len();
        assert_eq!(connections, 5_usize.div_ceil(limit as usize));
        // All of them are lost and all of them come back.
        stage.proxy.cut();
        waiting.wait_stderr("interrupted");
        job.gate.open();
        waiting.wait().success().stdout_is_stream(&job.expected);
        run(&stage.machine, &["invoke", "-n", "-s", "*", "true"]).success();
        stage.strike(Vec::new());
    }
}

#[test]
fn many_sessions_made_at_once_on_a_hardened_host() {
    let sshd = outlast_tests::Sshd::builder().max_sessions(4).start();
    let stage = Stage::before(sshd);
    let all: Vec<Running> = (0..20)
        .map(|n| {
            stage
                .machine
                .spawn(&["new", "server", "-n", &format!("s{n}")])
        })
        .collect();
    for running in all {
        running.wait().no_panic().success();
    }
    let output = run(&stage.machine, &["invoke", "-n", "-s", "s*", "echo ok"]);
    output.success().stdout_is(&"server| ok\n".repeat(20));
    stage.strike(Vec::new());
}

#[test]
fn max_sessions_0_is_an_error_and_not_a_loop() {
    let sshd = outlast_tests::Sshd::builder().max_sessions(0).start();
    let stage = Stage::before(sshd);
    let output = run(&stage.machine, &["new", "server"]);
    one_error(&output, 255, &["refuses", "channel"], "MaxSessions");
}

/// The socket of a mux that was killed is in the way of nobody.
#[test]
fn stale_socket_is_replaced() {
    let stage = Stage::set();
    stage.new_session("job");
    let mux = stage.machine.mux_pid();
    process::kill9(mux);
    process::wait_gone(mux);
    let socket = stage.machine.outlast_home().join("state/mux.sock");
    assert!(socket.exists(), "a killed process removes nothing");
    run(&stage.machine, &["get"]).success().stdout_has("job");
    let mux = stage.machine.mux_pid();
    run(&stage.machine, &["mux", "stop"]).success();
    process::wait_gone(mux);
    file_event::wait_for_removal(&socket);
}
