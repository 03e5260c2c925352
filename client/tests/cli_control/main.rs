//! The real command line against a mux that follows a script.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used)]

mod enter;
mod mux;
mod questions;

use std::io::{Read, Write};

use mux::{Line, Mux, ended, session};
use outlast_protocol::control::to_cli::{
    Accepted, Failed, FailureKind, Finished, Sessions, StdinTaken,
};
use outlast_protocol::control::to_mux::{Invoke, ToMux};
use outlast_protocol::id::Seq;
use outlast_protocol::limits::STDIN_WINDOW;
use outlast_protocol::link::{Command, From, Level};
use outlast_protocol::outcome::{ExitStatus, Outcome};
use outlast_protocol::record::{RecordKind, Stream};

fn invoked(line: &mut Line) -> (Invoke, bytes::Bytes) {
    match line.hear() {
        (ToMux::Invoke(invoke), body) => (invoke, body),
        (other, _) => panic!("expected Invoke, got {}", other.name()),
    }
}

fn consumed(line: &mut Line) -> u64 {
    loop {
        match line.hear().0 {
            ToMux::Consumed(consumed) => return consumed.seq.0,
            ToMux::StdinEnd(_) => {}
            other => panic!("expected Consumed, got {}", other.name()),
        }
    }
}

fn accept(line: &mut Line, invoke: &Invoke) {
    line.say(Accepted {
        invocation: invoke.invocation,
        ahead: 0,
    });
}

fn complete(line: &mut Line, seq: u64, invoke: &Invoke, outcome: Outcome) {
    line.record(seq, invoke.invocation, RecordKind::Completed(outcome), b"");
    while consumed(line) < seq {}
    line.say(Finished);
}

fn interrupt(outlast: &std::process::Child) {
    let pid = rustix::process::Pid::from_child(outlast);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
}

const OUT: RecordKind = RecordKind::Output(Stream::Stdout);
const ERR: RecordKind = RecordKind::Output(Stream::Stderr);

#[test]
fn output_is_acknowledged_only_when_it_is_written() {
    let mux = Mux::start();
    let mut outlast = mux.outlast(&["invoke", "-n", "-s", "1", "--", "a b", "c"]);
    assert_eq!(mux.selected(vec![session(1, "one")]).selectors, ["1"]);
    let mut line = mux.accept();
    let (invoke, body) = invoked(&mut line);
    assert_eq!((&invoke.command, invoke.arguments_len), (&Command::Argv, 6));
    assert_eq!(&body[..], b"a b\0c\0");
    assert!(!invoke.stdin && invoke.wait && invoke.resume.is_none());
    accept(&mut line, &invoke);
    line.record(2, invoke.invocation, OUT, b"out\0\n");
    assert_eq!(consumed(&mut line), 2);
    // It is there without the command having ended.
    let mut bytes = [0; 5];
    outlast
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut bytes)
        .unwrap();
    assert_eq!(&bytes, b"out\0\n");
    line.record(3, invoke.invocation, ERR, b"err");
    complete(&mut line, 4, &invoke, Outcome::Ended(ExitStatus::Signal(9)));
    assert_eq!(ended(outlast), (137, String::new(), "err".into()));
}

#[test]
fn unread_output_is_not_acknowledged_and_ctrl_c_is_still_heard() {
    let mux = Mux::start();
    let outlast = mux.outlast(&["invoke", "-n", "-s", "1", "x"]);
    mux.selected(vec![session(1, "one")]);
    let mut line = mux.accept();
    let (invoke, _) = invoked(&mut line);
    accept(&mut line, &invoke);
    line.record(1, invoke.invocation, OUT, b"x");
    assert_eq!(consumed(&mut line), 1);
    // More than a pipe holds: it cannot be written before somebody reads.
    line.record(2, invoke.invocation, OUT, &[b'x'; 200_000]);
    interrupt(&outlast);
    assert!(matches!(line.hear().0, ToMux::Cancel(_)));
    let reader = std::thread::spawn(move || ended(outlast));
    assert_eq!(consumed(&mut line), 2);
    complete(
        &mut line,
        3,
        &invoke,
        Outcome::Cancelled(ExitStatus::Code(130)),
    );
    let (code, stdout, _) = reader.join().unwrap();
    assert_eq!((code, stdout.len()), (130, 200_001));
}

