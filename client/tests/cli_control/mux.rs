//! A mux that follows a script: what a test says is what the command line is told.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use outlast_protocol::control::session::{Availability, Session, State};
use outlast_protocol::control::to_cli::{Finished, Record, Sessions, ToCli};
use outlast_protocol::control::to_mux::{Select, ToMux};
use outlast_protocol::frame::FrameDecoder;
use outlast_protocol::hello::{CONTROL_PROTOCOL, Hello};
use outlast_protocol::id::{InstanceId, InvocationId, Seq, SessionName};
use outlast_protocol::limits::MAX_FRAME;
use outlast_protocol::record::RecordKind;
use outlast_rendezvous::PrivateDirectory;
use outlast_rendezvous::listener::bind;
use outlast_tests::pty::OnPty;

pub(crate) struct Mux {
    home: tempfile::TempDir,
    listener: Option<UnixListener>,
}

/// One accepted connection.
pub(crate) struct Line {
    stream: UnixStream,
    decoder: FrameDecoder,
}

impl Mux {
    pub(crate) fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut mux = Self {
            home,
            listener: None,
        };
        mux.restart();
        mux
    }

    pub(crate) fn stop(&mut self) {
        if let Some(listener) = self.listener.take() {
            // Closing alone would not do: another test may be between fork and exec just now,
            // and its child has the descriptor too.
            rustix::net::shutdown(&listener, rustix::net::Shutdown::Both).unwrap();
        }
    }

    pub(crate) fn restart(&mut self) {
        self.stop();
        let state = PrivateDirectory::open_or_create(self.home.path().join("state")).unwrap();
        self.listener = Some(bind(&state, "mux.sock").unwrap());
    }

    pub(crate) fn outlast(&self, args: &[&str]) -> Child {
        self.outlast_in(self.home.path(), args)
    }

    pub(crate) fn outlast_in(&self, home: impl AsRef<Path>, args: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_outlast"))
            .args(args)
            .env("OUTLAST_HOME", home.as_ref())
            .env_remove("SSH_AUTH_SOCK")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// The command line on a terminal of 24 lines of 80 characters.
    pub(crate) fn outlast_on_pty(&self, args: &[&str]) -> OnPty {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outlast"));
        command
            .args(args)
            .env("OUTLAST_HOME", self.home.path())
            .env("TERM", "xterm-256color");
        OnPty::start(&command)
    }

    /// The next connection, greeted both ways.
    pub(crate) fn accept(&self) -> Line {
        let mut line = self.accept_as(CONTROL_PROTOCOL);
        assert!(matches!(line.hear().0, ToMux::Hello(_)));
        line
    }

    /// The next connection, greeted by us.
    pub(crate) fn accept_as(&self, protocol: u16) -> Line {
        let (stream, _) = self.listener.as_ref().unwrap().accept().unwrap();
        let mut line = Line {
            stream,
            decoder: FrameDecoder::new(MAX_FRAME),
        };
        line.say(Hello {
            protocol,
            oldest: protocol,
            program: "outlast 9.9.9".into(),
            user: String::new(),
            host: String::new(),
            max_frame: MAX_FRAME,
            features: Vec::new(),
        });
        line
    }

    /// Answers the question which sessions there are.
    pub(crate) fn selected(&self, sessions: Vec<Session>) -> Select {
        let mut line = self.accept();
        let ToMux::Select(select) = line.hear().0 else {
            panic!("not a Select");
        };
        line.say(Sessions {
            sessions,
            more: false,
        });
        line.say(Finished);
        select
    }
}

impl Line {
    pub(crate) fn say(&mut self, message: impl Into<ToCli>) {
        self.say_with(message, b"");
    }

    pub(crate) fn say_with(&mut self, message: impl Into<ToCli>, body: &[u8]) {
        let mut bytes = message.into().head(body.len()).unwrap();
        bytes.extend_from_slice(body);
        self.stream.write_all(&bytes).unwrap();
    }

    pub(crate) fn record(
        &mut self,
        seq: u64,
        invocation: InvocationId,
        kind: RecordKind,
        body: &[u8],
    ) {
        let record = Record {
            seq: Seq(seq),
            time_ms: 1_700_000_000_000 + seq,
            invocation: Some(invocation),
            kind,
        };
        self.say_with(record, body);
    }

    pub(crate) fn hear(&mut self) -> (ToMux, bytes::Bytes) {
        self.hear_or_end().expect("the command line hung up")
    }

    /// The next record that was written out.
    pub(crate) fn hear_consumed(&mut self) -> u64 {
        loop {
            match self.hear().0 {
                ToMux::Consumed(consumed) => return consumed.seq.0,
                ToMux::StdinEnd(_) => {}
                other => panic!("expected Consumed, got {}", other.name()),
            }
        }
    }

    /// At least so many bytes of input; how many it were.
    pub(crate) fn hear_stdin(&mut self, count: usize) -> usize {
        let mut heard = 0;
        while heard < count {
            match self.hear() {
                (ToMux::Stdin(_), body) => heard += body.len(),
                (ToMux::Consumed(_), _) => {}
                (other, _) => panic!("expected Stdin, got {}", other.name()),
            }
        }
        heard
    }

    pub(crate) fn hang_up(&self) {
        self.stream.shutdown(std::net::Shutdown::Both).unwrap();
    }

    /// Whether the command line has neither said anything more nor hung up.
    pub(crate) fn is_open(&mut self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let read = self.stream.read(&mut [0]);
        self.stream.set_nonblocking(false).unwrap();
        read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }

    pub(crate) fn hear_or_end(&mut self) -> Option<(ToMux, bytes::Bytes)> {
        loop {
            if let Some(frame) = self.decoder.next_frame().unwrap() {
                return Some(ToMux::decode(&frame).unwrap());
            }
            let mut piece = [0; 65536];
            let count = self.stream.read(&mut piece).unwrap();
            if count == 0 {
                return None;
            }
            self.decoder.push(&piece[..count]);
        }
    }
}

pub(crate) fn session(id: u32, name: &str) -> Session {
    Session {
        id,
        name: SessionName::new(name).unwrap(),
        computer_name: format!("server{id}"),
        state: State::Opened,
        availability: Availability::Available,
        configuration: "bash".into(),
        instance: InstanceId(uuid::Uuid::from_u128(id.into())),
        idle_timeout_s: Some(604_800),
        created_ms: 1_700_000_000_000,
        disconnected_ms: None,
        expires_ms: None,
        running: None,
        running_since_ms: None,
        activity: String::new(),
        asks: None,
        queued: 0,
        note: String::new(),
        route: Vec::new(),
        durability: String::new(),
    }
}

/// Code, standard output and standard error of a program that has ended.
pub(crate) fn ended(child: Child) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    (
        status.code().unwrap(),
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    )
}
