//! `enter` on a real terminal.

use outlast_protocol::control::to_cli::{
    Accepted, CaughtUp, Failed, FailureKind, Finished, Interrupted, Resumed, StdinTaken,
};
use outlast_protocol::control::to_mux::{Enter, ToMux};
use outlast_protocol::id::{InvocationId, Seq};
use outlast_protocol::link::{AttachMode, TerminalSize};
use outlast_protocol::outcome::{ExitStatus, Outcome};
use outlast_protocol::record::{Gap, GapCause, RecordKind, Stream};
use outlast_tests::pty::{CTRL_C, OnPty};

use crate::mux::{Line, Mux, ended, session};

const PTY: RecordKind = RecordKind::Output(Stream::Pty);

/// A visitor whose screen is drawn.
struct Visit {
    mux: Mux,
    outlast: OnPty,
    line: Line,
    id: InvocationId,
    seq: u64,
}

fn entered(line: &mut Line) -> Enter {
    match line.hear().0 {
        ToMux::Enter(enter) => enter,
        other => panic!("expected Enter, got {}", other.name()),
    }
}

impl Visit {
    /// One to a terminal that has said this.
    fn begin(args: &[&str], said: &[u8]) -> Self {
        let mux = Mux::start();
        let outlast = mux.outlast_on_pty(&[&["enter", "one"], args].concat());
        mux.selected(vec![session(1, "one")]);
        let mut line = mux.accept();
        let enter = entered(&mut line);
        let size = TerminalSize {
            columns: 80,
            rows: 24,
        };
        assert_eq!((enter.size, enter.mode), (size, AttachMode::Connect));
        let mut visit = Self {
            mux,
            outlast,
            line,
            id: enter.invocation,
            seq: 0,
        };
        visit.line.say(Accepted {
            invocation: visit.id,
            ahead: 0,
        });
        visit.says(said);
        visit.record(RecordKind::Started, b"");
        visit.caught_up();
        visit
    }

    fn record(&mut self, kind: RecordKind, body: &[u8]) {
        self.seq += 1;
        self.line.record(self.seq, self.id, kind, body);
    }

    fn says(&mut self, body: &[u8]) {
        self.record(PTY, body);
    }

    fn caught_up(&mut self) {
        let next = Seq(self.seq + 1);
        self.line.say(CaughtUp { next });
    }

    /// The next thing the command line says besides what it has written out.
    fn hear(&mut self) -> (ToMux, bytes::Bytes) {
        loop {
            let (message, body) = self.line.hear();
            if !matches!(message, ToMux::Consumed(_)) {
                return (message, body);
            }
        }
    }

    /// Keys up to that many bytes.
    fn keys(&mut self, count: usize) -> String {
        let mut keys = Vec::new();
        while keys.len() < count {
            let (message, body) = self.hear();
            assert!(matches!(message, ToMux::Stdin(_)), "{}", message.name());
            keys.extend_from_slice(&body);
        }
        String::from_utf8(keys).unwrap()
    }

    fn complete(&mut self, status: ExitStatus) {
        let outcome = Outcome::Ended(status);
        self.record(RecordKind::Completed(outcome), b"");
        loop {
            match self.line.hear().0 {
                ToMux::Consumed(consumed) if consumed.seq.0 == self.seq => break,
                ToMux::Consumed(_) | ToMux::StdinEnd(_) => {}
                other => panic!("expected Consumed, got {}", other.name()),
            }
        }
        self.line.say(Finished);
    }

    fn shows(&self, wanted: &str) -> Vec<String> {
        let shown = |lines: &[String]| lines.iter().any(|line| line.contains(wanted));
        self.outlast.expect_lines(wanted, shown)
    }

    /// The user leaves.
    fn leave(mut self) {
        self.outlast.send("\x1cd");
        let (message, _) = self.hear();
        assert!(matches!(message, ToMux::StdinEnd(_)), "{}", message.name());
        self.complete(ExitStatus::Code(0));
        self.outlast
            .expect("left session one; `outlast enter one` returns");
        self.outlast.ended().code(0);
        assert!(self.outlast.is_cooked(), "the terminal is as it was");
    }
}

