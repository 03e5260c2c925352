//! Asking again by hand: under the same UUID nothing runs, and nothing is made, a second time.

use std::fs;

use outlast_tests::{ClientMachine, Output, process};
use uuid::Uuid;

use crate::stage::{Job, Stage, bad_usage, get, instance, one_error, run, text};

/// A script that leaves a line in `~/ran` each time it runs.
fn counted(script: &str) -> String {
    format!("echo once >>~/ran; {script}")
}

#[track_caller]
fn ran_once(stage: &Stage) {
    let ran = fs::read_to_string(stage.sshd.home().join("ran")).unwrap();
    assert_eq!(ran, "once\n");
}

fn id() -> String {
    Uuid::new_v4().to_string()
}

fn args<'a>(id: &'a str, script: &'a str) -> [&'a str; 7] {
    ["invoke", "-n", "-s", "job", "--invocation-id", id, script]
}

#[track_caller]
fn ask(machine: &ClientMachine, id: &str, script: &str) -> Output {
    run(machine, &args(id, script))
}

#[test]
fn killed_before_it_was_submitted_it_runs_when_asked_again() {
    let stage = Stage::set();
    stage.new_session("job");
    let (id, script) = (id(), counted("echo out; exit 7"));
    let asks = stage.machine.failpoint("cli.asks");
    let first = stage.machine.spawn(&args(&id, &script));
    asks.kill();
    drop(asks);
    first.wait().signal(9);
    assert!(!stage.sshd.home().join("ran").exists());
    ask(&stage.machine, &id, &script).code(7).stdout_is("out\n");
    // And once more, when it is over: its output and its outcome are kept.
    ask(&stage.machine, &id, &script).code(7).stdout_is("out\n");
    ran_once(&stage);
    stage.strike(Vec::new());
}

#[test]
fn killed_while_it_runs_it_is_taken_up_with_all_of_its_output() {
    let stage = Stage::set();
    stage.new_session("job");
    let job = Job::new();
    let (id, script) = (id(), counted(&job.script));
    let first = stage.machine.spawn(&args(&id, &script));
    first.wait_line(&format!("line {}", Job::PAUSE));
    first.kill9().signal(9);
    let again = stage.machine.spawn(&args(&id, &script));
    again.wait_line(&format!("line {}", Job::PAUSE));
    // Two at the same time are as good as one.
    let third = stage.machine.spawn(&args(&id, &script));
    third.wait_line(&format!("line {}", Job::PAUSE));
    job.gate.open();
    for command in [again, third] {
        let output = command.wait();
        output.no_panic().success().stdout_is_stream(&job.expected);
    }
    ran_once(&stage);
    // Received is received.
    run(&stage.machine, &["receive", "job"])
        .success()
        .stdout_is("");
    stage.strike(Vec::new());
}

/// The mux dies with the host's answer on its lips, and the command line with it.
#[test]
fn mux_and_command_line_are_killed_at_the_answer() {
    let stage = Stage::set();
    stage.new_session("job");
    let (id, script) = (id(), counted("echo out"));
    let answered = stage.machine.failpoint("mux.submitted");
    let first = stage.machine.spawn(&args(&id, &script));
    answered.wait();
    first.kill9().signal(9);
    process::kill9(stage.machine.mux_pid());
    drop(answered);
    ask(&stage.machine, &id, &script)
        .success()
        .stdout_is("out\n");
    ran_once(&stage);
    stage.strike(Vec::new());
}

#[test]
fn another_client_that_took_the_session_asks_for_the_firsts_outcome() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    let second = stage.second_client();
    let job = Job::new();
    let (id, script) = (id(), counted(&job.script));
    let first = stage.machine.spawn(&args(&id, &script));
    first.wait_line(&format!("line {}", Job::PAUSE));

    run(&second, &["get", "server"]).success();
    let refused = ask(&second, &id, &script);
    one_error(&refused, 255, &["held by"], "--steal");
    run(&second, &["connect", "--steal", &session]).success();
    let again = second.spawn(&args(&id, &script));
    again.wait_line(&format!("line {}", Job::PAUSE));
    // The first is told that somebody has it, and how to ask.
    let lost = first.wait();
    lost.no_panic().code(255).stderr_has("taken over");
    lost.stderr_has("connect --steal job").stderr_has(&id);
    job.gate.open();
    again.wait().success().stdout_is_stream(&job.expected);
    // Back to the first, which was told how.
    run(&stage.machine, &["connect", "--steal", "job"]).success();
    ask(&stage.machine, &id, &script)
        .success()
        .stdout_is_stream(&job.expected);
    ran_once(&stage);
    stage.strike(vec![second]);
}

