//! Visits over a link: a relay and a host as sshd starts them, and a real bash.
// A helper of a test fails the test like the test itself.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, dead_code)]

mod remote;

use outlast_protocol::id::{InstanceId, InvocationId, ReaderId, Seq};
use outlast_protocol::limits::{MAX_PIECE, MAX_SCRIPT};
use outlast_protocol::link::refusal::RefusalCode;
use outlast_protocol::link::to_client::ToClient;
use outlast_protocol::link::to_host::{
    Answer, Cancel, Detach, More, Ping, ReaderAck, ReaderOpen, Resize, Stdin, StdinEnd, Submit,
};
use outlast_protocol::link::{AttachMode, Command as Kind, From, Level, Source, TerminalSize};
use outlast_protocol::outcome::{ExitStatus, Outcome};
use outlast_protocol::record::{RecordKind, Stream};
use outlast_protocol::session::SessionInfo;
use remote::{Places, Remote, attach, create, submit};
use uuid::Uuid;

const INSTANCE: InstanceId = InstanceId(Uuid::from_u128(77));
const SIZE: TerminalSize = TerminalSize {
    columns: 100,
    rows: 30,
};

fn id(number: u128) -> InvocationId {
    InvocationId(Uuid::from_u128(number))
}

/// A client with a session in which nobody was yet.
fn session(places: &Places) -> Remote {
    std::fs::write(places.home.path().join(".bash_profile"), "PS1='prompt> '\n").unwrap();
    let mut remote = places.remote();
    remote.say(create(INSTANCE, 1, "one"), b"");
    attached(&mut remote);
    remote
}

fn attached(remote: &mut Remote) -> SessionInfo {
    remote.wait(|message| match message {
        ToClient::Attached(attached) => Some(attached.info.clone()),
        _ => None,
    })
}

/// Somebody at the terminal of a session.
struct Visitor {
    remote: Remote,
    visit: InvocationId,
    screen: String,
    typed: u64,
    taken: u64,
    last: Seq,
    ended: Option<Outcome>,
    heard: Vec<ToClient>,
}

impl Visitor {
    fn enter(remote: Remote, visit: u128) -> Self {
        let mut visitor = Self {
            remote,
            visit: id(visit),
            screen: String::new(),
            typed: 0,
            taken: 0,
            last: Seq(0),
            ended: None,
            heard: Vec::new(),
        };
        visitor.read(From::Bytes(1 << 20));
        visitor.submit();
        visitor
    }

    fn submit(&mut self) {
        let submit = Submit {
            stdin: true,
            terminal: Some(SIZE),
            ..Submit::new(self.visit, Kind::Visit)
        };
        self.remote.say(submit, b"");
    }

    fn read(&mut self, from: From) {
        let open = ReaderOpen {
            reader: ReaderId(1),
            source: Source::Terminal,
            from,
            only: None,
            skip: Vec::new(),
            credit: 1 << 20,
            owed: 0,
        };
        self.remote.say(open, b"");
    }

    /// The same visit over another link.
    fn over(mut self, remote: Remote) -> Self {
        drop(std::mem::replace(&mut self.remote, remote));
        self.read(From::Seq(self.last.next()));
        self.submit();
        self
    }

    fn step(&mut self) {
        let (message, body) = self.remote.hear();
        match message {
            ToClient::Record(record) => {
                assert!(record.seq > self.last, "once and in order");
                self.last = record.seq;
                let ack = ReaderAck {
                    reader: ReaderId(1),
                    seq: record.seq,
                };
                self.remote.say(ack, b"");
                match record.kind {
                    RecordKind::Output(Stream::Pty) => {
                        self.screen.push_str(&String::from_utf8_lossy(&body));
                    }
                    RecordKind::Completed(outcome) if record.invocation == Some(self.visit) => {
                        self.ended = Some(outcome);
                    }
                    _ => {}
                }
            }
            ToClient::StdinTaken(taken) if taken.invocation == self.visit => {
                self.taken = taken.offset;
            }
            ToClient::Refused(refused) => panic!("{refused:?}"),
            other => self.heard.push(other),
        }
    }

