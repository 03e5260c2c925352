//! Reading along: any number of clients look at a session that another one holds.

use outlast_tests::process;

use crate::stage::{Job, Stage, get, instance, one_error, run};

/// How many attachments the mux of a machine has.
#[track_caller]
fn attached(machine: &outlast_tests::ClientMachine) -> u64 {
    let status = run(machine, &["mux", "status", "--output", "json"]);
    let status = crate::stage::only(&status.success().json());
    status["attached"].as_u64().unwrap()
}

#[test]
fn several_watch_while_the_holder_works() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    let (second, third) = (stage.second_client(), stage.second_client());
    let job = Job::new();
    let writer = job.start(&stage.machine, "job", &[]);

    run(&second, &["connect", "--read-only", "-c", "server", "job"]).success();
    let seen = get(&second, "job");
    assert_eq!(seen["state"], "Opened", "{seen:#}");
    assert_eq!(seen["availability"], "Busy", "{seen:#}");
    let note = seen["note"].as_str().unwrap();
    assert!(
        note.contains("read-only") && note.contains("held by"),
        "{note}"
    );
    // The holder notices nothing.
    let own = get(&stage.machine, "job");
    assert_eq!(own["state"], "Opened", "{own:#}");

    let along = [
        "receive",
        "-c",
        "server",
        &session[..8],
        "--read-only",
        "--follow",
    ];
    let readers = [
        second.spawn(&["receive", "job", "--follow"]),
        third.spawn(&along),
    ];
    for reader in &readers {
        reader.wait_line(&format!("line {}", Job::PAUSE));
    }
    // One who looks runs nothing, and is told how he could.
    let refused = run(&second, &["invoke", "-n", "-s", "job", "echo never"]);
    one_error(&refused, 2, &["job", "read-only"], "connect --steal job");
    let refused = run(&second, &["disconnect", "job", "--idle-timeout", "never"]);
    one_error(&refused, 2, &["job", "read-only"], "connect --steal job");

    job.gate.open();
    for reader in readers {
        let output = reader.wait();
        output.no_panic().success().stdout_is_stream(&job.expected);
    }
    writer.wait().success().stdout_is_stream(&job.expected);
    // What was read along was received by those clients, and by nobody else.
    run(&second, &["receive", "job"]).success().stdout_is("");
    run(&third, &["receive", "job", "--read-only"])
        .success()
        .stdout_is("");
    run(&stage.machine, &["invoke", "-n", "-s", "job", "echo $i"])
        .success()
        .stdout_is("10000\n");
    run(&second, &["receive", "job"])
        .success()
        .stdout_is("10000\n");

    // Reading along leaves nothing behind; an attachment that was asked for stays until left.
    assert_eq!((attached(&second), attached(&third)), (1, 0));
    run(&second, &["disconnect", "job"]).success();
    assert_eq!(attached(&second), 0);
    let seen = get(&second, "job");
    assert_eq!(seen["state"], "Disconnected", "{seen:#}");
    assert_eq!(seen["availability"], "Busy", "{seen:#}");
    stage.strike(vec![second, third]);
}

#[test]
fn refusal_of_a_held_session_says_how_to_read_along() {
    let stage = Stage::set();
    stage.new_session("job");
    let second = stage.second_client();
    let refused = run(&second, &["receive", "-c", "server", "job"]);
    one_error(
        &refused,
        255,
        &["job", "held by"],
        "receive --read-only job",
    );
    one_error(&refused, 255, &["job", "held by"], "connect --steal job");
    stage.strike(vec![second]);
}

#[test]
fn session_nobody_holds_is_watched_and_still_free() {
    let stage = Stage::set();
    stage.new_session("job");
    let second = stage.second_client();
    run(&stage.machine, &["disconnect", "job"]).success();
    run(&second, &["connect", "--read-only", "-c", "server", "job"]).success();
    let seen = get(&second, "job");
    assert_eq!(seen["state"], "Opened", "{seen:#}");
    assert_eq!(seen["availability"], "None", "{seen:#}");
    let refused = run(&second, &["invoke", "-n", "-s", "job", "echo never"]);
    one_error(&refused, 2, &["job", "read-only"], "connect job");

    run(&stage.machine, &["invoke", "-n", "-s", "job", "echo mine"])
        .success()
        .stdout_is("mine\n");
    run(&stage.machine, &["disconnect", "job"]).success();
    // From looking to holding, and back to neither.
    run(&second, &["connect", "job"]).success();
    let seen = get(&second, "job");
    assert_eq!(seen["availability"], "Available", "{seen:#}");
    assert_eq!(attached(&second), 2);
    run(&second, &["invoke", "-n", "-s", "job", "echo theirs"])
        .success()
        .stdout_is("theirs\n");
    run(&second, &["disconnect", "job"]).success();
    assert_eq!(attached(&second), 0);
    stage.strike(vec![second]);
}

/// Its link is lost, or its mux: it comes back as one who looks, and takes nothing.
#[test]
fn watcher_comes_back_as_a_watcher() {
    let stage = Stage::set();
    stage.new_session("job");
    let second = stage.second_client();
    let job = Job::new();
    let writer = job.start(&stage.machine, "job", &[]);
    run(&second, &["connect", "--read-only", "-c", "server", "job"]).success();
    let kept = second.spawn(&["receive", "job", "--follow"]);
    kept.wait_line(&format!("line {}", Job::PAUSE));
    // Not from where this client is: its other command line is further by now.
    let along = [
        "receive",
        "job",
        "--read-only",
        "--follow",
        "--from",
        "start",
    ];
    let passing = second.spawn(&along);
    passing.wait_line(&format!("line {}", Job::PAUSE));
    stage.sshd.kill_connections();
    for command in [&writer, &kept, &passing] {
        command.wait_stderr("resumed");
    }
    let seen = get(&second, "job");
    assert_eq!(seen["state"], "Opened", "{seen:#}");
    let note = seen["note"].as_str().unwrap();
    assert!(note.contains("read-only"), "{note}");
    kept.kill9();

    let mux = second.mux_pid();
    process::kill9(mux);
    passing.wait_stderr("interrupted");
    job.gate.open();
    passing
        .wait()
        .no_panic()
        .success()
        .stdout_is_stream(&job.expected);
    writer.wait().success().stdout_is_stream(&job.expected);
    let own = get(&stage.machine, "job");
    assert_eq!(own["state"], "Opened", "{own:#}");
    stage.strike(vec![second]);
}

#[test]
fn watcher_hears_of_the_sessions_end() {
    let stage = Stage::set();
    stage.new_session("job");
    let second = stage.second_client();
    let job = Job::new();
    let writer = job.start(&stage.machine, "job", &[]);
    let watcher = second.spawn(&["receive", "-c", "server", "job", "--read-only", "--follow"]);
    watcher.wait_line(&format!("line {}", Job::PAUSE));
    run(&stage.machine, &["remove", "job"]).success();
    watcher.wait().no_panic().code(255).stderr_has("removed");
    writer.wait().no_panic().code(255);
    stage.strike(vec![second]);
}
