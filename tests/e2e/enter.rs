//! `enter`: the session's own shell on a real terminal.

use outlast_tests::pty::{CTRL_C, OnPty};
use outlast_tests::stream::numbered;
use outlast_tests::{ClientMachine, Gate, process};
use rustix::process::Signal;

use crate::stage::{Stage, get, one_error, run};

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
fn a_full_screen_program_is_there_again() {
    let stage = set(&["job"]);
    let machine = &stage.machine;
    let file = machine.home().join("text");
    std::fs::write(&file, numbered(100)).unwrap();
    let visit = enter(machine, &["job"]);
    visit.send(&format!("LESS= less +40 {}\r", file.display()));
    let before = visit.expect_lines("less", |lines| lines.len() == 24 && lines[0] == "line 40");
    leave(visit, "job");
    let shown = get(machine, "job");
    assert_eq!(shown["availability"], "Busy", "{shown:#}");
    assert!(
        shown["activity"].as_str().unwrap().contains("less"),
        "{shown:#}"
    );
    let visit = machine.on_pty(&["enter", "job"]);
    let after = visit.expect_lines("less again", |lines| lines.len() == 24);
    assert_eq!(before[..23], after[..23]);
    visit.send("g");
    visit.expect_lines("the begin", |lines| {
        lines.first().is_some_and(|line| line == "line 1")
    });
    visit.send("q");
    // The shell's own screen comes back from behind it.
    visit.expect_lines("the prompt", |lines| {
        last(lines) == "here>" && lines.len() < 24
    });
    leave(visit, "job");
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
fn a_large_paste_and_a_new_size_arrive() {
    let stage = set(&["job"]);
    let visit = enter(&stage.machine, &["job"]);
    let gate = Gate::new();
    visit.send(&format!(
        "stty -icanon -echo; echo ready; head -c 65536 | cksum >{}; stty sane\r",
        gate.word()
    ));
    visit.expect_lines("ready", |lines| lines.iter().any(|line| line == "ready"));
    let paste: String = "0123456789abcdef".repeat(4096);
    visit.send(&paste);
    let sum = gate.wait();
    assert!(sum.ends_with(" 65536"), "{sum}");
    assert_eq!(sum, cksum(&paste), "byte for byte");
    at_prompt(&visit);
    visit.resize(30, 100);
    visit.send("until [[ $(stty size) = '30 100' ]]; do :; done; stty size\r");
    shows(&visit, "30 100");
    leave(visit, "job");
    stage.strike(vec![]);
}

fn cksum(text: &str) -> String {
    let mut cksum = std::process::Command::new("cksum")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut cksum.stdin.take().unwrap(), text.as_bytes()).unwrap();
    let output = cksum.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

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

#[test]
fn variables_and_functions_go_along_for_one_command() {
    let stage = set(&["job"]);
    let machine = &stage.machine;
    let bytes = "a'b\"c $d `e`\n\\end ";
    let mut command = crate::stage::command(
        machine,
        &[
            "invoke",
            "-n",
            "-s",
            "job",
            "--env",
            "ONE=1 2",
            "--using",
            "TWO,greet",
            "greet \"$ONE\" \"$TWO\"",
        ],
    );
    command
        .env("TWO", bytes)
        .env("BASH_FUNC_greet%%", "() {  printf '<%s>' \"$@\"\n}");
    let mut running = outlast_tests::Running::start(&mut command);
    running.close_stdin();
    running
        .wait()
        .success()
        .stdout_is(&format!("<1 2><{bytes}>"));
    run(
        machine,
        &[
            "invoke",
            "-n",
            "-s",
            "job",
            "echo \"[$ONE$TWO]\"; type -t greet",
        ],
    )
    .stdout_is("[]\n");
    let refused = run(
        machine,
        &["invoke", "-n", "-s", "job", "--using", "NO_SUCH", "true"],
    );
    one_error(&refused, 2, &["NO_SUCH"], "export");
    stage.strike(vec![]);
}

#[test]
fn a_script_larger_than_a_frame_runs() {
    let stage = set(&["job"]);
    let script = format!("#{}\necho whole\n", "x".repeat(5_000_000));
    let file = stage.machine.home().join("script");
    std::fs::write(&file, script).unwrap();
    let file = file.to_str().unwrap();
    run(&stage.machine, &["invoke", "-n", "-s", "job", "-f", file])
        .success()
        .stdout_is("whole\n");
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

/// A terminal that is not of the family of the one we draw with.
#[test]
fn another_terminal_shows_the_same_screen_again() {
    let stage = set(&["job"]);
    let machine = &stage.machine;
    let conf = machine.home().join("tmux.conf");
    std::fs::write(&conf, "set -g status off\nset -g escape-time 0\n").unwrap();
    let inside = || {
        let outlast = outlast_tests::binaries::outlast();
        let socket = machine.home().join("tmux.sock");
        let mut command = machine.command(
            std::path::Path::new("tmux"),
            &[
                "-u".as_ref(),
                "-S".as_ref(),
                socket.as_os_str(),
                "-f".as_ref(),
                conf.as_os_str(),
                "new-session".as_ref(),
                outlast.as_os_str(),
                "enter".as_ref(),
                "job".as_ref(),
            ],
        );
        command
            .env("TERM", "xterm-256color")
            .env("LC_ALL", "C.UTF-8");
        OnPty::start(&command)
    };
    let draw = "printf '\\e[2J\\e[3;5H\\e(0lqqqk\\e(B \\e[1;31mred\\e[0m\\e[5;20Hend\\e[7;1H'; echo é日本; \
                cat -v\r";
    let visit = inside();
    at_prompt(&visit);
    visit.send(draw);
    let drawn = |lines: &[String]| {
        lines.len() >= 7 && lines[6].contains("é日本") && lines[4].ends_with("end")
    };
    let before = visit.expect_lines("the drawing", drawn);
    assert_eq!(before[2], "    ┌───┐ red");
    let mut left = visit;
    left.send("\x1cd");
    left.ended();
    let visit = inside();
    let after = visit.expect_lines("the drawing again", drawn);
    assert_eq!(before, after);
    // Nothing it was asked for came back as typing: cat would have shown it.
    visit.send("typed\r");
    let lines = visit.expect_lines("typed", |lines| {
        lines.iter().filter(|it| *it == "typed").count() == 2
    });
    assert_eq!(lines.len(), before.len() + 2, "{lines:#?}");
    visit.send("\x03");
    let mut left = visit;
    left.send("\x1cd");
    left.ended();
    stage.strike(vec![]);
}
