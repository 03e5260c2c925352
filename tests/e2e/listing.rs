//! Sessions as objects, for programs.

use serde_json::{Value, json};

use crate::world::{World, array, assert_time, assert_uuid, take, text};

/// The one object of an answer, without what differs from run to run.
#[track_caller]
fn only(value: Value) -> Value {
    let [mut object]: [Value; 1] = array(value).try_into().expect("one session");
    assert_uuid(&take(&mut object, "instance_id"));
    assert_time(&take(&mut object, "created_on"));
    // That of the computer that the tests run on; `durability.rs` looks at it.
    let class = take(&mut object, "durability");
    let classes = ["boot", "last-logout", "connection", "unknown"];
    assert!(classes.iter().any(|it| class == *it), "{class}");
    // There while the session is held over a connection; `logins.rs` looks at all of it.
    if let Some(route) = object.as_object_mut().and_then(|it| it.remove("route")) {
        assert!(route[0]["kex"].is_string(), "{route}");
    }
    object
}

fn opened() -> Value {
    json!({
        "id": 1,
        "name": "work",
        "computer_name": "server",
        "state": "Opened",
        "availability": "Available",
        "configuration_name": "bash",
        "idle_timeout_s": 604_800,
        "disconnected_on": null,
        "expires_on": null,
        "running": null,
        "running_since": null,
        "activity": null,
        "asks": null,
        "queued": 0,
        "note": null,
    })
}

#[test]
fn no_sessions_are_an_empty_array_or_nothing() {
    let world = World::new();
    for args in [&["get"][..], &["get", "server"]] {
        world.outlast(args).success().stdout_is("").stderr_is("");
        let args = [args, &["--output", "json"]].concat();
        assert_eq!(world.outlast(&args).success().json(), json!([]));
    }
}

#[test]
fn every_verb_answers_with_the_session() {
    let world = World::new();
    let ask = |args: &[&str]| {
        let output = world.outlast(&[args, &["--output", "json"]].concat());
        output.success().stderr_is("");
        only(output.json())
    };
    assert_eq!(ask(&["new", "server", "-n", "work"]), opened());
    assert_eq!(ask(&["get"]), opened());
    assert_eq!(ask(&["get", "server"]), opened());

    for left in [
        ask(&["disconnect", "work"]),
        ask(&["get"]),
        ask(&["get", "server"]),
    ] {
        let mut left = left;
        assert_time(&take(&mut left, "disconnected_on"));
        assert_time(&take(&mut left, "expires_on"));
        let mut expected = opened();
        take(&mut expected, "disconnected_on");
        take(&mut expected, "expires_on");
        expected["state"] = "Disconnected".into();
        expected["availability"] = "None".into();
        assert_eq!(left, expected);
    }

    assert_eq!(ask(&["connect", "work"]), opened());
    let mut expected = opened();
    expected["state"] = "Closed".into();
    expected["availability"] = "None".into();
    assert_eq!(ask(&["remove", "work"]), expected);
}

#[test]
fn idle_timeouts_are_shown_and_changed() {
    let world = World::new();
    let ask = |args: &[&str]| {
        let output = world.outlast(&[args, &["--output", "json"]].concat());
        only(output.success().json())
    };
    let made = ask(&["new", "server", "-n", "work", "--idle-timeout", "2h"]);
    assert_eq!(made["idle_timeout_s"], 7200);
    let left = ask(&["disconnect", "work"]);
    assert_eq!(seconds_between(&left), 7200);
    ask(&["connect", "work"]);
    let left = ask(&["disconnect", "work", "--idle-timeout", "never"]);
    assert_eq!(left["idle_timeout_s"], Value::Null);
    assert_eq!(left["expires_on"], Value::Null);
    let left = ask(&["disconnect", "work", "--idle-timeout", "90"]);
    assert_eq!(left["idle_timeout_s"], 90);
    assert_eq!(seconds_between(&left), 90);
    world
        .outlast(&["new", "server", "--idle-timeout", "59s"])
        .code(2)
        .stdout_is("")
        .stderr_has("60")
        .no_panic();
}

/// From `disconnected_on` to `expires_on`; whole seconds, for the two may round apart.
fn seconds_between(session: &Value) -> i64 {
    let time = |field: &str| {
        let output = std::process::Command::new("date")
            .args(["+%s%3N", "-d", &text(&session[field])])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.trim().parse::<i64>().unwrap()
    };
    (time("expires_on") - time("disconnected_on") + 500) / 1000
}

/// The clock of the idle timeout stands still while something runs.
#[test]
fn running_command_is_named_and_nothing_expires_meanwhile() {
    let world = World::new().with_session();
    let gate = outlast_tests::Gate::new();
    let script = format!("read -r _ <{}", gate.word());
    let output = world.outlast(&["invoke", "-s", "work", "-d", &script, "--output", "json"]);
    let mut started = only(output.success().json());
    let invocation = take(&mut started, "invocation_id");
    assert_eq!(started["running"], invocation, "nothing else runs there");
    for mut session in [
        started,
        only(world.outlast(&["get", "server", "--output", "json"]).json()),
    ] {
        assert_uuid(&take(&mut session, "running"));
        assert_time(&take(&mut session, "disconnected_on"));
        let mut expected = opened();
        take(&mut expected, "running");
        // Left out of the comparison by both: how it is worded, and since when it runs.
        for words in ["running_since", "activity"] {
            take(&mut session, words);
            take(&mut expected, words);
        }
        take(&mut expected, "disconnected_on");
        expected["state"] = "Disconnected".into();
        expected["availability"] = "None".into();
        assert_eq!(session, expected);
    }
    let follower = world.machine.spawn(&["receive", "work", "--follow"]);
    gate.open();
    follower.wait().success();
    assert_eq!(
        only(world.outlast(&["get", "--output", "json"]).json()),
        opened()
    );
}

/// A time in whole seconds since 1970, as `date` reads it.
fn seconds(time: &str) -> i64 {
    let mut date = std::process::Command::new("date");
    let output = date.args(["+%s", "-d", time]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim().parse().unwrap()
}

/// As a program reads it and as a person does.
#[test]
fn what_runs_since_when_and_how_much_waits_is_told() {
    let world = World::new().with_session();
    let gate = outlast_tests::Gate::new();
    let before = seconds("now");
    let script = format!("read -r _ <{}", gate.word());
    for script in [&script, "echo second", "echo third"] {
        world
            .outlast(&["invoke", "-s", "work", "-d", script])
            .success();
    }
    let session = only(world.outlast(&["get", "server", "--output", "json"]).json());
    assert_eq!(session["queued"], 2, "{session:#}");
    let activity = text(&session["activity"]);
    assert!(activity.starts_with("read -r _ <"), "{activity}");
    let since = seconds(&text(&session["running_since"]));
    assert!((before..=seconds("now")).contains(&since), "{session:#}");
    let shown = world.outlast(&["get", "server", "-v"]);
    let shown = shown.success().stdout_text();
    let [head, line] = [0, 2].map(|at| shown.lines().nth(at).unwrap_or_default());
    assert!(head.contains("Queued"), "{shown}");
    assert!(
        line.contains("read -r _ <") && line.split_whitespace().any(|it| it == "2"),
        "{shown}"
    );
    gate.open();
    let follower = world.machine.spawn(&["receive", "work", "--follow"]);
    follower.wait().success().stdout_is("second\nthird\n");
    let session = only(world.outlast(&["get", "server", "--output", "json"]).json());
    assert_eq!(session["queued"], 0);
    assert!(session["running_since"].is_null() && session["activity"].is_null());
}
