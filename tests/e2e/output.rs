//! Results of `invoke`, for people with several sessions and for programs; and exit codes.

use outlast_tests::{ClientMachine, Gate, Sshd};
use serde_json::{Value, json};

use crate::world::{World, array, assert_time, assert_uuid, sorted, take};

/// The one object of `invoke --output json`, without what differs from run to run.
#[track_caller]
fn result(world: &World, args: &[&str]) -> Value {
    let instance = world.instance();
    let args = [&["invoke", "-s", "work", "--output", "json"], args].concat();
    let output = world.outlast(&args);
    let [mut object]: [Value; 1] = array(output.json()).try_into().expect("one result");
    assert_eq!(take(&mut object, "instance_id"), instance.as_str());
    assert_uuid(&take(&mut object, "invocation_id"));
    assert!(take(&mut object, "duration_ms").is_u64());
    output.stderr_is("").no_panic();
    object
}

fn expected(fields: &Value) -> Value {
    let mut object = json!({
        "computer_name": "server", "name": "work",
        "outcome": "completed", "exit_code": 0, "signal": null,
        "stdout": "", "stderr": "",
    });
    for (name, value) in fields.as_object().unwrap() {
        object[name] = value.clone();
    }
    object
}

#[test]
fn json_result_of_one_session() {
    let world = World::new().with_session();
    assert_eq!(
        result(&world, &["echo out; echo err >&2; exit 3"]),
        expected(&json!({"exit_code": 3, "stdout": "out\n", "stderr": "err\n"}))
    );
    assert_eq!(result(&world, &[":"]), expected(&json!({})));
    assert_eq!(
        result(&world, &["printf 'a\\0größe'"]),
        expected(&json!({"stdout": "a\0größe"}))
    );
    assert_eq!(
        result(&world, &["printf '\\377\\0'; echo text >&2"]),
        expected(&json!({"stdout": null, "stdout_base64": "/wA=", "stderr": "text\n"}))
    );
    // bash names the signal on standard error, as it does for every command it runs.
    assert_eq!(
        result(&world, &["--", "sh", "-c", "kill -9 $$"]),
        expected(&json!({
            "outcome": "signaled", "exit_code": null, "signal": 9, "stderr": "Killed\n",
        }))
    );
}

#[test]
fn json_result_of_a_command_that_timed_out() {
    let world = World::new().with_session();
    let args = [
        "invoke",
        "-s",
        "work",
        "--output",
        "json",
        "--timeout",
        "1s",
        "echo begun; sleep 1000",
    ];
    let output = world.outlast(&args);
    let [object]: [Value; 1] = array(output.code(124).json()).try_into().unwrap();
    assert_eq!(object["outcome"], "timed_out", "{output}");
    assert_eq!(object["stdout"], "begun\n", "{output}");
}

#[test]
fn json_result_of_a_cancelled_command() {
    let world = World::new().with_session();
    let gate = Gate::new();
    let script = format!("sh -c 'echo >{}; exec sleep 1000'", gate.word());
    let running = world
        .machine
        .spawn(&["invoke", "-s", "work", "--output", "json", &script]);
    gate.wait();
    running.sigint();
    let output = running.wait();
    let [object]: [Value; 1] = array(output.code(130).json()).try_into().unwrap();
    assert_eq!(object["outcome"], "cancelled", "{output}");
}

#[test]
fn ndjson_events_of_one_command() {
    let world = World::new().with_session();
    let instance = world.instance();
    let gate = Gate::new();
    let script = format!(
        "echo out; read -r _ <{}; printf '\\376' >&2; exit 3",
        gate.word()
    );
    let running = world
        .machine
        .spawn(&["invoke", "-s", "work", "--output", "ndjson", &script]);
    // As they come: the output is there while the command still runs.
    running.wait_line("\"output\"");
    gate.open();
    let output = running.wait();
    let mut events = output.code(3).stderr_is("").ndjson();
    let mut invocation = None;
    let mut before = 0;
    for event in &mut events {
        let seq = take(event, "seq").as_u64().unwrap();
        assert!(seq > before, "{output}");
        before = seq;
        assert_time(&take(event, "time"));
        assert_eq!(take(event, "instance_id"), instance.as_str());
        assert_eq!(take(event, "computer_name"), "server");
        assert_eq!(take(event, "name"), "work");
        let id = take(event, "invocation_id");
        assert_uuid(&id);
        assert_eq!(*invocation.get_or_insert(id.clone()), id, "{output}");
    }
    assert_eq!(
        Value::Array(events),
        json!([
            {"type": "started"},
            {"type": "output", "stream": "stdout", "data": "out\n"},
            {"type": "output", "stream": "stderr", "data_base64": "/g=="},
            {"type": "completed", "outcome": "completed", "exit_code": 3},
        ])
    );
}

