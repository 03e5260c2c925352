//! Who is inside, who waits, and how a visit ends.

use outlast_tests::Gate;
use outlast_tests::pty::CTRL_C;

use super::{at_prompt, enter, last, leave, set, shows};
use crate::stage::{Stage, get, run};

#[test]
fn scripts_and_people_have_the_same_shell_and_half_a_line_survives() {
    let stage = set(&["job"]);
    let machine = &stage.machine;
    run(
        machine,
        &[
            "invoke",
            "-n",
            "-s",
            "job",
            "a=(one two); f() { echo \"f:$1\"; }",
        ],
    )
    .success();
    let visit = enter(machine, &["job"]);
    visit.send("f ${a[1]}; b=typed; cd /tmp\r");
    shows(&visit, "f:two");
    // What is typed before the prompt is shown twice, as on any terminal.
    at_prompt(&visit);
    visit.send("echo half a li");
    visit.expect_lines("half a line", |lines| last(lines) == "here> echo half a li");
    leave(visit, "job");
    run(machine, &["invoke", "-n", "-s", "job", "echo $b in $PWD"])
        .success()
        .stdout_is("typed in /tmp\n");
    let visit = machine.on_pty(&["enter", "job"]);
    visit.expect_lines("half a line again", |lines| {
        last(lines) == "here> echo half a li"
    });
    visit.send("ne\r");
    shows(&visit, "half a line");
    leave(visit, "job");
    stage.strike(vec![]);
}

#[test]
fn exit_leaves_with_its_code_and_the_session_stays() {
    let stage = set(&["job"]);
    let mut visit = enter(&stage.machine, &["job"]);
    visit.send("kept=yes; exit 7\r");
    visit.expect("the visit to session job is over");
    visit.ended().code(7);
    assert!(visit.is_cooked());
    run(&stage.machine, &["invoke", "-n", "-s", "job", "echo $kept"])
        .success()
        .stdout_is("yes\n");
    let mut visit = enter(&stage.machine, &["job"]);
    visit.send("\x04");
    visit.expect("the visit to session job is over");
    visit.ended().code(0);
    stage.strike(vec![]);
}

#[test]
fn a_program_that_hangs_can_be_left() {
    let stage = set(&["job"]);
    let gate = Gate::new();
    let visit = enter(&stage.machine, &["job"]);
    visit.send(&format!(
        "stty raw -echo; echo hangs; read -r _ <{}; stty sane\r",
        gate.word()
    ));
    visit.expect_lines("hangs", |lines| {
        lines.iter().any(|line| line.contains("hangs"))
    });
    visit.send("some keys nobody reads\x03");
    leave(visit, "job");
    let visit = stage.machine.on_pty(&["enter", "job"]);
    visit.expect_lines("hangs", |lines| {
        lines.iter().any(|line| line.contains("hangs"))
    });
    gate.open();
    visit.expect("here> ");
    leave(visit, "job");
    stage.strike(vec![]);
}

#[test]
fn a_disconnected_session_is_disconnected_again_afterwards() {
    let stage = set(&["job"]);
    run(&stage.machine, &["disconnect", "job"]).success();
    let visit = enter(&stage.machine, &["job"]);
    let inside = get(&stage.machine, "job");
    assert_eq!(inside["state"], "Opened", "{inside:#}");
    assert_eq!(inside["availability"], "Busy", "{inside:#}");
    leave(visit, "job");
    let left = get(&stage.machine, "job");
    assert_eq!(left["state"], "Disconnected", "{left:#}");
    stage.strike(vec![]);
}

#[test]
fn a_session_for_a_visit_ends_with_it() {
    let stage = Stage::set();
    let mut visit = stage.machine.on_pty(&["enter", "server"]);
    visit.expect("no session here is `server`");
    visit.send("PS1='he''re> '\r");
    at_prompt(&visit);
    visit.send("exit 3\r");
    visit.ended().code(3);
    let mut visit = stage.machine.on_pty(&["enter", "-c", "server"]);
    visit.send("PS1='he''re> '\r");
    at_prompt(&visit);
    visit.send("\r~.");
    visit.expect("left server; the session there has ended");
    visit.ended().code(0);
    let mut visit = stage.machine.on_pty(&["enter", "-c", "server"]);
    visit.send("PS1='he''re> '\r");
    at_prompt(&visit);
    visit.send("exec sh -c 'exit 6'\r");
    visit.ended().code(6);
    stage.sshd.wait_nothing_left();
    stage.strike(vec![]);
}

#[test]
fn others_wait_look_on_or_take_it_over() {
    let stage = set(&["job"]);
    let second = stage.second_client();
    let mut visit = enter(&stage.machine, &["job"]);
    let refused = run(
        &stage.machine,
        &["invoke", "-n", "--no-wait", "-s", "job", "true"],
    );
    refused.code(255).stderr_has("error:");
    let mut refused = second.on_pty(&["enter", "-c", "server", "job"]);
    refused.expect("held by");
    refused.expect("enter --read-only job");
    refused.ended().code(255);

    let mut watcher = second.on_pty(&["enter", "-c", "server", "job", "--read-only"]);
    at_prompt(&watcher);
    visit.send("echo se''en\r");
    shows(&watcher, "seen");
    watcher.send("echo never typed\r");
    watcher.send("~.");
    watcher.expect("looks on again");
    watcher.ended().code(0);

    let thief = second.on_pty(&["enter", "job", "--steal"]);
    shows(&thief, "seen");
    visit.expect("was taken over by");
    visit.ended().code(255);
    assert!(visit.is_cooked());
    thief.send("echo mi''ne\r");
    let lines = shows(&thief, "mine");
    assert!(
        !lines.iter().any(|line| line.contains("never")),
        "{lines:#?}"
    );
    leave(thief, "job");
    stage.strike(vec![second]);
}

#[test]
fn a_visitor_waits_for_what_runs_or_gives_up() {
    let stage = set(&["job"]);
    let gate = Gate::new();
    let script = format!("echo runs; read -r _ <{}", gate.word());
    let running = stage.invoke("job", &script);
    running.wait_line("runs");
    let mut busy = stage.machine.on_pty(&["enter", "job", "--no-wait"]);
    busy.expect("error:");
    busy.ended().code(255);
    let mut waiting = stage.machine.on_pty(&["enter", "job"]);
    waiting.expect("waiting for what runs in session job (Ctrl-C gives up)");
    waiting.send(CTRL_C);
    waiting.ended().code(130);
    let waiting = stage.machine.on_pty(&["enter", "job"]);
    waiting.expect("waiting for what runs");
    gate.open();
    running.wait().success();
    at_prompt(&waiting);
    leave(waiting, "job");
    stage.strike(vec![]);
}

#[test]
fn a_second_visitor_of_the_same_client_waits_for_the_first() {
    let stage = set(&["job"]);
    let visit = enter(&stage.machine, &["job"]);
    let second = stage.machine.on_pty(&["enter", "job"]);
    second.expect("waiting for what runs in session job");
    visit.send("echo un''disturbed\r");
    shows(&visit, "undisturbed");
    leave(visit, "job");
    at_prompt(&second);
    leave(second, "job");
    stage.strike(vec![]);
}