    fn sees(&mut self, text: &str) {
        while !self.screen.contains(text) {
            assert_eq!(self.ended, None, "{text:?} is not in {:?}", self.screen);
            self.step();
        }
        let at = self.screen.find(text).unwrap() + text.len();
        self.screen.drain(..at);
    }

    fn types(&mut self, keys: &str) {
        let stdin = Stdin {
            invocation: self.visit,
            offset: self.typed,
        };
        self.remote.say(stdin, keys.as_bytes());
        self.typed += keys.len() as u64;
    }

    fn leaves(&mut self) {
        let end = StdinEnd {
            invocation: self.visit,
            offset: self.typed,
        };
        self.remote.say(end, b"");
    }

    fn is_gone(&mut self) -> Outcome {
        loop {
            if let Some(outcome) = self.ended.take() {
                return outcome;
            }
            self.step();
        }
    }

    /// What the session was last said to be.
    fn info(&mut self, wanted: impl Fn(&SessionInfo) -> bool) {
        loop {
            let found = self.heard.iter().any(|message| match message {
                ToClient::Changed(changed) => wanted(&changed.info),
                _ => false,
            });
            self.heard.clear();
            if found {
                return;
            }
            self.step();
        }
    }
}

#[test]
fn a_visitor_types_sees_and_leaves_and_the_session_lives_on() {
    let places = Places::new();
    let mut remote = session(&places);
    assert_eq!(remote.run(1, "x=41").1, Outcome::Ended(ExitStatus::Code(0)));
    let mut it = Visitor::enter(remote, 2);
    it.sees("prompt> ");
    it.info(|info| info.running == Some(id(2)) && info.activity == "enter");
    it.types("stty size; x=$((x+1)); echo x is $x\n");
    it.sees("30 100\r\n");
    it.sees("x is 42\r\n");
    it.sees("prompt> ");
    it.types("half a line");
    it.sees("half a line");
    it.leaves();
    assert_eq!(it.is_gone(), Outcome::Ended(ExitStatus::Code(0)));
    it.info(|info| info.running.is_none() && info.activity.is_empty());
    let (output, outcome) = it.remote.run(3, "echo $x");
    assert_eq!(
        (&output[..], outcome),
        (&b"42\n"[..], Outcome::Ended(ExitStatus::Code(0)))
    );
    let mut it = Visitor::enter(it.remote, 4);
    it.sees("half a line");
    it.types("\x15exit 6\n");
    assert_eq!(it.is_gone(), Outcome::Ended(ExitStatus::Code(6)));
    assert_eq!(it.remote.run(5, "echo $x").0, b"42\n");
}

#[test]
fn a_visit_goes_on_over_another_link() {
    let places = Places::new();
    let mut it = Visitor::enter(session(&places), 2);
    it.sees("prompt> ");
    it.types("echo begun; cat\n");
    it.sees("\rbegun\r\n");
    let mut again = places.remote();
    again.say(attach(INSTANCE, 1, AttachMode::Connect), b"");
    let info = attached(&mut again);
    assert_eq!(info.running, Some(id(2)));
    let mut it = it.over(again);
    it.types("over another link\n");
    it.sees("over another link\r\nover another link\r\n");
    it.types("\x03");
    it.sees("prompt> ");
    it.leaves();
    assert_eq!(it.is_gone(), Outcome::Ended(ExitStatus::Code(0)));
}

