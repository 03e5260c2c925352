//! What programs find on the terminal, with and without somebody there.

use outlast_protocol::link::TerminalSize;
use outlast_protocol::outcome::ExitStatus::Code;
use outlast_subsystem::runspace::{Command, Event};

use super::super::column::Column;
use super::super::runspace::visitor::Visitor;
use super::{Played, visitor};

/// A command of `sh`, in the language of the column.
fn program(column: Column, script: &str) -> String {
    match column {
        Column::Python => format!("end = os.system({script:?})"),
        _ => format!("sh -c '{script}'"),
    }
}

async fn completed(it: &mut Visitor) -> outlast_protocol::outcome::ExitStatus {
    loop {
        match it.bench.runspace.next_event().await {
            Event::Completed { number, status } => {
                assert_eq!(number, it.number);
                return status;
            }
            event => it.take(event),
        }
    }
}

pub(super) async fn programs_see_a_terminal_of_the_visitors_size(column: Column) -> Played {
    let mut it = visitor(column).await;
    let size = |columns, rows| TerminalSize { columns, rows };
    it.bench.runspace.resize(size(133, 47)).unwrap();
    it.visit();
    it.prompt().await;
    it.types(&format!("{}\r", program(column, "stty size")))
        .await;
    it.sees_line("47 133").await;
    it.prompt().await;
    let script = "trap \"stty size; exit\" WINCH; echo ready; while :; do read -r -t 1 x; done";
    let bash = match column {
        Column::Python => {
            format!("import subprocess; end = subprocess.run(['bash', '-c', '{script}'])")
        }
        _ => format!("bash -c '{script}'"),
    };
    it.types(&format!("{bash}\r")).await;
    it.sees_line("ready").await;
    it.bench.runspace.resize(size(90, 20)).unwrap();
    it.sees("20 90\r\n").await;
    it.bench.close().await;
    Ok(())
}

pub(super) async fn a_paste_of_64_kib_arrives_whole(column: Column) -> Played {
    let mut it = visitor(column).await;
    it.visit();
    it.prompt().await;
    it.types(&format!("{}\r", program(column, "echo start; cat >pasted")))
        .await;
    it.sees_line("start").await;
    let pasted: String = (0..1024)
        .map(|line| format!("{line:04} {}\n", "x".repeat(58)))
        .collect();
    assert_eq!(pasted.len(), 64 * 1024);
    it.types(&pasted).await;
    it.types("\x04").await;
    it.prompt().await;
    let kept = std::fs::read_to_string(it.bench.home.path().join("pasted")).unwrap();
    assert_eq!(kept, pasted);
    it.bench.close().await;
    Ok(())
}

pub(super) async fn a_command_on_the_terminal_has_its_streams_there(column: Column) -> Played {
    let mut it = visitor(column).await;
    let script = column.says(
        "[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo terminal; read -r line; echo got $line; x=2; (exit 9)",
        "if all(os.isatty(n) for n in range(3)): print('terminal')\nprint('got', input())\nx = 2\nexit(9)",
    );
    let spec = it.spec(Command::Script(script.into()));
    it.bench.runspace.start_on_terminal(&spec).unwrap();
    it.sees("terminal\r\n").await;
    it.types("typed\r").await;
    assert_eq!(completed(&mut it).await, Code(9));
    // All of it comes before the end.
    assert!(it.screen.ends_with("got typed\r\n"), "{:?}", it.screen);
    assert_eq!(it.runs(column.says("echo $x", "x")).await, "2\n");
    it.bench.close().await;
    Ok(())
}

/// Asks on the terminal as programs do, and says what it got.
const ASK: &str = "stty -echo </dev/tty; printf \"Password: \" >/dev/tty; read -r a </dev/tty; echo >/dev/tty; \
                   printf \"Again: \" >/dev/tty; read -r b </dev/tty; stty echo </dev/tty; echo >/dev/tty; \
                   echo \"$a/$b\"; read -r c </dev/tty || echo none";

pub(super) async fn a_password_asked_for_on_the_terminal_is_a_question_and_nowhere_shown(
    column: Column,
) -> Played {
    let mut it = visitor(column).await;
    let spec = it.spec(Command::Script(program(column, ASK).into()));
    let mut pipes = it.bench.start_spec(&spec);
    for (prompt, answer) in [("Password: ", "secret one"), ("Again: ", "secret two")] {
        while it.asked.last().map(String::as_str) != Some(prompt) {
            it.step().await;
        }
        it.bench.runspace.answer(Some(answer));
    }
    pipes.read_until("secret one/secret two\n").await;
    // What is shown while it is typed is no question.
    it.bench.runspace.answer(Some("unasked"));
    it.bench.runspace.type_in("\x04".into());
    assert_eq!(completed(&mut it).await, Code(0));
    let (stdout, _) = it.bench.read_to_end(&mut pipes).await;
    assert_eq!(stdout, b"secret one/secret two\nnone\n");
    assert_eq!(it.asked.len(), 2, "{:?}", it.asked);
    let shown = it.bench.runspace.pty_tail();
    assert!(!String::from_utf8_lossy(&shown).contains("secret"));
    it.bench.close().await;
    Ok(())
}

pub(super) async fn a_question_that_nobody_answers_is_the_end_of_the_file(
    column: Column,
) -> Played {
    let mut it = visitor(column).await;
    let ask = "stty -echo </dev/tty; printf \"Password: \" >/dev/tty; read -r a </dev/tty; echo $?";
    let spec = it.spec(Command::Script(program(column, ask).into()));
    let mut pipes = it.bench.start_spec(&spec);
    while it.asked.is_empty() {
        it.step().await;
    }
    it.bench.runspace.answer(None);
    completed(&mut it).await;
    assert_eq!(it.bench.read_to_end(&mut pipes).await.0, b"1\n");
    it.bench.close().await;
    Ok(())
}
