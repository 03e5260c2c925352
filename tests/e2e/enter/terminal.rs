//! `invoke --tty`: one command on the terminal.

use outlast_tests::pty::CTRL_C;

use super::set;
use crate::stage::run;

#[test]
fn a_command_on_the_terminal_has_one() {
    let stage = set(&["job"]);
    let machine = &stage.machine;
    let script =
        "tty >/dev/null && echo terminal; stty size; read -r line; echo \"<$line>\"; exit 4";
    let mut visit = machine.on_pty(&["invoke", "--tty", "-s", "job", script]);
    visit.expect("24 80");
    visit.send("typed\r");
    visit.expect("<typed>");
    visit.ended().code(4).stdout_has("terminal");
    assert!(visit.is_cooked());
    let mut visit = machine.on_pty(&[
        "invoke",
        "--tty",
        "-s",
        "job",
        "trap 'echo int; exit 9' INT; echo ready; while :; do read -r _; done",
    ]);
    visit.expect("ready");
    visit.send(CTRL_C);
    visit.expect("int");
    visit.ended().code(9);
    let output = run(
        machine,
        &["invoke", "--tty", "-n", "-s", "job", "stty size"],
    );
    output.success().stdout_is("24 80\r\n");
    // What was shown there is output like any other, once.
    run(machine, &["receive", "job"]).success().stdout_is("");
    stage.strike(vec![]);
}