#[test]
fn work_waits_for_a_visitor_and_for_the_program_that_was_left() {
    let places = Places::new();
    let mut it = Visitor::enter(session(&places), 2);
    it.sees("prompt> ");
    let impatient = Submit {
        wait: false,
        ..submit(3)
    };
    it.remote.say(impatient, b"echo busy");
    let refused = loop {
        if let (ToClient::Refused(refused), _) = it.remote.hear() {
            break refused;
        }
    };
    assert_eq!(refused.code, RefusalCode::BUSY);
    it.types("echo begun; cat\n");
    it.sees("\rbegun\r\n");
    it.leaves();
    assert_eq!(it.is_gone(), Outcome::Ended(ExitStatus::Code(0)));
    it.info(|info| info.running.is_none() && info.activity == "cat");
    it.remote.say(submit(4), b"echo ran");
    let mut it = Visitor::enter(it.remote, 5);
    // The visit waits behind the work, which waits for the program. Its end frees both.
    it.info(|info| info.queued == 2);
    let pid = std::fs::read_dir("/proc").unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        let environment = std::fs::read(path.join("environ")).ok()?;
        let home = places.home.path().as_os_str().as_encoded_bytes();
        let mine = environment.windows(home.len()).any(|window| window == home);
        let name = std::fs::read_to_string(path.join("comm")).ok()?;
        let pid = path.file_name()?.to_str()?.parse().ok()?;
        (mine && name == "cat\n").then_some(pid)
    });
    let pid = rustix::process::Pid::from_raw(pid.unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    it.sees("prompt> ");
    assert_eq!(it.remote.run(4, "never again").0, b"ran\n");
}

#[test]
fn whoever_takes_the_session_shows_the_visitor_out() {
    let places = Places::new();
    let mut it = Visitor::enter(session(&places), 2);
    it.sees("prompt> ");
    let mut thief = places.remote();
    thief.say(attach(INSTANCE, 2, AttachMode::Steal), b"");
    attached(&mut thief);
    thief.say(Ping { number: 1 }, b"");
    assert_eq!(thief.run(3, "echo mine").0, b"mine\n");
    let mut it = Visitor::enter(thief, 4);
    it.sees("prompt> ");
}

#[test]
fn a_visitor_whose_client_forgot_it_is_not_waited_for() {
    let places = Places::new();
    let mut it = Visitor::enter(session(&places), 2);
    it.sees("prompt> ");
    drop(it);
    // Another client need not wait for one who cannot come back.
    let mut again = places.remote();
    again.say(attach(INSTANCE, 9, AttachMode::Connect), b"");
    assert_eq!(attached(&mut again).running, Some(id(2)));
    assert_eq!(again.run(3, "echo ran").0, b"ran\n");
    // One who leaves the session leaves its terminal.
    let mut it = Visitor::enter(again, 4);
    it.sees("prompt> ");
    it.remote.say(Detach { idle_timeout: None }, b"");
    let info = it.remote.wait(|message| match message {
        ToClient::Detached(detached) => Some(detached.info.clone()),
        _ => None,
    });
    assert_eq!(info.holder, None);
    let mut last = places.remote();
    last.say(attach(INSTANCE, 1, AttachMode::Connect), b"");
    attached(&mut last);
    assert_eq!(last.run(5, "echo ran").0, b"ran\n");
}

/// A mux that is killed takes its memory with it: what waited for the shell may come back before
/// the visitor, and does not end the visit.
#[test]
fn a_visitor_comes_back_behind_what_waits_for_the_shell() {
    let places = Places::new();
    let mut it = Visitor::enter(session(&places), 2);
    it.sees("prompt> ");
    it.types("half='a line'");
    it.sees("half='a line'");
    let mut again = places.remote();
    again.say(attach(INSTANCE, 1, AttachMode::Connect), b"");
    attached(&mut again);
    let waits = Submit {
        wait: false,
        ..Submit::new(id(3), Kind::Script)
    };
    again.say(waits, b"echo no");
    let refused = loop {
        if let (ToClient::Refused(refused), _) = again.hear() {
            break refused.code;
        }
    };
    assert_eq!(refused, RefusalCode::BUSY, "the visit counts as running");
    again.say(Submit::new(id(4), Kind::Script), b"echo ran $half");
    let ahead = again.wait(|message| match message {
        ToClient::Submitted(submitted) => Some(submitted.ahead),
        _ => None,
    });
    assert_eq!(ahead, 1);
    let mut it = it.over(again);
    it.types("\r");
    it.sees("prompt> ");
    it.leaves();
    assert_eq!(it.is_gone(), Outcome::Ended(ExitStatus::Code(0)));
    assert_eq!(it.remote.run(4, "echo ran $half").0, b"ran a line\n");
}

