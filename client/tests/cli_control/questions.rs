//! What programs ask of whoever invoked them, and `invoke` on a terminal.

use outlast_protocol::control::to_cli::{Accepted, Finished, Question, QuestionOver};
use outlast_protocol::control::to_mux::{Invoke, ToMux};
use outlast_protocol::limits::MAX_PIECE;
use outlast_protocol::link::TerminalSize;
use outlast_protocol::outcome::{ExitStatus, Outcome};
use outlast_protocol::record::{RecordKind, Stream};
use outlast_tests::pty::OnPty;

use crate::mux::{Line, Mux, ended, session};

fn invoked(mux: &Mux, args: &[&str]) -> (OnPty, Line, Invoke) {
    let outlast = mux.outlast_on_pty(&[&["invoke", "-s", "one"], args].concat());
    mux.selected(vec![session(1, "one")]);
    let mut line = mux.accept();
    match line.hear().0 {
        ToMux::Invoke(invoke) => {
            line.say(Accepted {
                invocation: invoke.invocation,
                ahead: 0,
            });
            (outlast, line, invoke)
        }
        other => panic!("expected Invoke, got {}", other.name()),
    }
}

fn complete(line: &mut Line, invoke: &Invoke, seq: u64) {
    let outcome = Outcome::Ended(ExitStatus::Code(0));
    line.record(seq, invoke.invocation, RecordKind::Completed(outcome), b"");
    while line.hear_consumed() < seq {}
    line.say(Finished);
}

fn asks(line: &mut Line, number: u32) {
    line.say(Question {
        question: number,
        text: "a program in session one asks".into(),
        fields: vec![("[sudo] password for me: ".into(), false)],
        confirm: false,
    });
}

#[test]
fn a_password_is_typed_unseen_while_output_goes_on() {
    let mux = Mux::start();
    let (mut outlast, mut line, invoke) = invoked(&mux, &["sudo id"]);
    assert!(invoke.surroundings.interactive);
    asks(&mut line, 4);
    outlast.expect("server1: a program in session one asks");
    outlast.expect("[sudo] password for me: ");
    let stdout = RecordKind::Output(Stream::Stdout);
    line.record(1, invoke.invocation, stdout, b"meanwhile\n");
    assert_eq!(line.hear_consumed(), 1);
    outlast.send("geheim\r");
    match line.hear().0 {
        ToMux::Answer(answer) => {
            assert_eq!(answer.question, 4);
            assert_eq!(answer.texts, Some(vec!["geheim".into()]));
        }
        other => panic!("expected Answer, got {}", other.name()),
    }
    complete(&mut line, &invoke, 2);
    let output = outlast.ended();
    output.code(0).stdout_has("meanwhile");
    assert!(!output.stdout_text().contains("geheim"), "{output}");
    assert!(outlast.is_cooked());
}

#[test]
fn a_question_that_is_over_is_withdrawn() {
    let mux = Mux::start();
    let (mut outlast, mut line, invoke) = invoked(&mux, &["sudo id"]);
    asks(&mut line, 4);
    outlast.expect("[sudo] password for me: ");
    line.say(QuestionOver { question: 4 });
    outlast.expect("\r\n");
    asks(&mut line, 5);
    outlast.expect("[sudo] password for me: ");
    outlast.send("second\r");
    match line.hear().0 {
        ToMux::Answer(answer) => assert_eq!(answer.question, 5),
        other => panic!("expected Answer, got {}", other.name()),
    }
    complete(&mut line, &invoke, 1);
    outlast.ended().code(0);
    assert!(outlast.is_cooked());
}

#[test]
fn a_command_on_the_terminal_gets_its_keys_and_its_size() {
    let mux = Mux::start();
    let (mut outlast, mut line, invoke) = invoked(&mux, &["--tty", "vim"]);
    let size = TerminalSize {
        columns: 80,
        rows: 24,
    };
    assert_eq!((invoke.terminal, invoke.stdin), (Some(size), true));
    line.record(1, invoke.invocation, RecordKind::Started, b"");
    assert_eq!(line.hear_consumed(), 1);
    assert!(!outlast.is_cooked());
    outlast.send("a\x03");
    assert_eq!(line.hear_stdin(2), 2, "Ctrl-C is a key");
    outlast.resize(30, 100);
    assert!(matches!(line.hear().0, ToMux::Resize(resize) if resize.size.rows == 30));
    let pty = RecordKind::Output(Stream::Pty);
    line.record(2, invoke.invocation, pty, b"\x1b[1mbold\x1b[0m\r\n");
    outlast.expect("\x1b[1mbold\x1b[0m\r\n");
    complete(&mut line, &invoke, 3);
    outlast.ended().code(0);
    assert!(outlast.is_cooked());
}

