//! Making, finding, choosing, leaving and ending sessions, on one host and on several.

use outlast_tests::{ClientMachine, Sshd};

use crate::world::{World, session, sorted, table, text};

const HOSTS: [&str; 3] = ["server1", "server2", "server3"];

fn three_servers() -> Vec<Sshd> {
    ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
        .iter()
        .map(|address| Sshd::builder().address(address).start())
        .collect()
}

fn knowing(servers: &[Sshd]) -> ClientMachine {
    let machine = ClientMachine::new();
    for (name, sshd) in HOSTS.iter().zip(servers) {
        machine.host(name, sshd).add();
    }
    machine
}

/// A machine with a session on each of the three, each of which knows who it is.
fn one_on_each(servers: &[Sshd]) -> ClientMachine {
    let machine = knowing(servers);
    machine
        .outlast(&["new", "server1,server2,server3"])
        .success();
    for id in ["1", "2", "3"] {
        let script = format!("me={id}");
        machine.outlast(&["invoke", "-s", id, &script]).success();
    }
    machine
}

#[test]
fn three_hosts_in_one_table() {
    let servers = three_servers();
    let machine = knowing(&servers);
    let expected = table(&[
        (1, "Session1", "server1", "Opened", "Available"),
        (2, "Session2", "server2", "Opened", "Available"),
        (3, "Session3", "server3", "Opened", "Available"),
    ]);
    machine
        .outlast(&["new", "server1,server2,server3"])
        .success()
        .stdout_is(&expected)
        .stderr_is("");
    machine
        .outlast(&["get"])
        .success()
        .stdout_is(&expected)
        .stderr_is("");

    machine
        .outlast(&["disconnect", "2"])
        .success()
        .stdout_is(&table(&[(
            2,
            "Session2",
            "server2",
            "Disconnected",
            "None",
        )]));
    machine.outlast(&["get"]).success().stdout_is(&table(&[
        (1, "Session1", "server1", "Opened", "Available"),
        (2, "Session2", "server2", "Disconnected", "None"),
        (3, "Session3", "server3", "Opened", "Available"),
    ]));
    machine
        .outlast(&["connect", "2"])
        .success()
        .stdout_is(&table(&[(2, "Session2", "server2", "Opened", "Available")]));

    machine
        .outlast(&["remove", "1,2,3"])
        .success()
        .stderr_is("");
    machine.outlast(&["get"]).success().stdout_is("");
    servers.iter().for_each(Sshd::wait_nothing_left);
}

#[test]
fn selectors_choose_what_they_say() {
    let servers = three_servers();
    let machine = one_on_each(&servers);
    let instance = |name: &str| text(&session(&machine, name)["instance_id"]);
    let (second, third) = (instance("Session2"), instance("Session3"));
    let several = |numbers: &[&str]| -> Vec<String> {
        numbers.iter().map(|n| format!("server{n}| {n}")).collect()
    };
    let invoke = |selectors: &[&str]| {
        let mut args = vec!["invoke"];
        for selector in selectors {
            args.extend(["-s", selector]);
        }
        args.push("echo $me");
        let output = machine.outlast(&args);
        output.success().stderr_is("");
        output
    };

    invoke(&["2"]).stdout_is("2\n");
    invoke(&["Session3"]).stdout_is("3\n");
    invoke(&[&second]).stdout_is("2\n");
    invoke(&[&third[..8]]).stdout_is("3\n");
    invoke(&[&third.to_uppercase()]).stdout_is("3\n");
    invoke(&["S*3"]).stdout_is("3\n");
    invoke(&["2,Session2", &second]).stdout_is("2\n");

    assert_eq!(sorted(&invoke(&["1,2,3"])), several(&["1", "2", "3"]));
    assert_eq!(sorted(&invoke(&["Session*"])), several(&["1", "2", "3"]));
    assert_eq!(sorted(&invoke(&["Session[13]"])), several(&["1", "3"]));
    assert_eq!(sorted(&invoke(&["1", "Session2"])), several(&["1", "2"]));
    assert_eq!(sorted(&invoke(&["3,1", &third])), several(&["1", "3"]));
}

#[test]
fn selector_of_nothing_is_an_error_and_nothing_runs() {
    let world = World::new().with_session();
    for unknown in ["2", "nobody", "w?", "00000000-0000-0000-0000-000000000000"] {
        world
            .outlast(&["invoke", "-s", &format!("work,{unknown}"), "ran=yes"])
            .code(2)
            .stdout_is("")
            .stderr_has(unknown)
            .no_panic();
    }
    world.invoke("echo \"[$ran]\"").success().stdout_is("[]\n");
}

