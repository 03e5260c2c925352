//! Stopping commands, leaving them, coming back to them, queueing them.

use outlast_tests::{ClientMachine, Gate, pty};

use crate::world::{World, session, table};

#[test]
fn timeout_stops_the_command_and_not_the_session() {
    let world = World::new().with_session();
    world.invoke("x=kept").success();
    let invoke = |script: &str| world.outlast(&["invoke", "-s", "work", "--timeout", "1s", script]);
    invoke("echo begun; sleep 1000; echo never")
        .code(124)
        .stdout_is("begun\n");
    invoke("while :; do :; done").code(124).stdout_is("");
    invoke("trap '' INT; sh -c 'trap \"\" INT TERM; while :; do :; done'").code(124);
    // In time is in time.
    world
        .outlast(&["invoke", "-s", "work", "--timeout", "1h", "exit 7"])
        .code(7)
        .stderr_is("");
    world.invoke("echo $x").success().stdout_is("kept\n");
}

#[test]
fn ctrl_c_interrupts_the_command_and_not_the_session() {
    let world = World::new().with_session();
    world.invoke("x=kept").success();
    // A program says that it is ready: then it has the terminal, and nothing is in between.
    for script in [
        "sh -c 'echo ready; exec sleep 1000'",
        "sh -c 'echo ready; exec sleep 1000' | cat",
        "for i in 1 2 3; do sh -c 'echo ready; exec sleep 1000'; done",
        "echo ready; while :; do :; done",
        "wait_here() { echo ready; read -r _ </dev/tty; }; wait_here",
    ] {
        let script = format!("{script}; echo never");
        let terminal = world.machine.on_pty(&["invoke", "-s", "work", &script]);
        terminal.expect("ready").send(pty::CTRL_C);
        let output = terminal.wait();
        output.code(130);
        assert!(!output.stdout_text().contains("never"), "{output}");
        world.invoke("echo $x").success().stdout_is("kept\n");
    }
}

#[test]
fn sigint_interrupts_without_a_terminal() {
    let world = World::new().with_session();
    let running = world.start("sh -c 'echo ready; exec sleep 1000'; echo never");
    running.wait_line("ready");
    running.sigint();
    running.wait().code(130).stdout_is("ready\n");
    world.invoke("echo lives").success().stdout_is("lives\n");
}

/// A command that answers an interrupt with words, and goes on until the gate opens.
fn stubborn(gate: &Gate) -> String {
    format!(
        "trap 'echo caught' INT; echo ready; until read -r line <{}; do :; done; echo rest",
        gate.word()
    )
}

#[test]
fn second_ctrl_c_leaves_the_command_running() {
    let world = World::new().with_session();
    let gate = Gate::new();
    let script = stubborn(&gate);
    let args = ["invoke", "-s", "work", "--", "bash", "-c", &script];
    let terminal = world.machine.on_pty(&args);
    terminal.expect("ready").send(pty::CTRL_C);
    terminal.expect("caught").send(pty::CTRL_C);
    terminal.expect("outlast receive --follow work");
    terminal.wait().code(130);
    world.outlast(&["get"]).success().stdout_is(&table(&[(
        1,
        "work",
        "server",
        "Disconnected",
        "None",
    )]));
    assert!(world.session()["running"].is_string());

    let follower = world.machine.spawn(&["receive", "--follow", "work"]);
    gate.open();
    // It handled the interrupt and ended well: it was not cancelled.
    follower.wait().success().stdout_is("rest\n").stderr_is("");
}

#[test]
fn command_that_handles_the_interrupt_keeps_its_own_status() {
    let world = World::new().with_session();
    let script =
        "trap 'echo cleaning up; exit 0' INT; echo ready; while :; do sleep 1000 & wait $!; done";
    let running = world
        .machine
        .spawn(&["invoke", "-s", "work", "--", "sh", "-c", script]);
    running.wait_line("ready");
    running.sigint();
    running.wait().code(0).stdout_is("ready\ncleaning up\n");
}

fn detach(world: &World, script: &str) {
    detach_behind(world, 0, script);
}

/// Starts a command behind so many others and leaves it.
fn detach_behind(world: &World, others: usize, script: &str) {
    let note = match others {
        0 => String::new(),
        _ => waiting_behind(world, others) + "\n",
    };
    world
        .outlast(&["invoke", "-s", "work", "-d", script])
        .success()
        .stdout_is(&table(&[(1, "work", world.host, "Disconnected", "None")]))
        .stderr_is(&note);
}

