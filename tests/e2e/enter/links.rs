//! Visits whose link, background process or own progress fails.

use std::time::Duration;

use outlast_tests::{Gate, process};
use rustix::process::Signal;

use super::{at_prompt, enter, last, leave, set, shows};
use crate::stage::{Stage, get};

#[test]
fn what_is_typed_while_the_link_is_down_is_typed_once() {
    let stage = set(&["job"]);
    let visit = enter(&stage.machine, &["job"]);
    stage.proxy.refuse();
    stage.proxy.cut();
    visit.expect_lines("the last line", |lines| {
        last(lines).starts_with("[outlast: connection lost: ")
    });
    visit.send("echo $((40 + 2)) once\r");
    stage.proxy.resume();
    let lines = shows(&visit, "42 once");
    assert!(
        !lines.iter().any(|line| line.contains("outlast:")),
        "{lines:#?}"
    );
    at_prompt(&visit);
    let count = visit.expect_lines("once", |_| true);
    assert_eq!(
        count.iter().filter(|line| *line == "42 once").count(),
        1,
        "{count:#?}"
    );
    leave(visit, "job");
    stage.strike(vec![]);
}

/// What was shown until the link is back may be more than is asked for then.
#[test]
fn a_visit_begins_although_its_begin_was_missed() {
    for flood in ["echo few", "seq 1 200000"] {
        let stage = set(&["job"]);
        let (first, second, ready) = (Gate::new(), Gate::new(), Gate::new());
        let script = format!(
            "(read x <{}; ({flood}; echo shown) >/dev/tty; echo ready >{}) & \
             echo runs; read x <{}; echo x=$x",
            second.word(),
            ready.word(),
            first.word()
        );
        let running = stage.invoke("job", &script);
        running.wait_line("runs");
        let visit = stage.machine.on_pty(&["enter", "job"]);
        visit.expect("waiting for what runs in session job");
        stage.proxy.refuse();
        stage.proxy.cut();
        visit.expect("server: lost: ");
        running.wait_stderr("interrupted");
        first.open();
        second.open();
        ready.wait();
        stage.proxy.resume();
        running.wait().success().stdout_is("runs\nx=go\n");
        visit.expect("shown").send("\r");
        at_prompt(&visit);
        visit.send("echo he''re\r");
        shows(&visit, "here");
        leave(visit, "job");
        stage.strike(vec![]);
    }
}

#[test]
fn a_visit_outlives_the_background_process() {
    let stage = set(&["job"]);
    let visit = enter(&stage.machine, &["job"]);
    visit.send("x=5\r");
    at_prompt(&visit);
    process::kill9(stage.machine.mux_pid());
    visit.expect("the background process is gone");
    visit.send("echo x$x\r");
    shows(&visit, "x5");
    leave(visit, "job");
    let shown = get(&stage.machine, "job");
    assert_eq!(shown["state"], "Opened", "{shown:#}");
    stage.strike(vec![]);
}

/// The command comes back first, and waits as it did.
#[test]
fn a_command_that_waits_does_not_end_a_visit_whose_background_process_is_killed() {
    let stage = set(&["job"]);
    let visit = enter(&stage.machine, &["job"]);
    visit.send("x=before\r");
    at_prompt(&visit);
    let waiting = stage.invoke("job", "echo $x and $y");
    waiting.wait_stderr("waiting behind 1 of the session's commands");
    process::send(visit.pid(), Signal::STOP);
    process::kill9(stage.machine.mux_pid());
    waiting.wait_stderr("resumed");
    process::send(visit.pid(), Signal::CONT);
    visit.expect("the background process is gone");
    visit.send("y=after; echo still he''re\r");
    shows(&visit, "still here");
    leave(visit, "job");
    waiting.wait().success().stdout_is("before and after\n");
    stage.strike(vec![]);
}