#[test]
fn cancelled_once_is_cancelled_for_good() {
    let stage = Stage::set();
    stage.new_session("job");
    let (id, script) = (id(), counted("echo up; sleep 1000; echo never"));
    let first = stage.machine.spawn(&args(&id, &script));
    first.wait_line("up");
    first.sigint();
    first.wait().code(130);
    ask(&stage.machine, &id, &script)
        .code(130)
        .stdout_is("up\n")
        .stderr_has("cancelled");
    ran_once(&stage);
    stage.strike(Vec::new());
}

#[test]
fn another_script_under_the_same_id_gets_the_firsts_outcome() {
    let stage = Stage::set();
    stage.new_session("job");
    let (id, script) = (id(), counted("echo first; exit 3"));
    ask(&stage.machine, &id, &script).code(3);
    ask(&stage.machine, &id, "echo second >>~/ran")
        .code(3)
        .stdout_is("first\n");
    // A session that has ended since still answers for what ran in it.
    let end = run(&stage.machine, &["invoke", "-n", "-s", "job", "exec true"]);
    end.no_panic().code(255);
    ran_once(&stage);
    stage.strike(Vec::new());
}

const READING: &str = "while read -r line; do echo \"got $line\"; done; echo end";

/// Standard input is one stream, whoever gives it: what the command took is skipped.
#[test]
fn input_is_given_again_from_its_beginning_and_fed_once() {
    let stage = Stage::set();
    stage.new_session("job");
    let id = id();
    let with_input = ["invoke", "-s", "job", "--invocation-id", &id, READING];
    let mut first = stage.machine.spawn(&with_input);
    first.send("one\ntwo\n");
    first.wait_line("got two");
    first.kill9().signal(9);
    let again = stage
        .machine
        .outlast_with_stdin(&with_input, b"one\ntwo\nthree\n");
    again
        .no_panic()
        .success()
        .stdout_is("got one\ngot two\ngot three\nend\n");
    stage.strike(Vec::new());
}

#[test]
fn shorter_input_ends_where_the_command_is() {
    let stage = Stage::set();
    stage.new_session("job");
    let id = id();
    let with_input = ["invoke", "-s", "job", "--invocation-id", &id, READING];
    let mut first = stage.machine.spawn(&with_input);
    first.send("one\ntwo\n");
    first.wait_line("got two");
    first.kill9().signal(9);
    // Without input of its own it only listens …
    let listening = stage.machine.spawn(&args(&id, READING));
    listening.wait_line("got two");
    // … and one that ends at once ends the command's.
    let expected = "got one\ngot two\nend\n";
    run(&stage.machine, &with_input)
        .success()
        .stdout_is(expected);
    listening.wait().success().stdout_is(expected);
    stage.strike(Vec::new());
}

/// Two terminals at once: their inputs are not fed one behind the other.
#[test]
fn whoever_asks_last_gives_the_input() {
    let stage = Stage::set();
    stage.new_session("job");
    let id = id();
    let with_input = ["invoke", "-s", "job", "--invocation-id", &id, READING];
    let mut first = stage.machine.spawn(&with_input);
    first.send("one\n");
    first.wait_line("got one");
    let mut again = stage.machine.spawn(&with_input);
    again.send("one\n2");
    again.wait_line("got one");
    first.feed(b"two\n".to_vec());
    again.send("\n3\n").close_stdin();
    let expected = "got one\ngot 2\ngot 3\nend\n";
    again.wait().success().stdout_is(expected);
    first.wait().success().stdout_is(expected);
    stage.strike(Vec::new());
}