#[test]
fn a_watcher_sees_what_the_visitor_sees_and_cannot_type() {
    let places = Places::new();
    let mut it = Visitor::enter(session(&places), 2);
    it.sees("prompt> ");
    let mut remote = places.remote();
    remote.say(attach(INSTANCE, 2, AttachMode::ReadOnly), b"");
    attached(&mut remote);
    remote.say(
        Stdin {
            invocation: id(2),
            offset: 0,
        },
        b"rm -rf\n",
    );
    let refused = loop {
        if let (ToClient::Refused(refused), _) = remote.hear() {
            break refused;
        }
    };
    assert_eq!(refused.code, RefusalCode::READ_ONLY);
    let mut watcher = Visitor {
        remote,
        visit: id(0),
        screen: String::new(),
        typed: 0,
        taken: 0,
        last: Seq(0),
        ended: None,
        heard: Vec::new(),
    };
    watcher.read(From::Bytes(1 << 20));
    watcher.sees("prompt> ");
    it.types("echo for both\n");
    it.sees("for both\r\n");
    watcher.sees("for both\r\n");
}

#[test]
fn a_command_on_the_terminal_is_recorded_and_typed_to() {
    let places = Places::new();
    let mut remote = session(&places);
    let on_terminal = Submit {
        stdin: true,
        terminal: Some(SIZE),
        ..submit(2)
    };
    remote.say(
        on_terminal,
        b"stty size; read -r line; echo \"<$line>\"; (exit 3)",
    );
    let open = ReaderOpen {
        reader: ReaderId(4),
        source: Source::Log,
        from: From::Start,
        only: Some(id(2)),
        skip: Vec::new(),
        credit: 1 << 20,
        owed: 0,
    };
    remote.say(open, b"");
    let mut said = String::new();
    let mut asked = false;
    let outcome = loop {
        let (message, body) = remote.hear();
        let ToClient::Record(record) = message else {
            continue;
        };
        match record.kind {
            RecordKind::Output(stream) => {
                assert_eq!(stream, Stream::Pty);
                said.push_str(&String::from_utf8_lossy(&body));
            }
            RecordKind::Completed(outcome) => break outcome,
            _ => {}
        }
        if said.contains("30 100\r\n") && !asked {
            asked = true;
            remote.say(Resize { size: SIZE }, b"");
            let invocation = id(2);
            remote.say(
                Stdin {
                    invocation,
                    offset: 0,
                },
                b"typed\n",
            );
        }
    };
    assert_eq!(outcome, Outcome::Ended(ExitStatus::Code(3)));
    assert_eq!(said, "30 100\r\ntyped\r\n<typed>\r\n");
}