#[test]
fn the_keys_that_leave_leave_a_command_running() {
    let mux = Mux::start();
    let (mut outlast, mut line, invoke) = invoked(&mux, &["-t", "top"]);
    line.record(1, invoke.invocation, RecordKind::Started, b"");
    assert_eq!(line.hear_consumed(), 1);
    outlast.send("\x1cd");
    let mut disconnect = mux.accept();
    match disconnect.hear().0 {
        ToMux::Disconnect(request) => assert_eq!(request.instance, invoke.instance),
        other => panic!("expected Disconnect, got {}", other.name()),
    }
    disconnect.say(Finished);
    outlast.expect("left running; `outlast receive --follow one` comes back to it");
    outlast.ended().code(130);
    assert!(outlast.is_cooked());
}

#[test]
fn without_a_terminal_a_command_gets_one_all_the_same() {
    let mux = Mux::start();
    let outlast = mux.outlast(&["invoke", "--tty", "-n", "-s", "1", "tput cols"]);
    mux.selected(vec![session(1, "one")]);
    let mut line = mux.accept();
    let ToMux::Invoke(invoke) = line.hear().0 else {
        panic!("not an Invoke");
    };
    let size = invoke.terminal.unwrap();
    assert_eq!((size.columns, size.rows), (80, 24));
    line.say(Accepted {
        invocation: invoke.invocation,
        ahead: 0,
    });
    line.record(
        1,
        invoke.invocation,
        RecordKind::Output(Stream::Pty),
        b"80\r\n",
    );
    complete(&mut line, &invoke, 2);
    assert_eq!(ended(outlast), (0, "80\r\n".into(), String::new()));
}

#[test]
fn variables_come_first_and_a_long_script_in_pieces() {
    let mux = Mux::start();
    let file = tempfile::NamedTempFile::new().unwrap();
    let script = vec![b'#'; 2 * MAX_PIECE + 10];
    std::fs::write(file.path(), &script).unwrap();
    let path = file.path().to_str().unwrap();
    let args = [
        "invoke",
        "-n",
        "-s",
        "1",
        "--env",
        "A=b c",
        "--using",
        "OUTLAST_HOME",
        "-f",
        path,
    ];
    let outlast = mux.outlast(&args);
    mux.selected(vec![session(1, "one")]);
    let mut line = mux.accept();
    let (ToMux::Invoke(invoke), first) = line.hear() else {
        panic!("not an Invoke");
    };
    let mut body = first.to_vec();
    assert_eq!(body.len(), MAX_PIECE);
    let length = body.len() + invoke.more_len as usize;
    while body.len() < length {
        let (ToMux::More(_), piece) = line.hear() else {
            panic!("not More");
        };
        assert!(piece.len() <= MAX_PIECE);
        body.extend_from_slice(&piece);
    }
    let (environment, rest) = body.split_at(invoke.environment_len as usize);
    let environment = String::from_utf8_lossy(environment);
    assert!(environment.starts_with("OUTLAST_HOME=/"), "{environment}");
    assert!(environment.ends_with("\0A=b c\0"), "{environment}");
    assert!(rest == script);
    line.say(Accepted {
        invocation: invoke.invocation,
        ahead: 0,
    });
    complete(&mut line, &invoke, 1);
    assert_eq!(ended(outlast).0, 0);
}

#[test]
fn what_cannot_be_taken_along_is_named() {
    let mux = Mux::start();
    for (args, named) in [
        (&["--using", "OUTLAST_NO_SUCH"][..], "`OUTLAST_NO_SUCH`"),
        (&["--env", "=x"], "`--env =x`"),
    ] {
        let args = [&["invoke", "-n", "-s", "1"], args, &["true"]].concat();
        let (code, _, stderr) = ended(mux.outlast(&args));
        assert_eq!(code, 2);
        assert!(stderr.contains(named), "{stderr}");
    }
}