#[test]
fn the_screen_is_there_and_goes_on_and_nothing_asked_before_is_asked_again() {
    let said = b"one\r\n\x1b[31mtwo\x1b[0m\x1b[c\x1b[6n\x1b]11;?\x07\r\n$ half";
    let mut visit = Visit::begin(&[], said);
    assert_eq!(visit.shows("$ half"), ["one", "two", "$ half"]);
    assert!(!visit.outlast.is_cooked());
    visit.outlast.send("x\x03\r");
    assert_eq!(visit.keys(3), "x\x03\r");
    visit.says(b"x\r\nthree");
    visit.says(b"\x1b[6n");
    assert_eq!(visit.shows("three"), ["one", "two", "$ halfx", "three"]);
    visit.outlast.expect("\x1b[6n");
    let written = visit.outlast.screen.text();
    assert_eq!(written.matches("\x1b[6n").count(), 1, "{written:?}");
    assert!(
        !written.contains("\x1b[c") && !written.contains("]11"),
        "{written:?}"
    );
    visit.leave();
}

#[test]
fn a_full_screen_program_is_drawn_and_the_terminal_is_left_without_its_modes() {
    let said = b"$ vim\r\n\x1b[?1049h\x1b[?2004h\x1b[?1000;1006h\x1b[?1h\x1b=\x1b[?25l\x1b[24;1H-- INSERT --";
    let visit = Visit::begin(&[], said);
    visit.shows("-- INSERT --");
    for mode in ["\x1b[?2004h", "\x1b[?1000h", "\x1b[?1006h", "\x1b[?1h"] {
        assert!(visit.outlast.screen.text().contains(mode), "{mode:?}");
    }
    let outlast = &visit.outlast;
    outlast.send("\x1cd");
    for mode in [
        "\x1b[?1049l",
        "\x1b[?25h",
        "\x1b[?1000l",
        "\x1b[?1006l",
        "\x1b[?2004l",
    ] {
        outlast.expect(mode);
    }
    let lines = outlast.expect_lines("the shell's screen", |lines| lines == ["$ vim"]);
    drop(lines);
    visit.leave_left();
}

impl Visit {
    /// The keys that leave were typed already.
    fn leave_left(mut self) {
        let (message, _) = self.hear();
        assert!(matches!(message, ToMux::StdinEnd(_)), "{}", message.name());
        self.complete(ExitStatus::Code(0));
        self.outlast.ended().code(0);
        assert!(self.outlast.is_cooked());
    }
}

#[test]
fn the_shells_exit_is_ours() {
    let mut visit = Visit::begin(&[], b"$ ");
    visit.outlast.send("exit 7\r");
    visit.keys(7);
    visit.says(b"exit\r\n");
    visit.complete(ExitStatus::Code(7));
    visit.outlast.expect("the visit to session one is over");
    visit.outlast.ended().code(7);
    assert!(visit.outlast.is_cooked());
}

#[test]
fn a_lost_link_is_said_on_the_last_line_and_its_end_leaves_no_trace() {
    let mut visit = Visit::begin(&[], b"one\r\n$ ");
    visit.shows("$");
    visit.line.say(Interrupted {
        reason: "the cable".into(),
    });
    let lines = visit.shows("connection lost: the cable; trying again, ~. to leave");
    assert_eq!(lines.len(), 24, "{lines:#?}");
    visit.outlast.send("typed");
    assert_eq!(visit.keys(5), "typed");
    visit.line.say(Resumed);
    visit
        .outlast
        .expect_lines("no trace", |lines| lines == ["one", "$"]);
    visit.says(b"typed");
    visit.shows("$ typed");
    visit.leave();
}

