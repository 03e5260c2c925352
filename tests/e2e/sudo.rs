//! `sudo`, which asks for a password on the terminal of the session's shell.

use outlast_tests::pty::OnPty;
use outlast_tests::{ClientMachine, Sshd, Sudoer};

use crate::enter::{at_prompt, enter, leave};
use crate::stage::{Stage, run};

/// A session on a server with somebody who may use sudo; none where that cannot be.
fn session() -> Option<Stage> {
    let sshd = Sshd::builder().sudoer().start();
    if !sshd.hides_real_home() {
        skipped();
        return None;
    }
    let stage = Stage::before(sshd);
    stage.new_session("job");
    Some(stage)
}

/// Shown with the test's own output: without a mount namespace there is no user who may use sudo.
#[expect(
    clippy::print_stderr,
    reason = "a test that could not check anything says so"
)]
fn skipped() {
    eprintln!("not checked: no mount namespace here");
}

fn invoke(machine: &ClientMachine, options: &[&str], script: &str) -> OnPty {
    let mut words = vec!["invoke", "-s", "job"];
    words.extend(options);
    words.push(script);
    machine.on_pty(&words)
}

/// No file of the session has the password in it.
fn is_nowhere(stage: &Stage) {
    let mut directories = vec![stage.sshd.session_dir()];
    let mut files = 0;
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                directories.push(entry.path());
            } else if kind.is_file() {
                files += 1;
                let text = std::fs::read(entry.path()).unwrap();
                let wanted = Sudoer::PASSWORD.as_bytes();
                let found = text.windows(wanted.len()).any(|window| window == wanted);
                assert!(!found, "{}", entry.path().display());
            }
        }
    }
    assert!(files > 2, "the log, the ledger, the meta file");
}

#[test]
fn its_question_is_asked_here_and_a_wrong_answer_is_asked_again() {
    let Some(stage) = session() else { return };
    let script = format!("{}; echo and on", Sudoer::command("sudo -k id -u"));
    let mut asked = invoke(&stage.machine, &["-n"], &script);
    asked.expect("[sudo] password for ada: ");
    asked.send("wrong\r");
    asked.expect("try again");
    asked.expect("[sudo] password for ada: ");
    asked.send(&format!("{}\r", Sudoer::PASSWORD));
    let output = asked.ended();
    output.code(0).stdout_has("0").stdout_has("and on");
    is_nowhere(&stage);
    stage.strike(vec![]);
}

#[test]
fn where_nobody_can_be_asked_it_is_told_so() {
    let Some(stage) = session() else { return };
    let script = Sudoer::command("sudo -k sha256sum");
    let output = run(&stage.machine, &["invoke", "-n", "-s", "job", &script]);
    output.code(1);
    output.stderr_has("[sudo] password for ada");
    output.stderr_has("no password was provided");
    stage.strike(vec![]);
}

#[test]
fn on_the_terminal_it_asks_by_itself() {
    let Some(stage) = session() else { return };
    let mut on = invoke(
        &stage.machine,
        &["--tty"],
        &Sudoer::command("sudo -k id -u"),
    );
    on.expect("[sudo] password for ada: ");
    on.send(&format!("{}\r", Sudoer::PASSWORD));
    let output = on.ended();
    output.code(0).stdout_has("\n0\r\n");
    is_nowhere(&stage);
    stage.strike(vec![]);
}

/// The visitor's own keys, and nothing of ours in between: no echo, a wrong answer, Ctrl-C, and leaving
/// while it asks.
#[test]
fn inside_a_visit_it_asks_by_itself() {
    let Some(stage) = session() else { return };
    let prompt = ["invoke", "-n", "-s", "job", "PS1='here> '"];
    run(&stage.machine, &prompt).success();
    let visit = enter(&stage.machine, &["job"]);
    let asks = |visit: &OnPty| {
        visit.expect_lines("the question", |lines| {
            let last = lines.last();
            last.is_some_and(|it| it == "[sudo] password for ada:")
        });
    };
    let id = Sudoer::command("sudo -k id -u");
    let line = format!("{id}; echo status $?\r");
    visit.send(&line);
    asks(&visit);
    visit.send("wrong\r");
    visit.expect("try again");
    asks(&visit);
    visit.send(&format!("{}\r", Sudoer::PASSWORD));
    let done = |lines: &[String]| lines.ends_with(&["0", "status 0", "here>"].map(str::to_owned));
    visit.expect_lines("the command", done);
    at_prompt(&visit);
    visit.send(&format!("clear; {line}"));
    asks(&visit);
    visit.send("\x03");
    visit.expect_lines("status 1", |lines| lines.contains(&"status 1".to_owned()));
    at_prompt(&visit);
    // Half an answer is there when its visitor is back, and is shown to nobody.
    let (begin, end) = Sudoer::PASSWORD.split_at(4);
    visit.send(&format!("clear; {line}"));
    asks(&visit);
    visit.send(begin);
    leave(visit, "job");
    let visit = stage.machine.on_pty(&["enter", "job"]);
    asks(&visit);
    visit.send(&format!("{end}\r"));
    visit.expect_lines("the command", done);
    assert!(!visit.screen.text().contains(begin));
    leave(visit, "job");
    is_nowhere(&stage);
    stage.strike(vec![]);
}