fn waiting_behind(world: &World, others: usize) -> String {
    format!(
        "{}: waiting behind {others} of the session's commands",
        world.host
    )
}

fn detached_command_is_received(world: &World, machine: &ClientMachine, receive: &[&str]) {
    let gate = Gate::new();
    detach(
        world,
        &format!(
            "echo one; echo error >&2; read -r _ <{}; printf two; exit 9",
            gate.word()
        ),
    );
    let follower = machine.spawn(&[receive, &["--follow"]].concat());
    follower.wait_line("one");
    follower.wait_stderr("error");
    gate.open();
    follower
        .wait()
        .code(9)
        .stdout_is("one\ntwo")
        .stderr_is("error\n");
    // It is received now, and stays so.
    machine
        .outlast(receive)
        .success()
        .stdout_is("")
        .stderr_is("");
    let again = [receive, &["--from", "start"]].concat();
    machine
        .outlast(&again)
        .success()
        .stdout_is("one\ntwo")
        .stderr_is("error\n");
}

#[test]
fn detached_command_is_followed_by_its_own_client() {
    let world = World::new().with_session();
    detached_command_is_received(&world, &world.machine, &["receive", "work"]);
    world.remove_and_leave_nothing();
}

#[test]
fn detached_command_is_followed_by_its_own_client_on_this_computer() {
    let world = World::local().with_session();
    detached_command_is_received(&world, &world.machine, &["receive", "work"]);
    world.outlast(&["remove", "work"]).success();
}

#[test]
fn detached_command_is_followed_by_another_client() {
    let world = World::new().with_session();
    let second = world.second_machine();
    let instance = world.instance();
    detached_command_is_received(&world, &second, &["receive", "-c", "server", &instance]);
    second.outlast(&["remove", "1"]).success();
    world.sshd().wait_nothing_left();
}

/// Started and left on a host without a session: one is made and stays.
#[test]
fn detached_command_on_a_host_makes_a_session() {
    let world = World::new();
    world
        .outlast(&["invoke", "-c", "server", "-d", "echo made; x=kept"])
        .success()
        .stdout_is(&table(&[(1, "Session1", "server", "Disconnected", "None")]));
    world
        .outlast(&["receive", "1", "--follow"])
        .success()
        .stdout_is("made\n");
    world
        .outlast(&["invoke", "-s", "1", "echo $x"])
        .success()
        .stdout_is("kept\n");
    world.outlast(&["remove", "1"]).success();
    world.sshd().wait_nothing_left();
}

#[test]
fn receive_returns_at_once_with_what_there_is() {
    let world = World::new().with_session();
    let (gate, there) = (Gate::new(), Gate::new());
    detach(
        &world,
        &format!(
            "echo one; echo >{}; read -r _ <{}; echo two; exit 3",
            there.word(),
            gate.word()
        ),
    );
    there.wait();
    // The line was written before the gate; the host may read it after.
    let first = world.machine.spawn(&["receive", "work", "--follow"]);
    first.wait_line("one");
    first.kill9();
    world
        .outlast(&["receive", "work", "--from", "start"])
        .success()
        .stdout_is("one\n");
    gate.open();
    world.outlast(&["receive", "work", "--follow"]).code(3);
    world
        .outlast(&["receive", "work", "--from", "start"])
        .success()
        .stdout_is("one\ntwo\n");
}

#[test]
fn foreground_output_is_received_already() {
    let world = World::new().with_session();
    world
        .invoke("echo seen; exit 5")
        .code(5)
        .stdout_is("seen\n");
    world
        .outlast(&["receive", "work"])
        .success()
        .stdout_is("")
        .stderr_is("");
    world
        .outlast(&["receive", "work", "--follow"])
        .success()
        .stdout_is("");
    // Another client has not received it.
    world.outlast(&["disconnect", "work"]).success();
    let second = world.second_machine();
    second
        .outlast(&["receive", "-c", "server", "work"])
        .success()
        .stdout_is("seen\n");
}

