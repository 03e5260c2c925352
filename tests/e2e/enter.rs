//! `enter`: the session's own shell on a real terminal.

mod links;
mod pastes;
mod programs;
mod questions;
mod terminal;
mod visits;
mod witness;

use outlast_tests::ClientMachine;
use outlast_tests::pty::OnPty;

use crate::stage::{Stage, run};

/// A prompt that nothing else says.
const PROMPT: &str = "PS1='here> '; PS2='more> '";

/// Enters, and waits for the prompt.
fn enter(machine: &ClientMachine, args: &[&str]) -> OnPty {
    let visit = machine.on_pty(&[&["enter"], args].concat());
    at_prompt(&visit);
    visit
}

fn last(lines: &[String]) -> &str {
    lines.last().map_or("", String::as_str)
}

fn at_prompt(visit: &OnPty) {
    visit.expect_lines("a prompt on the last line", |lines| last(lines) == "here>");
}

fn shows(visit: &OnPty, wanted: &str) -> Vec<String> {
    visit.expect_lines(wanted, |lines| lines.iter().any(|line| line == wanted))
}

/// Leaves by the keys.
fn leave(mut visit: OnPty, session: &str) {
    visit.send("\x1cd");
    visit.expect(&format!(
        "left session {session}; `outlast enter {session}` returns"
    ));
    visit.ended().code(0);
    assert!(visit.is_cooked());
}

fn set(names: &[&str]) -> Stage {
    let stage = Stage::set();
    for name in names {
        stage.new_session(name);
        run(&stage.machine, &["invoke", "-n", "-s", name, PROMPT]).success();
    }
    stage
}