struct Two {
    machine: ClientMachine,
    _servers: [Sshd; 2],
}

/// Two servers with a session each, which know their number as `$me`.
fn two() -> Two {
    let servers =
        ["127.0.0.2", "127.0.0.3"].map(|address| Sshd::builder().address(address).start());
    let machine = ClientMachine::new();
    machine.host("server1", &servers[0]).add();
    machine.host("server2", &servers[1]).add();
    machine.outlast(&["new", "server1,server2"]).success();
    for id in ["1", "2"] {
        machine
            .outlast(&["invoke", "-s", id, &format!("me={id}")])
            .success();
    }
    Two {
        machine,
        _servers: servers,
    }
}

impl Two {
    #[track_caller]
    fn invoke(&self, args: &[&str]) -> outlast_tests::Output {
        self.machine
            .outlast(&[&["invoke", "-s", "1,2"], args].concat())
    }
}

#[test]
fn lines_of_several_carry_their_computers_name() {
    let two = two();
    let script = "echo one $me; echo two $me; printf end; echo to stderr $me >&2";
    let output = two.invoke(&[script]);
    output.success();
    assert_eq!(
        sorted(&output),
        [
            "server1| end",
            "server1| one 1",
            "server1| two 1",
            "server2| end",
            "server2| one 2",
            "server2| two 2",
        ]
    );
    let mut errors: Vec<_> = output.stderr_text().lines().map(str::to_owned).collect();
    errors.sort();
    assert_eq!(errors, ["server1| to stderr 1", "server2| to stderr 2"]);

    let output = two.invoke(&["--hide-computer-name", script]);
    output.success();
    assert_eq!(
        sorted(&output),
        ["end", "end", "one 1", "one 2", "two 1", "two 2"]
    );
}

#[test]
fn lines_of_several_are_never_mixed() {
    let two = two();
    let output =
        two.invoke(&["for i in {1..3000}; do printf 'a%.0s' {1..7}; printf ' %s\\n' $i; done"]);
    output.success();
    for name in ["server1", "server2"] {
        let own: Vec<_> = output
            .stdout_text()
            .lines()
            .filter_map(|line| line.strip_prefix(&format!("{name}| ")).map(str::to_owned))
            .collect();
        let expected: Vec<_> = (1..=3000).map(|i| format!("aaaaaaa {i}")).collect();
        assert_eq!(own, expected);
    }
}

#[test]
fn json_results_of_several_are_in_order() {
    let two = two();
    let output = two.invoke(&["--output", "json", "echo $me; exit $((me - 1))"]);
    let results = array(output.code(3).json());
    let seen: Vec<_> = results
        .iter()
        .map(|result| {
            json!([
                result["computer_name"],
                result["name"],
                result["outcome"],
                result["exit_code"],
                result["stdout"]
            ])
        })
        .collect();
    assert_eq!(
        Value::Array(seen),
        json!([
            ["server1", "Session1", "completed", 0, "1\n"],
            ["server2", "Session2", "completed", 1, "2\n"],
        ])
    );
}

#[test]
fn exit_code_of_several_is_the_worst() {
    let two = two();
    two.invoke(&["true"]).code(0);
    two.invoke(&["[ $me = 1 ]"]).code(3);
    two.invoke(&["exit 77"]).code(3);
    two.invoke(&["--", "sh", "-c", "kill $$"]).code(3);
    two.invoke(&["--timeout", "1s", "[ $me = 1 ] && sleep 1000"])
        .code(5);

    let mut gone = Sshd::builder().address("127.0.0.4").start();
    two.machine.host("gone", &gone).add();
    gone.stop_listening();
    let machine = &two.machine;
    let output = machine.outlast(&["invoke", "-c", "server1,gone", "echo here"]);
    output
        .code(4)
        .stdout_is("server1| here\n")
        .stderr_has("gone")
        .no_panic();
    machine
        .outlast(&["invoke", "-c", "server1,gone", "false"])
        .code(4);
    machine
        .outlast(&[
            "invoke",
            "-c",
            "server1,gone",
            "--timeout",
            "1s",
            "sleep 1000",
        ])
        .code(5);
    machine
        .outlast(&["invoke", "-c", "gone", "true"])
        .code(255)
        .stdout_is("")
        .stderr_has("refused the connection");

    let output = machine.outlast(&["invoke", "-c", "server1,gone", "--output", "json", "true"]);
    let outcomes: Vec<_> = array(output.code(4).json())
        .iter()
        .map(|result| json!([result["computer_name"], result["outcome"]]))
        .collect();
    assert_eq!(
        Value::Array(outcomes),
        json!([["server1", "completed"], ["gone", "unreachable"]])
    );
}