#[test]
fn receive_replays_from_where_it_is_told() {
    let world = World::new().with_session();
    for word in ["one", "two", "three"] {
        world.invoke(&format!("echo {word}")).success();
    }
    let receive = |from: &str| world.outlast(&["receive", "work", "--from", from]);
    let all = world.outlast(&["receive", "work", "--from", "start", "--output", "ndjson"]);
    let events = all.success().ndjson();
    let kinds: Vec<_> = events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["started", "output", "completed"].repeat(3), "{all}");
    let numbers: Vec<_> = events
        .iter()
        .map(|event| event["seq"].as_u64().unwrap())
        .collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");

    receive("start").success().stdout_is("one\ntwo\nthree\n");
    receive(&numbers[0].to_string())
        .success()
        .stdout_is("one\ntwo\nthree\n");
    receive(&numbers[4].to_string())
        .success()
        .stdout_is("two\nthree\n");
    receive(&numbers[5].to_string())
        .success()
        .stdout_is("three\n");
    receive("-2").success().stdout_is("three\n");
    receive("-5").success().stdout_is("two\nthree\n");
    receive("-1000").success().stdout_is("one\ntwo\nthree\n");
    receive(&(numbers[8] + 1).to_string())
        .success()
        .stdout_is("");
    receive("sometime").code(2).stdout_is("").no_panic();
}

#[test]
fn queued_commands_run_in_order() {
    let world = World::new().with_session();
    let gate = Gate::new();
    detach(
        &world,
        &format!("read -r _ <{}; echo first; n=1", gate.word()),
    );
    for number in 2..=9 {
        detach_behind(
            &world,
            number - 1,
            &format!("echo \"number $((n + 1))\"; n={number}; (exit {number})"),
        );
    }
    let follower = world.machine.spawn(&["receive", "work", "--follow"]);
    gate.open();
    let expected: String = (2..=9).map(|n| format!("number {n}\n")).collect();
    follower
        .wait()
        .code(9)
        .stdout_is(&format!("first\n{expected}"))
        .stderr_is("");
}

#[test]
fn two_at_once_take_turns() {
    let world = World::new().with_session();
    let gate = Gate::new();
    let script = format!(
        "echo first is up; read -r _ <{}; x=set; echo first; exit 3",
        gate.word()
    );
    let mut first = world.start(&script);
    first.close_stdin();
    first.wait_line("first is up");
    world
        .outlast(&["get"])
        .success()
        .stdout_is(&table(&[(1, "work", "server", "Opened", "Busy")]));
    world
        .outlast(&["invoke", "-s", "work", "--no-wait", "echo never"])
        .code(255)
        .stdout_is("")
        .stderr_is(
            "error: another command is running\n\
             hint: without --no-wait it runs when its turn comes\n",
        );

    let mut second =
        world
            .machine
            .spawn(&["invoke", "-s", "work", "echo second, x is $x; cat; exit 4"]);
    second.feed(b"its own input".to_vec());
    second.wait_stderr(&waiting_behind(&world, 1));
    gate.open();
    first
        .wait()
        .code(3)
        .stdout_is("first is up\nfirst\n")
        .stderr_is("");
    second
        .wait()
        .code(4)
        .stdout_is("second, x is set\nits own input")
        .stderr_is(&(waiting_behind(&world, 1) + "\n"));
}

#[test]
fn many_at_once_all_run_once() {
    let world = World::new().with_session();
    world.invoke("n=0").success();
    let running: Vec<_> = (0..12)
        .map(|k| {
            let script = format!("n=$((n + 1)); echo {k}; cat; exit {k}");
            let mut running = world.start(&script);
            running.feed(format!("input {k}").into_bytes());
            running
        })
        .collect();
    for (k, running) in running.into_iter().enumerate() {
        let code = i32::try_from(k).unwrap();
        running
            .wait()
            .code(code)
            .stdout_is(&format!("{k}\ninput {k}"));
    }
    world.invoke("echo $n").success().stdout_is("12\n");
}

#[test]
fn waiting_command_can_be_cancelled_before_it_runs() {
    let world = World::new().with_session();
    let gate = Gate::new();
    let first = world.start(&format!("echo up; read -r _ <{}; echo first", gate.word()));
    first.wait_line("up");
    let second = world
        .machine
        .spawn(&["invoke", "-s", "work", "--output", "ndjson", "ran=yes"]);
    second.wait_stderr(&waiting_behind(&world, 1));
    let third = world.start("echo \"[$ran]\"");
    third.wait_stderr(&waiting_behind(&world, 2));
    second.sigint();
    let output = second.wait();
    output.code(130).no_panic();
    gate.open();
    first.wait().success().stdout_is("up\nfirst\n");
    third.wait().success().stdout_is("[]\n");
}

#[test]
fn session_ends_with_the_program_that_replaced_its_shell() {
    let world = World::new().with_session();
    world
        .invoke("exec sh -c 'echo last words; exit 6'")
        .stdout_is("last words\n")
        .no_panic();
    let session = session(&world.machine, "work");
    assert_eq!(session["state"], "Closed", "{session}");
    world.invoke("true").code(255).stdout_is("").no_panic();
    world.remove_and_leave_nothing();
}
