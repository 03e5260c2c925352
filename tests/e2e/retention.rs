//! What is kept for those who were not there, and for how long.

use outlast_tests::stream::numbered;
use outlast_tests::{Sshd, process};

use crate::stage::{Stage, get, instance, only, run};

fn with_quota(quota: &str) -> Stage {
    let sshd = Sshd::builder();
    Stage::before(sshd.environment("OUTLAST_SESSION_QUOTA", quota).start())
}

#[test]
fn an_outcome_outlives_its_output() {
    let stage = with_quota("256K");
    stage.new_session("job");
    let machine = &stage.machine;
    // All of it is gone when the second command has printed, the record of its end with it.
    run(
        machine,
        &["invoke", "-d", "-s", "job", "printf %050000d 0; exit 7"],
    )
    .success();
    run(
        machine,
        &["invoke", "-n", "-s", "job", "printf %02000000d 0"],
    )
    .success();
    let received = run(
        machine,
        &["receive", "--follow", "job", "--output", "ndjson"],
    );
    let events: Vec<serde_json::Value> = received.no_panic().ndjson();
    let of = |kind: &str| -> Vec<&serde_json::Value> {
        events.iter().filter(|it| it["type"] == kind).collect()
    };
    let completed = of("completed");
    assert_eq!(completed.len(), 1, "{events:#?}");
    assert_eq!(completed[0]["exit_code"], 7, "{events:#?}");
    let missing: u64 = of("gap")
        .iter()
        .map(|it| it["bytes"].as_u64().unwrap())
        .sum();
    assert!(missing >= 50_000, "{events:#?}");
    stage.strike(Vec::new());
}

/// Another command's reader is no reader of this one's output.
#[test]
fn unread_output_outlives_the_shell() {
    let stage = Stage::set();
    stage.new_session("job");
    let machine = &stage.machine;
    let script = outlast_tests::stream::numbered_script(500);
    run(machine, &["invoke", "-d", "-s", "job", &script]).success();
    run(machine, &["invoke", "-n", "-s", "job", "exec true"]).no_panic();
    run(machine, &["receive", "job"]).stdout_is_stream(numbered(500));
    stage.sshd.wait_nothing_left();
}

/// Somebody has to hear of the end before it is forgotten.
#[test]
fn the_end_of_a_shell_that_nobody_saw_is_told() {
    let stage = Stage::set();
    let made = stage.new_session("job");
    let machine = &stage.machine;
    let shell = run(machine, &["invoke", "-n", "-s", "job", "echo $$"]);
    let shell: u32 = shell.success().stdout_text().trim().parse().unwrap();
    run(machine, &["disconnect", "job"]).success();
    process::kill9(shell);
    process::wait_gone(shell);
    let second = stage.second_client();
    let id = instance(&made);
    let listed = || {
        let listed = run(&second, &["get", "server", "--output", "json"]);
        only(&listed.success().json())
    };
    for _ in 0..2 {
        let session = listed();
        assert_eq!(session["state"], "Closed", "{session:#}");
        assert_eq!(instance(&session), id);
    }
    run(machine, &["receive", "job"]).no_panic();
    assert_eq!(get(machine, "job")["state"], "Closed");
    stage.sshd.wait_nothing_left();
}