#[test]
fn a_lost_mux_is_resumed_where_it_stopped() {
    let mut mux = Mux::start();
    let mut outlast = mux.outlast(&["invoke", "-s", "one", "cat"]);
    mux.selected(vec![session(1, "one")]);
    let mut line = mux.accept();
    let (first, _) = invoked(&mut line);
    accept(&mut line, &first);
    let mut stdin = outlast.stdin.take().unwrap();
    stdin.write_all(b"hello world").unwrap();
    let mut got = Vec::new();
    while got.len() < 11 {
        match line.hear() {
            (ToMux::Stdin(_), body) => got.extend_from_slice(&body),
            (other, _) => panic!("{}", other.name()),
        }
    }
    line.say(StdinTaken {
        offset: 6,
        closed: false,
    });
    line.record(5, first.invocation, OUT, b"hello ");
    assert_eq!(consumed(&mut line), 5);
    mux.restart();
    drop(line);

    let mut line = mux.accept();
    let (second, _) = invoked(&mut line);
    assert_eq!(second.invocation, first.invocation);
    assert_eq!(second.resume, Some((Seq(5), 6)));
    accept(&mut line, &second);
    assert_eq!(&line.hear().1[..], b"world");
    drop(stdin);
    assert!(matches!(line.hear().0, ToMux::StdinEnd(_)));
    line.record(6, first.invocation, OUT, b"world");
    complete(&mut line, 7, &second, Outcome::Ended(ExitStatus::Code(7)));
    let (code, stdout, stderr) = ended(outlast);
    assert_eq!((code, stdout.as_str()), (7, "hello world"));
    assert_eq!(
        stderr,
        "server1: the connection is interrupted (the background process is gone); the command \
         goes on, reconnecting …\nserver1: resumed\n"
    );
}

#[test]
fn standard_input_stays_within_the_window() {
    let mux = Mux::start();
    let mut outlast = mux.outlast(&["invoke", "-s", "1", "cat >x"]);
    mux.selected(vec![session(1, "one")]);
    let mut line = mux.accept();
    let (invoke, _) = invoked(&mut line);
    assert!(invoke.stdin);
    accept(&mut line, &invoke);
    let total = 5 * STDIN_WINDOW + 17;
    let mut stdin = outlast.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        stdin
            .write_all(&vec![b'x'; usize::try_from(total).unwrap()])
            .unwrap();
    });
    let (mut sent, mut taken) = (0, 0);
    loop {
        match line.hear() {
            (ToMux::Stdin(_), body) => sent += body.len() as u64,
            (ToMux::StdinEnd(_), _) => break,
            (other, _) => panic!("{}", other.name()),
        }
        assert!(sent <= taken + STDIN_WINDOW);
        // Late on purpose: only a full window makes us take anything.
        if sent == taken + STDIN_WINDOW {
            taken = sent;
            line.say(StdinTaken {
                offset: taken,
                closed: false,
            });
        }
    }
    assert_eq!(sent, total);
    writer.join().unwrap();
    complete(&mut line, 1, &invoke, Outcome::Ended(ExitStatus::Code(0)));
    assert_eq!(ended(outlast).0, 0);
}

#[test]
fn json_tells_how_it_went_in_every_session() {
    let mux = Mux::start();
    let args = [
        "invoke", "-n", "-s", "1", "-s", "2", "--output", "json", "x",
    ];
    let outlast = mux.outlast(&args);
    mux.selected(vec![session(1, "one"), session(2, "two")]);
    let mut ids = [String::new(), String::new()];
    for _ in 0..2 {
        let mut line = mux.accept();
        let (invoke, _) = invoked(&mut line);
        if invoke.instance == session(2, "two").instance {
            ids[1] = invoke.invocation.to_string();
            line.say(Failed {
                kind: FailureKind::Unreachable,
                message: "connection refused".into(),
                hint: "is sshd running?".into(),
            });
        } else {
            ids[0] = invoke.invocation.to_string();
            accept(&mut line, &invoke);
            line.record(1, invoke.invocation, RecordKind::Started, b"");
            line.record(2, invoke.invocation, OUT, b"\xff");
            complete(&mut line, 9, &invoke, Outcome::Ended(ExitStatus::Code(3)));
        }
    }
    let (code, stdout, stderr) = ended(outlast);
    let got: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        got,
        serde_json::json!([
            { "computer_name": "server1", "name": "one",
              "instance_id": "00000000-0000-0000-0000-000000000001",
              "invocation_id": ids[0], "outcome": "completed", "exit_code": 3, "signal": null,
              "stdout": null, "stdout_base64": "/w==", "stderr": "", "duration_ms": 8 },
            { "computer_name": "server2", "name": "two",
              "instance_id": "00000000-0000-0000-0000-000000000002",
              "invocation_id": ids[1], "outcome": "unreachable", "exit_code": null,
              "signal": null, "stdout": "", "stderr": "", "duration_ms": null,
              "error": "connection refused" },
        ])
    );
    assert_eq!(
        stderr,
        "error: server2: connection refused\nhint: is sshd running?\n"
    );
    assert_eq!(code, 4);
}