#[test]
fn a_password_is_asked_of_the_holder_on_every_link_and_answered_once() {
    let places = Places::new();
    let mut remote = session(&places);
    remote.say(
        submit(2),
        b"read -r -s -p 'Password: ' a </dev/tty 2>/dev/tty; echo \"$a\"",
    );
    let question = |remote: &mut Remote| {
        remote.wait(|message| match message {
            ToClient::Question(question) => Some(question.clone()),
            _ => None,
        })
    };
    let first = question(&mut remote);
    assert_eq!(
        (first.invocation, first.text.as_str()),
        (id(2), "Password: ")
    );
    drop(remote);
    let mut remote = places.remote();
    remote.say(attach(INSTANCE, 1, AttachMode::Connect), b"");
    assert_eq!(question(&mut remote), first, "the same, not another one");
    let answer = |text: &str| Answer {
        question: first.question,
        text: Some(text.into()),
    };
    remote.say(answer("two\nlines"), b"");
    let refused = loop {
        if let (ToClient::Refused(refused), _) = remote.hear() {
            break refused;
        }
    };
    assert_eq!(refused.code, RefusalCode::BAD_REQUEST);
    remote.say(answer("geheim"), b"");
    let over = remote.wait(|message| match message {
        ToClient::QuestionOver(over) => Some(over.question),
        _ => None,
    });
    assert_eq!(over, first.question);
    assert_eq!(remote.run(2, "again").0, b"geheim\n");
}

#[test]
fn a_long_script_comes_in_pieces_and_runs_once_it_is_whole() {
    let places = Places::new();
    let mut remote = session(&places);
    let mut script = b"echo begin\n".to_vec();
    while script.len() < 10 << 20 {
        script.extend_from_slice(b": some line that does nothing at all, as most of them do\n");
    }
    script.extend_from_slice(b"echo end\n");
    let (first, rest) = script.split_at(MAX_PIECE);
    let long = |missing: usize| Submit {
        more_len: u32::try_from(missing).unwrap(),
        ..submit(2)
    };
    let more = More { invocation: id(2) };
    // A link that is lost in the middle has submitted nothing.
    remote.say(long(rest.len()), first);
    remote.say(more.clone(), &rest[..MAX_PIECE]);
    drop(remote);
    let mut remote = places.remote();
    remote.say(attach(INSTANCE, 1, AttachMode::Connect), b"");
    assert_eq!(attached(&mut remote).running, None);
    remote.say(long(rest.len()), first);
    for piece in rest.chunks(MAX_PIECE) {
        remote.say(more.clone(), piece);
    }
    assert_eq!(
        remote.run(2, "again"),
        (
            b"begin\nend\n".to_vec(),
            Outcome::Ended(ExitStatus::Code(0))
        )
    );
    // One that is too long is refused by name, and the link lives on.
    remote.say(long(MAX_SCRIPT), b"x");
    let refused = loop {
        if let (ToClient::Refused(refused), _) = remote.hear() {
            break refused;
        }
    };
    assert_eq!(
        refused.message,
        format!(
            "the script has {} bytes; the limit is {MAX_SCRIPT}",
            MAX_SCRIPT + 1
        )
    );
    for piece in vec![b'x'; MAX_SCRIPT].chunks(MAX_PIECE) {
        remote.say(more.clone(), piece);
    }
    assert_eq!(remote.run(3, "echo on").0, b"on\n");
}

#[test]
fn a_command_that_ignores_being_stopped_is_killed_in_the_time_it_was_given() {
    let places = Places::new();
    let mut remote = session(&places);
    let stubborn = b"trap '' INT TERM; echo go; while :; do read -r -t 1 x <>/dev/tty; done";
    for (number, timeout_ms, cancels) in [(2, Some(300), false), (3, None, true)] {
        let submit = Submit {
            timeout_ms,
            kill_after_ms: Some(100),
            ..submit(number)
        };
        remote.say(submit, stubborn);
        if cancels {
            remote.wait(|message| match message {
                ToClient::Changed(changed) => {
                    (changed.info.running == Some(id(number))).then_some(())
                }
                _ => None,
            });
            let cancel = Cancel {
                invocation: id(number),
                level: Level::Interrupt,
            };
            remote.say(cancel, b"");
        }
        let (_, outcome) = remote.run(number, "again");
        let killed = ExitStatus::Code(137);
        let expected = if cancels {
            Outcome::Cancelled(killed)
        } else {
            Outcome::TimedOut(killed)
        };
        assert_eq!(outcome, expected);
    }
    assert_eq!(remote.run(4, "echo on").0, b"on\n");
}