#[test]
fn get_selects() {
    let servers = three_servers();
    let machine = one_on_each(&servers);
    machine.outlast(&["disconnect", "3"]).success();
    let rows = [
        (1, "Session1", "server1", "Opened", "Available"),
        (2, "Session2", "server2", "Opened", "Available"),
        (3, "Session3", "server3", "Disconnected", "None"),
    ];
    let instance = text(&session(&machine, "Session2")["instance_id"]);
    let get = |args: &[&str]| machine.outlast(&[&["get"], args].concat());
    get(&["--name", "*2"])
        .success()
        .stdout_is(&table(&rows[1..2]));
    get(&["--id", "1,3"])
        .success()
        .stdout_is(&table(&[rows[0], rows[2]]));
    get(&["--state", "Disconnected"])
        .success()
        .stdout_is(&table(&rows[2..]));
    get(&["--instance-id", &instance])
        .success()
        .stdout_is(&table(&rows[1..2]));
    get(&["--name", "nobody"]).success().stdout_is("");
    get(&["server2"]).success().stdout_is(&table(&rows[1..2]));
    get(&["server3,server1"])
        .success()
        .stdout_is(&table(&[rows[0], rows[2]]));
}

#[test]
fn another_machine_lists_and_removes() {
    let servers = three_servers();
    let first = one_on_each(&servers);
    let instances: Vec<_> = ["Session1", "Session2", "Session3"]
        .iter()
        .map(|name| text(&session(&first, name)["instance_id"]))
        .collect();
    let second = knowing(&servers);
    second.outlast(&["get"]).success().stdout_is("");

    // Held by the first machine.
    let held = [
        (1, "Session1", "server1", "Disconnected", "Busy"),
        (2, "Session2", "server2", "Disconnected", "Busy"),
        (3, "Session3", "server3", "Disconnected", "Busy"),
    ];
    second
        .outlast(&["get", "server1"])
        .success()
        .stdout_is(&table(&held[..1]));
    second
        .outlast(&["get", "server2"])
        .success()
        .stdout_is(&table(&held[1..2]));
    second
        .outlast(&["get", "server3"])
        .success()
        .stdout_is(&table(&held[2..]));
    second.outlast(&["get"]).success().stdout_is(&table(&held));
    second
        .outlast(&["invoke", "-s", "1", "true"])
        .code(255)
        .stdout_is("")
        .stderr_has("Session1");

    // Free.
    first.outlast(&["disconnect", "*"]).success();
    second
        .outlast(&["get", HOSTS[0], HOSTS[1], HOSTS[2]])
        .success()
        .stdout_is(&table(&[
            (1, "Session1", "server1", "Disconnected", "None"),
            (2, "Session2", "server2", "Disconnected", "None"),
            (3, "Session3", "server3", "Disconnected", "None"),
        ]));

    // By Id after `get`, by instance ID and by name with the host.
    second.outlast(&["remove", "1"]).success().stderr_is("");
    second
        .outlast(&["remove", "-c", "server2", &instances[1]])
        .success()
        .stderr_is("");
    second
        .outlast(&["remove", "-c", "server3", "Session3"])
        .success()
        .stderr_is("");
    second.outlast(&["get"]).success().stdout_is("");
    servers.iter().for_each(Sshd::wait_nothing_left);

    first
        .outlast(&["get", "server1,server2,server3"])
        .success()
        .stdout_is("");
    first
        .outlast(&["invoke", "-s", "1", "true"])
        .code(255)
        .stdout_is("")
        .no_panic();
}

/// Sessions that another machine holds can be removed too: it is the same user.
#[test]
fn another_machine_removes_what_is_held_and_busy() {
    let world = World::new().with_session();
    let running = world.start("echo up; sleep 1000 & sleep 1000");
    running.wait_line("up");
    let second = world.second_machine();
    second
        .outlast(&["remove", "-c", "server", "work"])
        .success()
        .stderr_is("");
    running
        .wait()
        .code(255)
        .stdout_is("up\n")
        .stderr_has("removed")
        .no_panic();
    world.sshd().wait_nothing_left();
}

#[test]
fn names_are_unique_on_a_host_while_they_live() {
    let world = World::new().with_session();
    let second = world.second_machine();
    for machine in [&world.machine, &second] {
        machine
            .outlast(&["new", "server", "-n", "work"])
            .code(2)
            .stdout_is("")
            .stderr_has("work")
            .no_panic();
    }
    world.outlast(&["remove", "work"]).success();
    second
        .outlast(&["new", "server", "-n", "work"])
        .success()
        .stdout_is(&table(&[(1, "work", "server", "Opened", "Available")]));
    second.outlast(&["remove", "1"]).success();
    world.sshd().wait_nothing_left();
}