#[test]
fn what_does_not_fit_while_the_link_is_lost_is_reported() {
    let mut visit = Visit::begin(&[], b"$ ");
    visit.shows("$");
    visit.line.say(Interrupted {
        reason: "gone".into(),
    });
    visit.shows("connection lost");
    let much = "x".repeat(1024 * 1024 + 5000);
    let kept = std::thread::scope(|scope| {
        scope.spawn(|| visit.outlast.send(&much));
        visit.line.hear_stdin(1024 * 1024)
    });
    assert!(kept >= 1024 * 1024, "{kept}");
    visit.outlast.expect("\x07");
    visit.line.say(Resumed);
    // The last of the keys may be read only now, which takes it from the screen again.
    visit.outlast.expect("bytes typed meanwhile were dropped]");
    visit.line.say(StdinTaken {
        offset: kept as u64,
        closed: false,
    });
    // The next key says that it was read.
    visit.outlast.send("y");
    visit
        .outlast
        .expect_lines("no trace", |lines| lines == ["$"]);
    drop(visit.mux);
}

#[test]
fn leaving_works_while_the_link_is_lost() {
    let mut visit = Visit::begin(&[], b"$ half");
    visit.shows("$ half");
    visit.outlast.send("x");
    visit.keys(1);
    visit.line.say(Interrupted {
        reason: "gone".into(),
    });
    visit.shows("~. to leave");
    // In the middle of a line, too: that is what the last line says.
    visit.outlast.send("~.");
    visit.outlast.expect("left session one");
    visit.outlast.ended().code(0);
    assert!(visit.outlast.is_cooked());
}

#[test]
fn another_mux_is_told_where_the_first_one_stopped() {
    let mut visit = Visit::begin(&[], b"one\r\n$ ");
    visit.shows("$");
    visit.outlast.send("abcdef");
    visit.keys(6);
    visit.line.say(StdinTaken {
        offset: 4,
        closed: false,
    });
    visit.says(b"abcd");
    visit.shows("$ abcd");
    while visit.line.hear_consumed() < visit.seq {}
    // The new one listens before the old one is gone: nothing else may be started.
    visit.mux.restart();
    visit.line.hang_up();
    visit.line = visit.mux.accept();
    let enter = entered(&mut visit.line);
    assert_eq!(enter.invocation, visit.id);
    assert_eq!(enter.resume, Some((Seq(visit.seq), 4)));
    assert!(
        !enter.surroundings.interactive,
        "the keys are the session's"
    );
    assert_eq!(visit.keys(2), "ef");
    visit.shows("the background process is gone");
    visit.line.say(Accepted {
        invocation: visit.id,
        ahead: 0,
    });
    visit.says(b"ef");
    visit
        .outlast
        .expect_lines("no trace", |lines| lines == ["one", "$ abcdef"]);
    visit.leave();
}

#[test]
fn behind_a_gap_the_screen_is_drawn_anew() {
    let mut visit = Visit::begin(&[], b"old\r\n\x1b[?1049h\x1b[?1000hfull");
    visit.shows("full");
    let gap = Gap {
        first: Seq(visit.seq + 1),
        bytes: 70_000,
        cause: GapCause::Quota,
    };
    visit.seq += 8;
    visit.record(RecordKind::Gap(gap), b"");
    visit.says(b"new\r\n$ ");
    visit.caught_up();
    visit
        .outlast
        .expect_lines("only what is known", |lines| lines == ["new", "$"]);
    visit.outlast.expect("\x1b[?1000l");
    visit.leave();
}

#[test]
fn a_new_size_is_passed_on() {
    let mut visit = Visit::begin(&[], b"$ ");
    visit.shows("$");
    visit.outlast.resize(30, 100);
    let (message, _) = visit.hear();
    let size = TerminalSize {
        columns: 100,
        rows: 30,
    };
    assert!(matches!(&message, ToMux::Resize(resize) if resize.size == size));
    visit.leave();
}

#[test]
fn other_keys_can_be_named_and_help_names_them() {
    let mut visit = Visit::begin(&["--detach-keys", "ctrl-p,ctrl-q"], b"$ ");
    visit.shows("$");
    visit.outlast.send("~?");
    visit.shows("Ctrl-P Ctrl-Q leaves");
    visit.outlast.send("\x1cd");
    assert_eq!(visit.keys(2), "\x1cd");
    visit
        .outlast
        .expect_lines("help is gone", |lines| lines == ["$"]);
    visit.outlast.send("\x10\x11");
    visit.leave_left();
}

