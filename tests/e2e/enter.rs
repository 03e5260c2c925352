//! `enter`: the session's own shell on a real terminal.

mod engines;
mod history;
mod links;
mod pastes;
mod programs;
mod terminal;
mod vim;
mod visits;
mod witness;

use outlast_tests::ClientMachine;
use outlast_tests::pty::OnPty;
use outlast_tests::screen::Seen;

use crate::stage::{Stage, run};

/// A prompt that nothing else says.
const PROMPT: &str = "PS1='here> '; PS2='more> '";

/// Enters, and waits for the prompt.
pub(crate) fn enter(machine: &ClientMachine, args: &[&str]) -> OnPty {
    let visit = machine.on_pty(&[&["enter"], args].concat());
    at_prompt(&visit);
    visit
}

pub(crate) fn last(lines: &[String]) -> &str {
    lines.last().map_or("", String::as_str)
}

pub(crate) fn at_prompt(visit: &OnPty) {
    visit.expect_screen("a prompt on the last line", is_at_prompt);
}

/// With the blank behind it, and nothing still to come.
fn is_at_prompt(seen: &Seen) -> bool {
    let (_, column) = seen.cursor;
    seen.last().ends_with("here>")
        && seen.at_cursor == "here>"
        && column == 6
        && seen.cursor_is_shown
}

/// Leaves and comes back, to the same screen with the same cursor and colours.
#[track_caller]
fn away_and_back(machine: &ClientMachine, visit: OnPty, before: &Seen) -> OnPty {
    leave(visit, "job");
    let visit = machine.on_pty(&["enter", "job"]);
    visit.expect_same(before);
    visit
}

fn shows(visit: &OnPty, wanted: &str) -> Vec<String> {
    visit.expect_lines(wanted, |lines| lines.iter().any(|line| line == wanted))
}

/// Leaves by the keys.
pub(crate) fn leave(mut visit: OnPty, session: &str) {
    visit.send("\x1cd");
    visit.expect(&format!(
        "left session {session}; `outlast enter {session}` returns"
    ));
    visit.ended().code(0);
    assert!(visit.is_cooked());
}

pub(crate) fn set(names: &[&str]) -> Stage {
    let stage = Stage::set();
    for name in names {
        stage.new_session(name);
        run(&stage.machine, &["invoke", "-n", "-s", name, PROMPT]).success();
    }
    stage
}