#[test]
fn default_names_count_up_and_go_around_those_of_others() {
    let world = World::new();
    let second = world.second_machine();
    let new = |machine: &ClientMachine| machine.outlast(&["new", "server"]);
    new(&world.machine).success().stdout_is(&table(&[(
        1,
        "Session1",
        "server",
        "Opened",
        "Available",
    )]));
    new(&world.machine).success().stdout_is(&table(&[(
        2,
        "Session2",
        "server",
        "Opened",
        "Available",
    )]));
    new(&second)
        .success()
        .stdout_is(&table(&[(1, "Session3", "server", "Opened", "Available")]));
}

#[test]
fn ids_are_never_used_again() {
    let world = World::new().with_session();
    world.outlast(&["remove", "1"]).success();
    world
        .outlast(&["new", "server"])
        .success()
        .stdout_is(&table(&[(2, "Session1", "server", "Opened", "Available")]));
}

#[test]
fn one_name_on_several_hosts() {
    let servers = three_servers();
    let machine = knowing(&servers);
    let expected = table(&[
        (1, "deploy", "server1", "Opened", "Available"),
        (2, "deploy", "server2", "Opened", "Available"),
        (3, "deploy", "server3", "Opened", "Available"),
    ]);
    let hosts = ["new", "server1", "server2,server3", "-n", "deploy"];
    machine.outlast(&hosts).success().stdout_is(&expected);
    let output = machine.outlast(&["invoke", "-s", "deploy", "echo here"]);
    output.success();
    assert_eq!(
        sorted(&output),
        ["server1| here", "server2| here", "server3| here"]
    );
    machine.outlast(&["remove", "deploy"]).success();
    servers.iter().for_each(Sshd::wait_nothing_left);
}

#[test]
fn one_bad_host_does_not_stop_the_others() {
    let mut servers = three_servers();
    let machine = knowing(&servers);
    servers[1].stop_listening();
    let output = machine.outlast(&["new", "server1,server2,server3", "-n", "x"]);
    output.code(4).stderr_has("server2").no_panic();
    let text = output.stdout_text();
    assert!(
        text.contains(" server1 ") && text.contains(" server3 "),
        "{output}"
    );
    assert!(!text.contains("server2"), "{output}");
}

#[test]
fn temporary_sessions_vanish() {
    let servers = three_servers();
    let machine = knowing(&servers);
    machine
        .outlast(&["invoke", "-c", "server1", "me=x; echo $me; exit 3"])
        .code(3)
        .stdout_is("x\n")
        .stderr_is("");
    let output = machine.outlast(&["invoke", "-c", "server2,server3", "echo \"[$me]\""]);
    output.success().stderr_is("");
    assert_eq!(sorted(&output), ["server2| []", "server3| []"]);
    machine.outlast(&["get"]).success().stdout_is("");
    machine.outlast(&["get", "server1"]).success().stdout_is("");
    servers.iter().for_each(Sshd::wait_nothing_left);
}

/// What takes the shell's place is the rest of the command, and its end that of the command.
#[test]
fn temporary_session_may_end_with_exec() {
    let world = World::new();
    let run = |script| world.outlast(&["invoke", "-c", "server", script]);
    run("exec sh -c 'echo last words; exit 6'")
        .code(6)
        .stdout_is("last words\n")
        .stderr_is("");
    run("exec true").success().stderr_is("");
    run("kill -9 $$").code(137).no_panic();
    world.sshd().wait_nothing_left();
}

#[test]
fn temporary_session_vanishes_with_its_command_line() {
    let world = World::new();
    let running =
        world
            .machine
            .spawn(&["invoke", "-c", "server", "echo up; sleep 1000 & sleep 1000"]);
    running.wait_line("up");
    running.kill9();
    world.sshd().wait_nothing_left();
}

#[test]
fn nothing_is_left_of_a_session_with_jobs() {
    let world = World::new().with_session();
    world
        .invoke("(trap '' HUP INT TERM; sleep 1000) & nohup sleep 1000 >/dev/null 2>&1 & disown; sleep 1000 | cat &")
        .success();
    let host = world.sshd().hosts();
    assert_eq!(host.len(), 1, "{host:?}");
    world.remove_and_leave_nothing();
    assert_eq!(world.sshd().hosts(), []);
}

/// Without the multiplexer's process nothing is lost but the attachment.
#[test]
fn sessions_are_known_after_the_mux_was_stopped() {
    let world = World::new().with_session();
    world.invoke("x=kept").success();
    world.outlast(&["mux", "stop"]).success();
    world.outlast(&["get"]).success().stdout_is(&table(&[(
        1,
        "work",
        "server",
        "Disconnected",
        "None",
    )]));
    world.invoke("echo $x").success().stdout_is("kept\n");
    world.outlast(&["get"]).success().stdout_is(&table(&[(
        1,
        "work",
        "server",
        "Opened",
        "Available",
    )]));
}