#[test]
fn several_sessions_have_their_names_in_front() {
    let mux = Mux::start();
    let outlast = mux.outlast(&["invoke", "-n", "-s", "*", "x"]);
    mux.selected(vec![session(1, "one"), session(2, "two")]);
    for _ in 0..2 {
        let mut line = mux.accept();
        let (invoke, _) = invoked(&mut line);
        accept(&mut line, &invoke);
        line.record(1, invoke.invocation, OUT, b"a\nb");
        complete(&mut line, 2, &invoke, Outcome::Ended(ExitStatus::Code(0)));
    }
    let (code, stdout, _) = ended(outlast);
    let mut lines: Vec<_> = stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        ["server1| a", "server1| b", "server2| a", "server2| b"]
    );
    assert_eq!(code, 0);
}

#[test]
fn ctrl_c_interrupts_and_again_leaves_it_running() {
    let mux = Mux::start();
    let outlast = mux.outlast(&["invoke", "-n", "-s", "1", "sleep 99"]);
    mux.selected(vec![session(1, "one")]);
    let mut line = mux.accept();
    let (invoke, _) = invoked(&mut line);
    accept(&mut line, &invoke);
    interrupt(&outlast);
    match line.hear().0 {
        ToMux::Cancel(cancel) => assert_eq!(cancel.level, Level::Interrupt),
        other => panic!("{}", other.name()),
    }
    interrupt(&outlast);
    let mut other = mux.accept();
    match other.hear().0 {
        ToMux::Disconnect(disconnect) => assert_eq!(disconnect.instance, invoke.instance),
        message => panic!("{}", message.name()),
    }
    other.say(Finished);
    let (code, stdout, stderr) = ended(outlast);
    assert_eq!((code, stdout.as_str()), (130, ""));
    assert!(
        stderr.contains("`outlast receive --follow one`"),
        "{stderr}"
    );
}

#[test]
fn a_temporary_session_is_held_until_the_command_is_done() {
    let mux = Mux::start();
    let outlast = mux.outlast(&[
        "invoke", "-n", "-c", "server1", "-p", "2222", "-i", "key", "x",
    ]);
    let mut holder = mux.accept();
    let ToMux::New(new) = holder.hear().0 else {
        panic!("not a New");
    };
    assert!(new.temporary && new.name.is_empty());
    assert_eq!(new.target.port, Some(2222));
    assert!(new.target.identity_files[0].starts_with('/'));
    holder.say(Sessions {
        sessions: vec![session(1, "Session1")],
        more: false,
    });
    holder.say(Finished);
    let mut line = mux.accept();
    let (invoke, _) = invoked(&mut line);
    accept(&mut line, &invoke);
    assert!(holder.is_open());
    complete(&mut line, 1, &invoke, Outcome::Ended(ExitStatus::Code(0)));
    assert!(holder.hear_or_end().is_none());
    // It is ended when the mux hangs up, and the command line waits for that.
    drop(holder);
    assert_eq!(ended(outlast), (0, String::new(), String::new()));
}

#[test]
fn one_bad_host_does_not_stop_the_others() {
    let mux = Mux::start();
    let outlast = mux.outlast(&["new", "server1,server2", "-n", "both"]);
    for _ in 0..2 {
        let mut line = mux.accept();
        let ToMux::New(new) = line.hear().0 else {
            panic!("not a New");
        };
        assert_eq!(new.name, "both");
        if new.target.destination == "server1" {
            line.say(Sessions {
                sessions: vec![session(1, "both")],
                more: false,
            });
            line.say(Finished);
        } else {
            line.say(Failed {
                kind: FailureKind::Authentication,
                message: "permission denied".into(),
                hint: String::new(),
            });
        }
    }
    let (code, stdout, stderr) = ended(outlast);
    assert_eq!(code, 4);
    assert_eq!(stdout.lines().count(), 3);
    assert_eq!(stderr, "error: server2: permission denied\n");
}