/// Every error that leaves the outcome open says how to ask for it.
#[test]
fn error_of_a_lost_connection_names_the_invocation() {
    let stage = Stage::set();
    stage.new_session("job");
    let job = Job::new();
    let script = counted(&job.script);
    let waiting = stage.machine.spawn(&[
        "invoke",
        "-n",
        "-s",
        "job",
        "--reconnect-for",
        "1s",
        "--output",
        "json",
        &script,
    ]);
    // Nothing is printed before the end: the file tells that it runs.
    outlast_tests::file_event::wait_for_file(&stage.sshd.home().join("ran"));
    stage.proxy.refuse();
    stage.proxy.cut();
    let lost = waiting.wait();
    lost.no_panic().code(255);
    let result = crate::stage::only(&lost.json());
    let id = text(&result, "invocation_id");
    assert_eq!(result["outcome"], "unreachable", "{result:#}");
    assert!(
        text(&result, "error").contains("did not come back"),
        "{result:#}"
    );
    lost.stderr_has(&format!("invoke -s job --invocation-id {id}"));
    lost.stderr_has("receive --follow job");
    stage.proxy.resume();
    job.gate.open();
    ask(&stage.machine, &id, &script)
        .success()
        .stdout_is_stream(&job.expected);
    ran_once(&stage);
    stage.strike(Vec::new());
}

#[test]
fn one_id_is_for_one_command() {
    let stage = Stage::set();
    stage.new_session("a");
    stage.new_session("b");
    let id = id();
    let several = ["invoke", "-n", "-s", "a,b", "--invocation-id", &id, "true"];
    one_error(
        &run(&stage.machine, &several),
        2,
        &["--invocation-id", "one command"],
        "one session",
    );
    let temporary = [
        "invoke",
        "-n",
        "-c",
        "server",
        "--invocation-id",
        &id,
        "true",
    ];
    bad_usage(&run(&stage.machine, &temporary), &["--invocation-id"]);
    let bad = ["invoke", "-n", "-s", "a", "--invocation-id", "7", "true"];
    bad_usage(&run(&stage.machine, &bad), &["--invocation-id"]);
    let several = ["new", "server,server", "--instance-id", &id];
    one_error(
        &run(&stage.machine, &several),
        2,
        &["--instance-id", "one session"],
        "one host",
    );
    stage.strike(Vec::new());
}

#[test]
fn session_is_made_once_however_often_it_is_asked_for() {
    let stage = Stage::set();
    let id = id();
    let new = [
        "new",
        "server",
        "-n",
        "job",
        "--instance-id",
        &id,
        "--output",
        "json",
    ];
    // Killed while the shell is being opened: the host has it, and nobody was told.
    let opened = stage.sshd.failpoint("host.opened");
    let first = stage.machine.spawn(&new);
    opened.wait();
    first.kill9().signal(9);
    process::kill9(stage.machine.mux_pid());
    drop(opened);
    for _ in 0..2 {
        let made = crate::stage::only(&run(&stage.machine, &new).success().json());
        assert_eq!(instance(&made), id);
        assert_eq!(made["state"], "Opened", "{made:#}");
    }
    assert_eq!(stage.sshd.hosts().len(), 1);
    run(&stage.machine, &["invoke", "-n", "-s", "job", "x=1"]).success();
    run(&stage.machine, &["disconnect", "job"]).success();
    run(&stage.machine, &new).success();
    run(&stage.machine, &["invoke", "-n", "-s", "job", "echo $x"])
        .success()
        .stdout_is("1\n");
    // Another client gets it only where nobody holds it.
    let second = stage.second_client();
    one_error(&run(&second, &new[..6]), 255, &["held by"], "--steal");
    run(&stage.machine, &["disconnect", "job"]).success();
    run(&second, &new).success();
    run(&second, &["disconnect", "job"]).success();
    // It is not made somewhere else, nor anew when it is over.
    let elsewhere = ["new", ".", "--instance-id", &id];
    one_error(
        &run(&stage.machine, &elsewhere),
        2,
        &["server"],
        "--instance-id",
    );
    run(&stage.machine, &["invoke", "-n", "-s", "job", "exec true"]).code(255);
    let over = run(&stage.machine, &new[..6]);
    one_error(&over, 255, &["job", "over"], "--instance-id");
    assert_eq!(get(&stage.machine, "job")["state"], "Closed");
    stage.strike(vec![second]);
}
