//! Programs that ask for a password: who is asked, and where.

use outlast_tests::pty::{CTRL_C, OnPty};
use outlast_tests::{binaries, process};

use crate::enter::{last, leave, set};
use crate::stage::{Stage, get, run};

/// Reads a password from the terminal, as `sudo` does, and says on standard output what it was.
const ASKS: &str =
    "bash -c 'read -rs -p \"secret please: \" x </dev/tty 2>/dev/tty; echo \"<$x>\"'";

#[test]
fn a_password_is_asked_of_whoever_invoked_and_shown_nowhere() {
    let stage = set(&["job"]);
    let machine = &stage.machine;
    let mut asked = machine.on_pty(&["invoke", "-n", "-s", "job", &format!("{ASKS} | tr a-z A-Z")]);
    asked.expect("a program in session job asks");
    asked.expect("secret please: ");
    asked.send("geheim\r");
    asked.expect("<GEHEIM>");
    let output = asked.ended();
    output.code(0);
    assert!(!output.stdout_text().contains("geheim"), "{output}");
    // Nor in the log of the session, nor on what its terminal shows a later visitor.
    run(machine, &["receive", "job", "--from", "start"])
        .success()
        .stdout_has("<GEHEIM>");
    let visit = machine.on_pty(&["enter", "job"]);
    // The program ended no line behind its prompt.
    visit.expect_lines("a prompt", |lines| last(lines) == "secret please: here>");
    assert!(!visit.screen.text().contains("geheim"));
    leave(visit, "job");
    stage.strike(vec![]);
}

#[test]
fn a_password_that_nobody_can_be_asked_for_is_an_error_that_says_so() {
    let stage = set(&["job"]);
    let asked = run(&stage.machine, &["invoke", "-n", "-s", "job", ASKS]);
    asked
        .success()
        .stdout_is("<>\n")
        .stderr_has("secret please:");
    asked.stderr_has("outlast invoke --tty");
    stage.strike(vec![]);
}

#[test]
fn a_question_is_withdrawn_when_its_command_is_cancelled() {
    let stage = set(&["job"]);
    let mut asked = stage.machine.on_pty(&["invoke", "-n", "-s", "job", ASKS]);
    asked.expect("secret please: ");
    asked.send(CTRL_C);
    asked.ended().code(130);
    assert!(asked.is_cooked(), "echo is on again");
    stage.strike(vec![]);
}

#[test]
fn a_question_survives_a_lost_link() {
    let stage = set(&["job"]);
    let mut asked = stage.machine.on_pty(&["invoke", "-n", "-s", "job", ASKS]);
    asked.expect("secret please: ");
    stage.proxy.refuse();
    stage.proxy.cut();
    asked.expect("interrupted");
    asked.send("while away\r");
    stage.proxy.resume();
    asked.expect("<while away>");
    asked.ended().code(0);
    stage.strike(vec![]);
}

/// A line of a shell on a terminal; `outlast` in it is the built one.
fn shell(stage: &Stage, line: &str) -> OnPty {
    let outlast = binaries::outlast();
    let line = line.replace("outlast", outlast.to_str().expect("a path of ours"));
    let bash = std::path::Path::new("/bin/bash");
    OnPty::start(&stage.machine.command(bash, &["--norc", "-c", &line]))
}

#[test]
fn it_is_asked_on_the_terminal_also_where_the_standard_streams_are_none() {
    let stage = set(&["job"]);
    std::fs::write(stage.machine.home().join("script"), ASKS).unwrap();
    let mut asked = shell(
        &stage,
        "echo from a pipe | outlast invoke -s job \"$(cat script); cat\" 2>errors | cat",
    );
    asked.expect("secret please: ");
    asked.send("geheim\r");
    asked.expect("<geheim>");
    asked.expect("from a pipe");
    asked.ended().code(0);
    let errors = std::fs::read_to_string(stage.machine.home().join("errors")).unwrap();
    assert_eq!(errors, "", "nothing is said of it elsewhere");
    stage.strike(vec![]);
}

/// Job control: what runs behind another program takes neither its keys nor its terminal.
#[test]
fn in_the_background_it_waits_for_the_foreground() {
    let stage = set(&["job"]);
    std::fs::write(stage.machine.home().join("script"), ASKS).unwrap();
    let mut asked = shell(
        &stage,
        "set -m; outlast invoke -n -s job \"$(cat script)\" & \
         read -r line; echo \"the shell read $line\"; fg",
    );
    asked.expect("it waits until this is in the foreground");
    asked.send("this\r");
    asked.expect("the shell read this");
    asked.expect("secret please: ");
    asked.send("geheim\r");
    asked.expect("<geheim>");
    asked.ended().code(0);
    assert!(asked.is_cooked());
    stage.strike(vec![]);
}

#[test]
fn a_command_that_nobody_waits_for_says_that_it_asks_and_asks_who_follows_it() {
    let stage = set(&["job"]);
    let machine = &stage.machine;
    run(machine, &["invoke", "-d", "-s", "job", ASKS]).success();
    // Held again, so that the news comes by itself.
    run(machine, &["connect", "job"]).success();
    // Somebody who cannot be asked takes nothing from who can.
    let follower = machine.spawn(&["receive", "--follow", "job"]);
    follower.wait_stderr("asks `secret please:`");
    let shown = get(machine, "job");
    assert_eq!(shown["asks"], "secret please:", "{shown:#}");
    let listed = run(machine, &["get", "server", "-v"]);
    listed
        .success()
        .stdout_has("(waits for an answer: secret please:)");
    listed.stderr_has("outlast receive --follow job");

    let mut asked = machine.on_pty(&["receive", "--follow", "job"]);
    asked.expect("a program in session job asks");
    asked.expect("secret please: ");
    asked.send("geheim\r");
    asked.expect("<geheim>");
    asked.ended().code(0);
    follower.wait().success().stdout_has("<geheim>");
    assert!(get(machine, "job")["asks"].is_null());
    stage.strike(vec![]);
}

#[test]
fn who_waits_behind_a_command_is_asked_what_that_asks() {
    let stage = set(&["job"]);
    let machine = &stage.machine;
    let dies = machine.spawn(&["invoke", "-n", "-s", "job", ASKS]);
    dies.wait_stderr("secret please:");
    dies.wait();
    run(machine, &["invoke", "-d", "-s", "job", ASKS]).success();
    let visit = machine.on_pty(&["enter", "job"]);
    visit.expect("secret please: ");
    visit.send("geheim\r");
    visit.expect_lines("a prompt", |lines| last(lines).ends_with("here>"));
    leave(visit, "job");
    run(machine, &["receive", "job"])
        .success()
        .stdout_has("<geheim>");
    stage.strike(vec![]);
}

#[test]
fn a_question_outlives_whoever_was_asked() {
    let stage = set(&["job"]);
    let machine = &stage.machine;
    let first = machine.on_pty(&["invoke", "-n", "-s", "job", ASKS]);
    first.expect("secret please: ");
    let mut second = machine.on_pty(&["receive", "--follow", "job"]);
    process::kill9(first.pid());
    second.expect("secret please: ");
    second.send("geheim\r");
    second.expect("<geheim>");
    second.ended().code(0);
    stage.strike(vec![]);
}