/// Nobody comes back for it: it ends when the grace of its client is over, though that client reads
/// the terminal already, for another visit.
#[test]
fn a_visit_that_was_lost_whole_gives_way_to_the_next_one_of_its_client() {
    let stage = set(&["job"]);
    let lost = enter(&stage.machine, &["job"]);
    lost.send("left=behind; echo ha");
    lost.expect_lines("half a line", |lines| last(lines).ends_with("echo ha"));
    process::send(lost.pid(), Signal::STOP);
    process::kill9(stage.machine.mux_pid());
    process::kill9(lost.pid());
    let visit = stage.machine.on_pty(&["enter", "job"]);
    visit.expect("waiting for what runs in session job");
    visit.expect_lines("the line as it was left", |lines| {
        last(lines).ends_with("echo ha")
    });
    visit.send("lf $left\r");
    shows(&visit, "half behind");
    leave(visit, "job");
    stage.strike(vec![]);
}

/// A session for this visit alone, over a line of some kilobytes a second: nothing is taken for a
/// lost connection, what is typed ahead arrives, and nothing is left.
#[test]
fn a_session_for_a_visit_over_a_slow_link() {
    let stage = Stage::set();
    stage.proxy.trickle(512, Duration::from_millis(40));
    let mut visit = stage.machine.on_pty(&["enter", "server"]);
    visit.send("PS1='he''re> '\r");
    visit.expect("no session here is `server`");
    at_prompt(&visit);
    visit.send("echo be''gun; seq 2000 | tail -n 400; echo $((40 + 2)) typed; read -r line\r");
    // By then the line is the terminal's, and no longer the shell's.
    visit.expect("begun");
    visit.send("ahead\r");
    visit.send("echo \"<$line>\"; stty size\r");
    visit.expect("42 typed");
    shows(&visit, "<ahead>");
    at_prompt(&visit);
    let said = visit.screen.text();
    assert_eq!(said.matches("\n2000\r").count(), 1, "{said}");
    assert!(!said.contains("connection lost"), "{said}");
    visit.send("exit 3\r");
    visit.ended().code(3);
    assert!(visit.is_cooked());
    stage.sshd.wait_nothing_left();
    stage.proxy.resume();
    stage.strike(vec![]);
}

/// What another terminal asks for meanwhile waits for the visitor, and does not put him out.
#[test]
fn a_visitor_comes_back_before_what_was_asked_while_the_link_was_down() {
    let stage = set(&["job"]);
    let visit = enter(&stage.machine, &["job"]);
    stage.proxy.refuse();
    stage.proxy.cut();
    visit.expect_lines("the last line", |lines| {
        last(lines).starts_with("[outlast: connection lost: ")
    });
    let waiting = stage.invoke("job", "echo after the visit");
    waiting.wait_stderr("interrupted");
    stage.proxy.resume();
    waiting.wait_stderr("waiting behind 1 of the session's commands");
    visit.send("echo still he''re\r");
    shows(&visit, "still here");
    leave(visit, "job");
    waiting.wait().success().stdout_is("after the visit\n");
    stage.strike(vec![]);
}

/// It does not hold up what runs, and finds the screen as it is by then.
#[test]
fn a_visitor_who_was_frozen_sees_what_is_there_now() {
    let stage = set(&["job"]);
    let gate = Gate::new();
    let visit = enter(&stage.machine, &["job"]);
    visit.send(&format!("seq 1 400000; echo all >{}\r", gate.word()));
    visit.expect("\r\n1000\r\n");
    process::send(visit.pid(), Signal::STOP);
    assert_eq!(gate.wait(), "all", "the program got to its end");
    process::send(visit.pid(), Signal::CONT);
    visit.expect("400000");
    visit.expect("here> ");
    visit.expect_lines("the end", |lines| {
        lines.len() >= 2 && lines[lines.len() - 2] == "400000" && last(lines) == "here>"
    });
    leave(visit, "job");
    stage.strike(vec![]);
}