/// A reader of the terminal, without a credit to speak of.
fn reader(number: u32, from: From, credit: u32) -> ReaderOpen {
    ReaderOpen {
        reader: ReaderId(number),
        source: Source::Terminal,
        from,
        only: None,
        skip: Vec::new(),
        credit,
        owed: 0,
    }
}

/// What comes next for that reader.
fn next_for(remote: &mut Remote, number: u32) -> (ToClient, Vec<u8>) {
    let id = ReaderId(number);
    loop {
        let (message, body) = remote.hear();
        match &message {
            ToClient::Record(record) if record.reader == id => return (message, body.to_vec()),
            ToClient::Modes(modes) if modes.reader == id => return (message, body.to_vec()),
            ToClient::CaughtUp(caught) if caught.reader == id => return (message, Vec::new()),
            _ => {}
        }
    }
}

#[test]
fn who_reads_behind_what_is_gone_is_told_the_modes_first() {
    let places = Places::new();
    let mut it = Visitor::enter(session(&places), 2);
    it.sees("prompt> ");
    let mut watcher = places.remote();
    watcher.say(attach(INSTANCE, 2, AttachMode::ReadOnly), b"");
    attached(&mut watcher);
    // From the first record on there is nothing to be told, and one with a credit of 1 stays there.
    watcher.say(reader(1, From::Bytes(1 << 20), 1), b"");
    let (ToClient::Record(first), _) = next_for(&mut watcher, 1) else {
        panic!("a record first");
    };
    assert!(first.seq < Seq(4), "{first:?}");
    it.types("stty -echo; printf '\\e[?1049h\\e[?1002;1006h\\e[?25l'; sleep 0\n");
    it.sees("\x1b[?1002;1006h\x1b[?25l");
    it.types("for i in {1..40000}; do echo \"$i ---------- ---------- ---------- ----------\"; done; echo do\"\"ne\n");
    it.sees("done\r\n");

    // Another one begins in the middle.
    watcher.say(reader(2, From::Bytes(1000), 1 << 20), b"");
    let (ToClient::Modes(modes), setting) = next_for(&mut watcher, 2) else {
        panic!("the modes first");
    };
    let setting = String::from_utf8(setting).unwrap();
    assert!(
        setting.starts_with("\x1b[?1049h") && setting.contains("\x1b[?25l"),
        "{setting:?}"
    );
    assert!(setting.contains("\x1b[?1002h\x1b[?1006h"), "{setting:?}");
    let (ToClient::Record(record), _) = next_for(&mut watcher, 2) else {
        panic!("a record behind them");
    };
    assert_eq!(record.seq, modes.before);
    // One that goes on where it was is told nothing.
    watcher.say(reader(3, From::Seq(record.seq), 1 << 20), b"");
    assert!(matches!(
        next_for(&mut watcher, 3),
        (ToClient::Record(again), _) if again.seq == record.seq
    ));

    // The first one has a gap by now.
    let ack = ReaderAck {
        reader: ReaderId(1),
        seq: first.seq,
    };
    watcher.say(ack, b"");
    let (ToClient::Modes(modes), body) = next_for(&mut watcher, 1) else {
        panic!("the modes first");
    };
    assert_eq!(String::from_utf8(body).unwrap(), setting);
    let (ToClient::Record(gap), _) = next_for(&mut watcher, 1) else {
        panic!("the gap behind them");
    };
    assert!(matches!(gap.kind, RecordKind::Gap(_)), "{gap:?}");
    assert_eq!(gap.seq.next(), modes.before);
    let ack = ReaderAck {
        reader: ReaderId(1),
        seq: gap.seq,
    };
    watcher.say(ack, b"");
    let (ToClient::Record(record), _) = next_for(&mut watcher, 1) else {
        panic!("no modes twice");
    };
    assert_eq!(record.seq, modes.before);
}