#[test]
fn receive_goes_on_behind_the_last_record() {
    let mut mux = Mux::start();
    let outlast = mux.outlast(&["receive", "one", "--follow"]);
    mux.selected(vec![session(1, "one")]);
    let invocation = outlast_protocol::id::InvocationId(uuid::Uuid::from_u128(7));
    let mut line = mux.accept();
    let ToMux::Receive(receive) = line.hear().0 else {
        panic!("not a Receive");
    };
    assert_eq!((receive.from, receive.follow), (None, true));
    line.record(41, invocation, OUT, b"a");
    assert_eq!(consumed(&mut line), 41);
    mux.restart();
    drop(line);
    let mut line = mux.accept();
    let ToMux::Receive(receive) = line.hear().0 else {
        panic!("not a Receive");
    };
    // The cursor leaves out what other command lines have had; it may be older than this one.
    assert_eq!(receive.from, None);
    line.record(40, invocation, OUT, b"before");
    assert_eq!(consumed(&mut line), 40);
    line.record(41, invocation, OUT, b"a");
    assert_eq!(consumed(&mut line), 41);
    let failed = Outcome::Ended(ExitStatus::Code(5));
    line.record(42, invocation, RecordKind::Completed(failed), b"");
    assert_eq!(consumed(&mut line), 42);
    line.say(Finished);
    let (code, stdout, _) = ended(outlast);
    assert_eq!((code, stdout.as_str()), (5, "a"));
}

#[test]
fn repetition_goes_on_behind_the_last_record() {
    let mut mux = Mux::start();
    let outlast = mux.outlast(&["receive", "one", "--from", "start"]);
    mux.selected(vec![session(1, "one")]);
    let invocation = outlast_protocol::id::InvocationId(uuid::Uuid::from_u128(7));
    let mut line = mux.accept();
    line.hear();
    line.record(41, invocation, OUT, b"a");
    assert_eq!(consumed(&mut line), 41);
    mux.restart();
    drop(line);
    let mut line = mux.accept();
    let ToMux::Receive(receive) = line.hear().0 else {
        panic!("not a Receive");
    };
    assert_eq!(receive.from, Some(From::Seq(Seq(42))));
    line.say(Finished);
    assert_eq!(ended(outlast).1, "a");
}

#[test]
fn the_table_shows_what_the_mux_has() {
    let mux = Mux::start();
    let outlast = mux.outlast(&["get", "--name", "o*"]);
    mux.selected(vec![session(1, "one"), session(2, "two")]);
    let expected = "\
\x20Id Name            ComputerName    State         ConfigurationName     Availability
 -- ----            ------------    -----         -----------------     ------------
  1 one             server1         Opened        bash                  Available
";
    assert_eq!(ended(outlast), (0, expected.into(), String::new()));
}

#[test]
fn a_session_never_seen_has_a_hint() {
    let mux = Mux::start();
    let outlast = mux.outlast(&["invoke", "-n", "-s", "nope", "x"]);
    mux.selected(Vec::new());
    let (code, stdout, stderr) = ended(outlast);
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert_eq!(
        stderr,
        "error: no session here is `nope`\nhint: `outlast get` lists the sessions known here; \
         `outlast get HOST` looks on a host\n"
    );
}

#[test]
fn another_version_is_named_with_the_way_out() {
    let mux = Mux::start();
    let outlast = mux.outlast(&["get"]);
    let _line = mux.accept_as(99);
    let (code, _, stderr) = ended(outlast);
    assert_eq!(code, 255);
    assert!(stderr.contains("outlast 9.9.9"), "{stderr}");
    assert!(stderr.contains("`outlast mux stop`"), "{stderr}");
}

#[test]
fn no_mux_is_started_to_be_stopped() {
    let mut mux = Mux::start();
    mux.stop();
    let outlast = mux.outlast(&["mux", "stop"]);
    let note = "no background process is running\n".to_owned();
    assert_eq!(ended(outlast), (0, String::new(), note));
}

#[test]
fn a_directory_that_cannot_be_is_told_once() {
    let mux = Mux::start();
    let (code, stdout, stderr) = ended(mux.outlast_in("/dev/null/nowhere", &["get"]));
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert_eq!(stderr.matches("error: ").count(), 1, "{stderr}");
}

#[test]
fn wrong_usage_is_two() {
    let mux = Mux::start();
    for args in [
        &["invoke", "x"][..],
        &["frobnicate"],
        &["new", "-n", "12"],
        &["get", "--output", "ndjson"],
        &["invoke", "-s", "1"],
        &["new", "--idle-timeout", "5"],
        &["help", "nothing"],
    ] {
        let (code, stdout, stderr) = ended(mux.outlast(args));
        assert_eq!((code, stdout.as_str()), (2, ""), "{args:?}");
        assert!(stderr.starts_with("error: "), "{stderr}");
    }
}