#[test]
fn help_documents_the_exit_codes() {
    let world = World::local();
    let output = world.outlast(&["help", "exit-codes"]);
    output.success().stderr_is("");
    for code in ["124", "130", "255", "128+n", "3", "4", "5", "1", "2"] {
        let documented = output
            .stdout_text()
            .lines()
            .any(|line| line.trim_start().starts_with(&format!("{code} ")));
        assert!(documented, "{code}\n{output}");
    }
}

#[test]
fn events_of_several_come_together() {
    let two = two();
    let output = two.invoke(&["--output", "ndjson", "echo $me; exit $me"]);
    let mut events = output.code(3).stderr_is("").ndjson();
    // Each session's own are in order.
    events.sort_by_key(|event| event["computer_name"].to_string());
    let seen: Vec<_> = events
        .iter()
        .map(|event| {
            json!([
                event["name"],
                event["type"],
                event["data"],
                event["exit_code"]
            ])
        })
        .collect();
    assert_eq!(
        Value::Array(seen),
        json!([
            ["Session1", "started", null, null],
            ["Session1", "output", "1\n", null],
            ["Session1", "completed", null, 1],
            ["Session2", "started", null, null],
            ["Session2", "output", "2\n", null],
            ["Session2", "completed", null, 2],
        ])
    );
}

#[test]
fn several_are_interrupted_together() {
    let two = two();
    let running = two.machine.spawn(&[
        "invoke",
        "-s",
        "1,2",
        "export me; sh -c 'echo up $me; exec sleep 1000'; echo never",
    ]);
    running.wait_line("up");
    running.wait_line("up");
    running.sigint();
    let output = running.wait();
    output.code(5);
    assert_eq!(sorted(&output), ["server1| up 1", "server2| up 2"]);
    let output = two.invoke(&["echo $me lives"]);
    output.success();
    assert_eq!(sorted(&output), ["server1| 1 lives", "server2| 2 lives"]);
}

#[test]
fn several_are_started_and_left() {
    let two = two();
    let expected = crate::world::table(&[
        (1, "Session1", "server1", "Disconnected", "None"),
        (2, "Session2", "server2", "Disconnected", "None"),
    ]);
    two.invoke(&["-d", "echo from $me; exit 1$me"])
        .success()
        .stdout_is(&expected)
        .stderr_is("");
    for (id, code) in [("1", 11), ("2", 12)] {
        two.machine
            .outlast(&["receive", id, "--follow"])
            .code(code)
            .stdout_is(&format!("from {id}\n"))
            .stderr_is("");
    }
}

#[test]
fn several_take_turns_when_throttled() {
    let two = two();
    let gate = Gate::new();
    let script = format!(
        "[ $me = 2 ] || {{ echo up; read -r _ <{}; }}; echo $me",
        gate.word()
    );
    let running = two
        .machine
        .spawn(&["invoke", "-n", "-s", "1,2", "--throttle", "1", &script]);
    running.wait_line("up");
    two.machine
        .outlast(&["get"])
        .success()
        .stdout_is(&crate::world::table(&[
            (1, "Session1", "server1", "Opened", "Busy"),
            (2, "Session2", "server2", "Opened", "Available"),
        ]));
    gate.open();
    running
        .wait()
        .success()
        .stdout_is("server1| up\nserver1| 1\nserver2| 2\n")
        .stderr_is("");
}

#[test]
fn received_output_as_objects() {
    let world = World::new().with_session();
    world
        .outlast(&[
            "invoke",
            "-s",
            "work",
            "-d",
            "echo out; echo err >&2; exit 3",
        ])
        .success();
    let output = world.outlast(&["receive", "work", "--follow", "--output", "json"]);
    let object = output.code(3).json();
    let fields = [
        "computer_name",
        "name",
        "outcome",
        "exit_code",
        "stdout",
        "stderr",
    ];
    let object = if object.is_array() {
        object[0].clone()
    } else {
        object
    };
    let seen: Vec<_> = fields.iter().map(|field| object[field].clone()).collect();
    assert_eq!(
        Value::Array(seen),
        json!(["server", "work", "completed", 3, "out\n", "err\n"])
    );
}
