//! Two clients, one session.

use outlast_tests::{Gate, process};

use crate::stage::{Job, Stage, get, instance, one_error, run};

#[test]
fn held_session_is_refused_with_who_holds_it_and_how_to_take_it() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    let second = stage.second_client();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    for args in [
        &["connect", "-c", "server", session.as_str()][..],
        &["receive", "-c", "server", &session[..8]],
        &["invoke", "-n", "-s", "job", "true"],
    ] {
        let output = run(&second, args);
        one_error(&output, 255, &["job", "held by", host.trim()], "--steal");
    }
    // Looking is not taking.
    let listed = run(&second, &["get", "server", "--output", "json"]);
    let listed = crate::stage::only(&listed.success().json());
    assert_eq!(listed["state"], "Disconnected", "{listed:#}");
    assert_eq!(listed["availability"], "Busy", "{listed:#}");
    let own = get(&stage.machine, "job");
    assert_eq!(own["state"], "Opened", "{own:#}");
    assert_eq!(own["availability"], "Available", "{own:#}");
    stage.strike(vec![second]);
}

#[test]
fn session_is_stolen_from_a_live_client_which_is_told() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    let second = stage.second_client();
    let job = Job::new();
    let loser = job.start(&stage.machine, "job", &[]);

    run(&second, &["connect", "-c", "server", &session, "--steal"])
        .success()
        .stdout_has("Opened");

    let lost = loser.wait();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    lost.no_panic().code(255);
    for word in ["taken over", host.trim(), "hint: ", "--steal"] {
        lost.stderr_has(word);
    }
    let own = get(&stage.machine, "job");
    assert_eq!(own["state"], "Disconnected", "{own:#}");
    assert_eq!(own["availability"], "Busy", "{own:#}");

    job.gate.open();
    run(&second, &["receive", "job", "--follow"])
        .success()
        .stdout_is_stream(&job.expected);

    // And back, which needs no receiving of what was received before.
    run(&stage.machine, &["connect", "job", "--steal"]).success();
    let rest = run(&stage.machine, &["receive", "job"]);
    let all = [lost.stdout, rest.success().stdout.clone()].concat();
    outlast_tests::stream::assert_stream(&all, job.expected.as_bytes());
    stage.strike(vec![second]);
}

#[test]
fn session_is_stolen_from_a_frozen_client_at_once() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    let second = stage.second_client();
    let job = Job::new();
    let loser = job.start(&stage.machine, "job", &[]);
    let mux = stage.machine.mux_pid();
    process::send(mux, rustix::process::Signal::STOP);
    loser.freeze();

    run(&second, &["connect", "-c", "server", &session, "--steal"]).success();
    job.gate.open();
    run(&second, &["receive", "job", "--follow"])
        .success()
        .stdout_is_stream(&job.expected);

    process::send(mux, rustix::process::Signal::CONT);
    loser.thaw();
    let lost = loser.wait();
    lost.no_panic().code(255).stderr_has("taken over");
    // It does not take the session back by reconnecting.
    run(&second, &["invoke", "-n", "-s", "job", "echo $i"])
        .success()
        .stdout_is("10000\n");
    stage.strike(vec![second]);
}

/// What a client said before it lost the session and the host reads after it has: nothing of it
/// is done.
#[test]
fn command_of_a_client_behind_a_dead_network_does_not_run_after_the_theft() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    let second = stage.second_client();
    run(&stage.machine, &["invoke", "-n", "-s", "job", "n=0"]).success();
    stage.proxy.stall();
    let late = stage.invoke("job", "n=1; echo ran");
    run(&second, &["connect", "-c", "server", &session, "--steal"]).success();
    stage.proxy.resume();
    late.wait().no_panic().code(255).stdout_is("");
    run(&second, &["invoke", "-n", "-s", "job", "echo $n"])
        .success()
        .stdout_is("0\n");
    stage.strike(vec![second]);
}

#[test]
fn busy_session_queues_and_refuses_only_when_asked_to() {
    let stage = Stage::set();
    stage.new_session("job");
    let gate = Gate::new();
    let script = format!("echo up; read -r _ <{}; echo first", gate.word());
    let running = stage.invoke("job", &script);
    running.wait_line("up");
    let own = get(&stage.machine, "job");
    assert_eq!(own["availability"], "Busy", "{own:#}");
    let refused = run(
        &stage.machine,
        &["invoke", "-n", "--no-wait", "-s", "job", "echo never"],
    );
    one_error(&refused, 255, &["running"], "");
    let queued = stage.invoke("job", "echo second");
    queued.wait_stderr("waiting");
    gate.open();
    running.wait().success().stdout_is("up\nfirst\n");
    queued.wait().success().stdout_is("second\n");
    stage.strike(Vec::new());
}

#[test]
fn disconnected_session_is_free_for_the_other_client() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    let second = stage.second_client();
    run(&stage.machine, &["disconnect", "job"]).success();
    let own = get(&stage.machine, "job");
    assert_eq!(own["state"], "Disconnected", "{own:#}");
    assert_eq!(own["availability"], "None", "{own:#}");
    run(&second, &["connect", "-c", "server", &session]).success();
    // A verb that needs a connection connects by itself only where nobody holds the session.
    let refused = run(&stage.machine, &["invoke", "-n", "-s", "job", "true"]);
    one_error(&refused, 255, &["held by"], "--steal");
    stage.strike(vec![second]);
}

/// The mux is killed, and the session is stolen before the next one comes for it: what the command
/// line has printed is known to its client all the same.
#[test]
fn theft_behind_a_killed_mux_repeats_nothing() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    let second = stage.second_client();
    let job = Job::new();
    let robbed = job.start(&stage.machine, "job", &[]);
    robbed.freeze();
    process::kill9(stage.machine.mux_pid());
    run(&second, &["connect", "-c", "server", &session, "--steal"]).success();
    robbed.thaw();
    let robbed = robbed.wait();
    robbed.no_panic().code(255).stderr_has("held by");

    run(&stage.machine, &["connect", "job", "--steal"]).success();
    job.gate.open();
    let rest = run(&stage.machine, &["receive", "--follow", "job"]);
    let all = [robbed.stdout, rest.success().stdout.clone()].concat();
    outlast_tests::stream::assert_stream(&all, job.expected.as_bytes());
    stage.strike(vec![second]);
}
