//! A relay as sshd starts it, and our end of its link.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use outlast_protocol::id::{ClientId, InstanceId, InvocationId, ReaderId, SessionName};
use outlast_protocol::link::connection::{ClientLink, LinkEvent, hello};
use outlast_protocol::link::to_client::ToClient;
use outlast_protocol::link::to_host::{Attach, Create, ReaderOpen, Submit, ToHost};
use outlast_protocol::link::{AttachMode, Command as Kind, From, Source};
use outlast_protocol::outcome::Outcome;
use outlast_protocol::record::{RecordKind, Stream};
use outlast_protocol::session::{Buffering, IdleTimeout};
use rustix::process::{Pid, Signal, kill_process};
use uuid::Uuid;

/// A relay and our end of its link.
pub(crate) struct Remote {
    pub(crate) child: Child,
    pub(crate) output: ChildStdout,
    link: ClientLink,
    started: Instant,
}

impl Remote {
    pub(crate) fn start(sessions: &Path, home: &Path) -> Self {
        let program = Command::new(env!("CARGO_BIN_EXE_outlast-subsystem"));
        Self::of(program, sessions, home)
    }

    /// The same, started by another command.
    pub(crate) fn of(mut command: Command, sessions: &Path, home: &Path) -> Self {
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

    pub(crate) fn say(&mut self, message: impl Into<ToHost>, body: &[u8]) {
        self.link
            .send(&message.into(), Bytes::copy_from_slice(body))
            .unwrap();
        let mut input = self.child.stdin.as_ref().unwrap();
        while let Some(piece) = self.link.poll_output() {
            input.write_all(&piece).unwrap();
        }
    }

    pub(crate) fn step(&mut self) {
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

    pub(crate) fn hear(&mut self) -> (ToClient, Bytes) {
        loop {
            if let Some(LinkEvent::Message(message, body)) = self.link.poll_event() {
                return (message, body);
            }
            self.step();
        }
    }

    pub(crate) fn wait<T>(&mut self, wanted: impl Fn(&ToClient) -> Option<T>) -> T {
        loop {
            let (message, _) = self.hear();
            assert!(!matches!(message, ToClient::Refused(_)), "{message:?}");
            if let Some(found) = wanted(&message) {
                return found;
            }
        }
    }

    /// Runs a script and returns its standard output and outcome.
    pub(crate) fn run(&mut self, number: u128, script: &str) -> (Vec<u8>, Outcome) {
        let invocation = InvocationId(Uuid::from_u128(number));
        let submit = submit(number);
        let reader = ReaderId(u32::try_from(number).unwrap());
        let open = ReaderOpen {
            source: Source::Log,
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

pub(crate) fn create(instance: InstanceId, client: u128, name: &str) -> Create {
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

pub(crate) fn attach(instance: InstanceId, client: u128, mode: AttachMode) -> Attach {
    Attach {
        instance,
        client: ClientId(Uuid::from_u128(client)),
        mode,
        extensions: Vec::new(),
    }
}

pub(crate) struct Places {
    pub(crate) sessions: tempfile::TempDir,
    pub(crate) home: tempfile::TempDir,
}

impl Places {
    pub(crate) fn new() -> Self {
        Self {
            sessions: tempfile::tempdir().unwrap(),
            home: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn remote(&self) -> Remote {
        Remote::start(&self.sessions.path().join("sessions"), self.home.path())
    }
}

impl Drop for Places {
    /// No host outlives its test: they are known by the path of their session.
    fn drop(&mut self) {
        let path = self.sessions.path().as_os_str().as_encoded_bytes();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let ours = std::fs::read(entry.path().join("cmdline")).is_ok_and(|line| {
                let mut words = line.split(|byte| *byte == 0);
                words.any(|word| word.starts_with(path))
            });
            let pid = entry.file_name().to_str().and_then(|pid| pid.parse().ok());
            if let (true, Some(pid)) = (ours, pid.and_then(Pid::from_raw)) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// A script to be run.
pub(crate) fn submit(number: u128) -> Submit {
    Submit::new(InvocationId(Uuid::from_u128(number)), Kind::Script)
}
