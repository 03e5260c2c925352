//! Who is at the other end.

use outlast_tests::{ClientMachine, Sshd, process, pty};

use crate::stage::{one_error, run};

fn known_hosts(machine: &ClientMachine) -> String {
    std::fs::read_to_string(machine.home().join(".ssh/known_hosts")).unwrap()
}

fn stranger() -> (Sshd, ClientMachine) {
    let sshd = Sshd::start();
    let machine = ClientMachine::new();
    machine.host("stranger", &sshd).unknown().add();
    (sshd, machine)
}

#[test]
fn unknown_host_is_refused_where_nobody_can_be_asked() {
    let (sshd, machine) = stranger();
    let before = known_hosts(&machine);
    for args in [
        &["new", "stranger"][..],
        &["get", "stranger"],
        &["invoke", "-n", "-c", "stranger", "true"],
    ] {
        let output = run(&machine, args);
        one_error(&output, 255, &["unknown", "SHA256:"], "ssh-keyscan");
    }
    assert_eq!(known_hosts(&machine), before, "nothing is remembered");
    assert_eq!(sshd.hosts(), []);
}

#[test]
fn unknown_host_is_asked_about_on_a_terminal_and_remembered() {
    let (sshd, machine) = stranger();
    let terminal = machine.on_pty(&["new", "stranger", "-n", "job"]);
    terminal
        .expect("authenticity")
        .expect("SHA256:")
        .expect("yes/no")
        .send("yes")
        .send(pty::ENTER);
    terminal.wait().success().stdout_has("Opened");
    // The name in front of it may be hashed.
    let line = sshd.known_hosts_line(sshd.address());
    let key = line.split_once(' ').unwrap().1;
    assert!(known_hosts(&machine).contains(key), "{key}");
    // A mux that has never seen it, and nobody to ask.
    let mux = machine.mux_pid();
    run(&machine, &["mux", "stop"]).success();
    process::wait_gone(mux);
    run(&machine, &["invoke", "-n", "-s", "job", "echo known"])
        .success()
        .stdout_is("known\n");
}

#[test]
fn declined_host_is_not_connected_to() {
    let (sshd, machine) = stranger();
    let before = known_hosts(&machine);
    let terminal = machine.on_pty(&["new", "stranger"]);
    terminal.expect("yes/no").send("no").send(pty::ENTER);
    terminal.wait().no_panic().code(255).stdout_has("declined");
    assert_eq!(known_hosts(&machine), before);
    assert_eq!(sshd.hosts(), []);
}

#[test]
fn ctrl_c_at_the_question_ends_the_command_line() {
    let (sshd, machine) = stranger();
    let terminal = machine.on_pty(&["new", "stranger"]);
    terminal.expect("yes/no").send(pty::CTRL_C);
    terminal.wait().no_panic().code(130);
    assert_eq!(sshd.hosts(), []);
    // The question went away with its asker: the next one is asked anew.
    let terminal = machine.on_pty(&["new", "stranger"]);
    terminal.expect("yes/no").send("yes").send(pty::ENTER);
    terminal.wait().success();
}

#[test]
fn changed_host_key_is_always_refused() {
    let mut sshd = Sshd::start();
    let machine = ClientMachine::knowing("server", &sshd);
    sshd.regenerate_host_key();
    let before = known_hosts(&machine);
    for options in [
        &[][..],
        &["-o", "StrictHostKeyChecking=no"],
        &["-o", "StrictHostKeyChecking=accept-new"],
    ] {
        let output = run(&machine, &[&["new", "server"], options].concat());
        one_error(&output, 255, &["CHANGED", "known_hosts:"], "ssh-keygen");
    }
    // Nor is a person at a terminal asked: a changed key is no question.
    let terminal = machine.on_pty(&["new", "server"]);
    terminal.wait().code(255).stdout_has("CHANGED");
    assert_eq!(known_hosts(&machine), before);
    assert_eq!(sshd.hosts(), []);
}

#[test]
fn accept_new_asks_nobody() {
    let (_sshd, machine) = stranger();
    run(
        &machine,
        &["new", "stranger", "-o", "StrictHostKeyChecking=accept-new"],
    )
    .success();
    assert!(known_hosts(&machine).contains("ssh-ed25519"));
}
