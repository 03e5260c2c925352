//! Passwords that programs ask for in a plain `invoke`.

use outlast_tests::pty::CTRL_C;

use super::{last, leave, set};
use crate::stage::run;

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
