//! The remote end as sshd starts it, spoken to over its standard streams.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use outlast_protocol::id::{ClientId, InstanceId, InvocationId, ReaderId, SessionName};
use outlast_protocol::link::connection::{ClientLink, LinkEvent, hello};
use outlast_protocol::link::refusal::RefusalCode;
use outlast_protocol::link::to_client::ToClient;
use outlast_protocol::link::to_host::{
    Attach, Create, End, List, Ping, ReaderOpen, Remove, Submit, ToHost,
};
use outlast_protocol::link::{AttachMode, Command as Kind, From};
use outlast_protocol::outcome::{ExitStatus, Outcome};
use outlast_protocol::record::{RecordKind, Stream};
use outlast_protocol::session::{Buffering, End as Ended, IdleTimeout, Life};
use outlast_subsystem::registry::{Meta, MetaLife, Registry};
use uuid::Uuid;

/// A relay and our end of its link.
struct Remote {
    child: Child,
    output: ChildStdout,
    link: ClientLink,
    started: Instant,
}

impl Remote {
    fn start(sessions: &Path, home: &Path) -> Self {
        let program = Command::new(env!("CARGO_BIN_EXE_outlast-subsystem"));
        Self::of(program, sessions, home)
    }

    fn of(mut command: Command, sessions: &Path, home: &Path) -> Self {
        let mut child = command
            .env("OUTLAST_SESSION_DIR", sessions)
            .env("HOME", home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.stdout.take().unwrap();
        let link = ClientLink::new(Duration::ZERO, hello("test/1", "me", "here"));
        let mut remote = Self {
            child,
            output,
            link,
            started: Instant::now(),
        };
        while !remote.link.is_open() {
            remote.step();
        }
        assert!(matches!(remote.link.poll_event(), Some(LinkEvent::Open(_))));
        remote
    }

    fn say(&mut self, message: impl Into<ToHost>, body: &[u8]) {
        self.link
            .send(&message.into(), Bytes::copy_from_slice(body))
            .unwrap();
        let mut input = self.child.stdin.as_ref().unwrap();
        while let Some(piece) = self.link.poll_output() {
            input.write_all(&piece).unwrap();
        }
    }

    fn step(&mut self) {
        let mut chunk = [0; 4096];
        let count = self.output.read(&mut chunk).unwrap();
        assert!(count > 0, "the remote end closed the link");
        self.link
            .handle_input(self.started.elapsed(), &chunk[..count])
            .unwrap();
        let mut input = self.child.stdin.as_ref().unwrap();
        while let Some(piece) = self.link.poll_output() {
            input.write_all(&piece).unwrap();
        }
    }

    fn hear(&mut self) -> (ToClient, Bytes) {
        loop {
            if let Some(LinkEvent::Message(message, body)) = self.link.poll_event() {
                return (message, body);
            }
            self.step();
        }
    }

    fn wait<T>(&mut self, wanted: impl Fn(&ToClient) -> Option<T>) -> T {
        loop {
            let (message, _) = self.hear();
            assert!(!matches!(message, ToClient::Refused(_)), "{message:?}");
            if let Some(found) = wanted(&message) {
                return found;
            }
        }
    }

    /// Runs a script and returns its standard output and outcome.
    fn run(&mut self, number: u128, script: &str) -> (Vec<u8>, Outcome) {
        let invocation = InvocationId(Uuid::from_u128(number));
        let submit = Submit {
            invocation,
            command: Kind::Script,
            arguments_len: 0,
            stdin: false,
            timeout_ms: None,
            wait: true,
            extensions: Vec::new(),
        };
        let reader = ReaderId(u32::try_from(number).unwrap());
        let open = ReaderOpen {
            reader,
            from: From::Start,
            only: Some(invocation),
            skip: Vec::new(),
            credit: 1 << 20,
            owed: 0,
        };
        self.say(submit, script.as_bytes());
        self.say(open, b"");
        let mut output = Vec::new();
        loop {
            let (message, body) = self.hear();
            let ToClient::Record(record) = message else {
                continue;
            };
            match record.kind {
                RecordKind::Output(Stream::Stdout) => output.extend_from_slice(&body),
                RecordKind::Completed(outcome) => return (output, outcome),
                _ => {}
            }
        }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn create(instance: InstanceId, client: u128, name: &str) -> Create {
    Create {
        instance,
        client: ClientId(Uuid::from_u128(client)),
        name: SessionName::new(name).unwrap(),
        configuration: String::new(),
        idle_timeout: IdleTimeout::Never,
        buffering: Buffering::Spool,
        environment: Vec::new(),
        open_timeout_ms: 20_000,
        extensions: Vec::new(),
    }
}

fn attach(instance: InstanceId, client: u128, mode: AttachMode) -> Attach {
    Attach {
        instance,
        client: ClientId(Uuid::from_u128(client)),
        mode,
        extensions: Vec::new(),
    }
}

struct Places {
    sessions: tempfile::TempDir,
    home: tempfile::TempDir,
}

impl Places {
    fn new() -> Self {
        Self {
            sessions: tempfile::tempdir().unwrap(),
            home: tempfile::tempdir().unwrap(),
        }
    }

    fn remote(&self) -> Remote {
        Remote::start(&self.sessions.path().join("sessions"), self.home.path())
    }
}

fn attached(message: &ToClient) -> Option<()> {
    matches!(message, ToClient::Attached(_)).then_some(())
}

#[test]
fn a_session_outlives_its_link_and_ends_when_removed() {
    let places = Places::new();
    let instance = InstanceId(Uuid::from_u128(7));
    let mut first = places.remote();
    first.say(create(instance, 1, "one"), b"");
    first.wait(attached);
    let (output, outcome) = first.run(1, "x=41; echo first");
    assert_eq!(
        (output.as_slice(), outcome),
        (&b"first\n"[..], Outcome::Ended(ExitStatus::Code(0)))
    );
    drop(first);

    let mut second = places.remote();
    second.say(attach(instance, 2, AttachMode::Connect), b"");
    second.wait(attached);
    assert_eq!(second.run(2, "echo $((x + 1)); exit 5").0, b"42\n");
    let (_, outcome) = second.run(1, "echo never again");
    assert_eq!(
        outcome,
        Outcome::Ended(ExitStatus::Code(0)),
        "a resend has the first outcome"
    );

    second.say(
        End {
            extensions: Vec::new(),
        },
        b"",
    );
    let end = second.wait(|message| match message {
        ToClient::Ended(ended) => Some(ended.end.clone()),
        _ => None,
    });
    assert_eq!(end, Ended::Removed);
    // The host closes the link when nothing is left of the session.
    let mut rest = Vec::new();
    second.output.read_to_end(&mut rest).unwrap();
    drop(second);
    assert_eq!(
        std::fs::read_dir(places.sessions.path().join("sessions"))
            .unwrap()
            .count(),
        1,
        "only names.lock"
    );
}

#[test]
fn a_held_session_is_refused_and_can_be_stolen() {
    let places = Places::new();
    let instance = InstanceId(Uuid::from_u128(8));
    let mut holder = places.remote();
    holder.say(create(instance, 1, "one"), b"");
    holder.wait(attached);

    let mut stranger = places.remote();
    stranger.say(attach(instance, 2, AttachMode::Connect), b"");
    let (refused, _) = stranger.hear();
    assert!(matches!(refused, ToClient::Refused(r) if r.code == RefusalCode::HELD));

    let mut thief = places.remote();
    thief.say(attach(instance, 2, AttachMode::Steal), b"");
    thief.wait(attached);
    let by = holder.wait(|message| match message {
        ToClient::Stolen(stolen) => Some(stolen.by.clone()),
        _ => None,
    });
    assert_eq!(
        (by.client, by.user.as_str()),
        (ClientId(Uuid::from_u128(2)), "me")
    );

    let mut remover = places.remote();
    remover.say(
        Remove {
            instance,
            extensions: Vec::new(),
        },
        b"",
    );
    remover.wait(|message| matches!(message, ToClient::Removed(_)).then_some(()));
}

#[test]
fn a_list_tells_live_from_broken() {
    let places = Places::new();
    let instance = InstanceId(Uuid::from_u128(9));
    let mut holder = places.remote();
    holder.say(create(instance, 1, "one"), b"");
    let pid = holder.wait(|message| match message {
        ToClient::Attached(attached) => Some(attached.info.host_pid),
        _ => None,
    });
    let lives = |remote: &mut Remote| {
        remote.say(
            List {
                extensions: Vec::new(),
            },
            b"",
        );
        remote.wait(|message| match message {
            ToClient::Listed(listed) => Some(
                listed
                    .sessions
                    .iter()
                    .map(|info| info.life.clone())
                    .collect::<Vec<_>>(),
            ),
            _ => None,
        })
    };
    assert_eq!(lives(&mut places.remote()), [Life::Live]);

    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    // The link ends when the host is gone.
    let mut rest = Vec::new();
    holder.output.read_to_end(&mut rest).unwrap();
    let found = lives(&mut places.remote());
    assert!(
        matches!(found.as_slice(), [Life::Broken(reason)] if reason.contains("killed")),
        "{found:?}"
    );

    let mut remover = places.remote();
    remover.say(
        Remove {
            instance,
            extensions: Vec::new(),
        },
        b"",
    );
    remover.wait(|message| matches!(message, ToClient::Removed(_)).then_some(()));
    assert_eq!(lives(&mut places.remote()), []);
}

/// A user may have more sessions than the remote end may have files open.
#[test]
fn a_list_is_whole_however_few_files_may_be_open() {
    const SESSIONS: u128 = 150;
    let places = Places::new();
    let place = places.sessions.path().join("sessions");
    let registry = Registry::at(&place).unwrap();
    for number in 1..=SESSIONS {
        let instance = InstanceId(Uuid::from_u128(number));
        let entry = registry.create(instance).unwrap();
        Meta {
            format: Meta::FORMAT,
            instance,
            name: SessionName::new(&format!("job{number}")).unwrap(),
            configuration: "bash".into(),
            created_ms: 1,
            idle_timeout: IdleTimeout::Never,
            buffering: Buffering::Spool,
            life: MetaLife::Ended(Ended::Removed),
            host: None,
            shell: None,
            boot_id: String::new(),
            disconnected_ms: None,
        }
        .write(entry.directory())
        .unwrap();
    }
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 64; exec \"$0\""]);
    command.arg(env!("CARGO_BIN_EXE_outlast-subsystem"));
    let mut remote = Remote::of(command, &place, places.home.path());
    remote.say(
        List {
            extensions: Vec::new(),
        },
        b"",
    );
    let listed = remote.wait(|message| match message {
        ToClient::Listed(listed) => Some(listed.sessions.len()),
        _ => None,
    });
    assert_eq!(listed as u128, SESSIONS);
}

/// Takes the shortest idle timeout there is, a minute: the event waited for is the host's end.
#[test]
fn an_idle_session_ends_by_itself_and_an_attached_one_does_not() {
    let places = Places::new();
    let timed = |number, client, name| Create {
        idle_timeout: IdleTimeout::Seconds(60),
        ..create(InstanceId(Uuid::from_u128(number)), client, name)
    };
    let host = |message: &ToClient| match message {
        ToClient::Attached(attached) => Some(attached.info.host_pid),
        _ => None,
    };
    let mut kept = places.remote();
    kept.say(timed(1, 1, "kept"), b"");
    kept.wait(host);
    let mut left = places.remote();
    left.say(timed(2, 1, "left"), b"");
    let pid = i32::try_from(left.wait(host)).unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    let end = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap();
    let began = Instant::now();
    drop(left);

    // The heartbeat of the one that is kept; without it its link would be dead by then.
    loop {
        let pause = rustix::time::Timespec {
            tv_sec: 5,
            tv_nsec: 0,
        };
        let mut ended = [rustix::event::PollFd::new(
            &end,
            rustix::event::PollFlags::IN,
        )];
        if rustix::event::poll(&mut ended, Some(&pause)).unwrap() > 0 {
            break;
        }
        kept.say(Ping { number: 1 }, b"");
        assert!(began.elapsed() < Duration::from_secs(120), "it lives on");
    }
    assert!(began.elapsed() >= Duration::from_secs(60), "it ended early");
    let mut lister = places.remote();
    lister.say(
        List {
            extensions: Vec::new(),
        },
        b"",
    );
    let names = lister.wait(|message| match message {
        ToClient::Listed(listed) => Some(
            listed
                .sessions
                .iter()
                .map(|info| info.name.to_string())
                .collect::<Vec<_>>(),
        ),
        _ => None,
    });
    assert_eq!(names, ["kept"]);
    kept.say(
        End {
            extensions: Vec::new(),
        },
        b"",
    );
    kept.wait(|message| matches!(message, ToClient::Ended(_)).then_some(()));
}
