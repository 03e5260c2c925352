//! What every pair of versions must be able to do: only what the first release promises.

use outlast_tests::stream::{assert_stream, numbered, numbered_script_with_pause};
use outlast_tests::{ClientMachine, Gate};
use serde_json::Value;

use crate::party::{Pair, Stage, run};

const LINES: usize = 10_000;
const PAUSE: usize = 5_000;

/// A session's life, from one client to the other and back.
pub(crate) fn spend(pair: &Pair) {
    let stage = Stage::set(pair);
    let gate = Gate::new();
    let script = numbered_script_with_pause(LINES, PAUSE, &gate);
    let left = leave_a_job(&stage, &script);
    find_and_connect(&stage, &left);
    receive_over_a_cut(&stage, &gate);
    use_it(&stage.client);
    end_a_command(&stage.client);
    lose_it_and_steal_it_back(&stage, &left);
    run(&stage.client, &["remove", "job"]).success();
    stage.strike();
}

/// A session with a variable, and a job that waits in the middle of its output.
fn leave_a_job(stage: &Stage, script: &str) -> String {
    let maker = &stage.maker;
    let made = run(maker, &["new", "maker", "-n", "job", "--output", "json"]);
    let made = made.success().json();
    let instance = made[0]["instance_id"].as_str().expect("its ID").to_owned();
    run(maker, &["invoke", "-n", "-s", "job", "kept=here"]).success();
    run(maker, &["invoke", "-d", "-s", "job", script]).success();
    instance
}

fn find_and_connect(stage: &Stage, instance: &str) {
    let listed = run(&stage.client, &["get", "server", "--output", "json"]);
    let listed = listed.success().json();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed:#}");
    let session = &listed[0];
    assert_eq!(session["instance_id"], instance, "{session:#}");
    assert_eq!(session["name"], "job", "{session:#}");
    assert_eq!(session["state"], "Disconnected", "{session:#}");
    assert!(session["running"].is_string(), "{session:#}");
    run(&stage.client, &["connect", "job"])
        .success()
        .stdout_has("Opened");
}

/// The job's whole output, though the connection is lost in the middle of it.
fn receive_over_a_cut(stage: &Stage, gate: &Gate) {
    let follower = stage.client.spawn(&["receive", "job", "--follow"]);
    follower.wait_line(&format!("line {PAUSE}"));
    stage.server.kill_connections();
    gate.open();
    let received = follower.wait();
    received.no_panic().success();
    assert_stream(&received.stdout, numbered(LINES).as_bytes());
}

/// Both outputs, standard input, exit code, and what the shell remembers.
fn use_it(client: &ClientMachine) {
    let script = "echo $kept $i; echo aside >&2; cat; (exit 7)";
    let output = client.outlast_with_stdin(&["invoke", "-s", "job", script], b"fed\n");
    output
        .no_panic()
        .code(7)
        .stdout_is(&format!("here {LINES}\nfed\n"))
        .stderr_is("aside\n");
    run(
        client,
        &[
            "invoke",
            "-n",
            "-s",
            "job",
            "--",
            "printf",
            "%s|",
            "two words",
            "$kept",
        ],
    )
    .success()
    .stdout_is("two words|$kept|");
}

/// By an interrupt, and by a timeout; the session lives.
fn end_a_command(client: &ClientMachine) {
    let running = client.spawn(&["invoke", "-n", "-s", "job", "echo up; sleep 1000"]);
    running.wait_line("up");
    running.sigint();
    let ended = running.wait();
    ended.no_panic();
    assert!(!ended.status.success(), "{ended}");
    let late = run(
        client,
        &[
            "invoke",
            "-n",
            "-s",
            "job",
            "--timeout",
            "100ms",
            "sleep 1000",
        ],
    );
    assert!(!late.status.success(), "{late}");
    run(client, &["invoke", "-n", "-s", "job", "echo alive"])
        .success()
        .stdout_is("alive\n");
}

/// Each is told of the other.
fn lose_it_and_steal_it_back(stage: &Stage, instance: &str) {
    let (client, maker) = (&stage.client, &stage.maker);
    let refused = run(maker, &["connect", "job"]);
    refused.code(255).stderr_has("--steal");
    run(maker, &["connect", "job", "--steal"]).success();
    let refused = run(client, &["invoke", "-n", "-s", "job", "true"]);
    refused.code(255).stderr_has("--steal");
    run(client, &["connect", "job", "--steal"]).success();
    let own = run(client, &["get", "--output", "json"]).success().json();
    assert_eq!(own[0]["instance_id"], Value::from(instance), "{own:#}");
    assert_eq!(own[0]["state"], "Opened", "{own:#}");
}