#[test]
fn a_signal_sets_the_terminal_back() {
    let visit = Visit::begin(&[], b"$ \x1b[?1049hfull");
    visit.shows("full");
    let mut outlast = visit.outlast;
    let pid = rustix::process::Pid::from_raw(i32::try_from(outlast.pid()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    outlast.expect("\x1b[?1049l");
    outlast.ended().code(129);
    assert!(outlast.is_cooked());
}

#[test]
fn whoever_waits_for_a_turn_can_give_up() {
    let mux = Mux::start();
    let mut outlast = mux.outlast_on_pty(&["enter", "one"]);
    mux.selected(vec![session(1, "one")]);
    let mut line = mux.accept();
    let enter = entered(&mut line);
    assert!(enter.wait);
    line.say(Accepted {
        invocation: enter.invocation,
        ahead: 1,
    });
    line.say(CaughtUp { next: Seq(1) });
    outlast.expect("waiting for what runs in session one (Ctrl-C gives up)");
    assert!(
        outlast.is_cooked(),
        "nothing is shown before it is our turn"
    );
    outlast.send(CTRL_C);
    outlast.ended().code(130);
    assert!(line.hear_or_end().is_none());
}

#[test]
fn a_watcher_sees_and_types_nothing() {
    let mux = Mux::start();
    let mut outlast = mux.outlast_on_pty(&["enter", "one", "--read-only"]);
    mux.selected(vec![session(1, "one")]);
    let mut line = mux.accept();
    let enter = entered(&mut line);
    assert_eq!(enter.mode, AttachMode::ReadOnly);
    let other = InvocationId(uuid::Uuid::from_u128(5));
    line.record(1, other, PTY, b"somebody types");
    line.say(CaughtUp { next: Seq(2) });
    outlast.expect("somebody types");
    outlast.send("never\r~.");
    outlast.expect("left session one; `outlast enter --read-only one` looks on again");
    outlast.ended().code(0);
    loop {
        match line.hear_or_end() {
            None => break,
            Some((ToMux::Consumed(_), _)) => {}
            Some((other, _)) => panic!("a watcher says {}", other.name()),
        }
    }
}

#[test]
fn busy_is_told() {
    let mux = Mux::start();
    let mut outlast = mux.outlast_on_pty(&["enter", "one", "--no-wait"]);
    mux.selected(vec![session(1, "one")]);
    let mut line = mux.accept();
    assert!(!entered(&mut line).wait);
    line.say(Failed {
        kind: FailureKind::Busy,
        message: "a command runs".into(),
        hint: String::new(),
    });
    outlast.expect("a command runs");
    outlast.ended().code(255);
}

#[test]
fn without_a_terminal_there_is_nothing_to_enter() {
    let mux = Mux::start();
    let (code, stdout, stderr) = ended(mux.outlast(&["enter", "one"]));
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(
        stderr.contains("needs a terminal") && stderr.contains("invoke --tty"),
        "{stderr}"
    );
    let mut outlast = mux.outlast_on_pty(&["enter", "one", "--detach-keys", "ctrl-"]);
    outlast.expect("is no key");
    outlast.ended().code(2);
}

#[test]
fn what_is_no_session_is_a_host_unless_it_can_be_none() {
    let mux = Mux::start();
    let mut outlast = mux.outlast_on_pty(&["enter", "17"]);
    mux.selected(vec![session(1, "one")]);
    outlast.expect("no session here is `17`");
    outlast.ended().code(2);
    let mut outlast = mux.outlast_on_pty(&["enter", "web1"]);
    mux.selected(vec![session(1, "one")]);
    let mut line = mux.accept();
    match line.hear().0 {
        ToMux::New(new) => assert!(new.temporary && new.target.destination == "web1"),
        other => panic!("expected New, got {}", other.name()),
    }
    line.say(Failed {
        kind: FailureKind::Unreachable,
        message: "cannot resolve web1".into(),
        hint: String::new(),
    });
    outlast.expect("no session here is `web1`");
    outlast.expect("cannot resolve web1");
    outlast.ended().code(255);
}
