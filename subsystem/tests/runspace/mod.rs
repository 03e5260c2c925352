//! A runspace in a temporary home, and what a caller does with it.

mod session;
#[allow(dead_code, reason = "only some engines are visited in tests")]
pub(crate) mod visitor;

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use outlast_protocol::outcome::ExitStatus;
use outlast_subsystem::runspace::{
    Command, Configuration, Event, OpenError, Pipes, Runspace, RunspaceSpec, StartSpec,
};
use outlast_subsystem::sys::readiness;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags};
use session::Session;
use tokio::io::{Interest, unix::AsyncFd};

/// Programs in this directory of the home are found before all others.
pub(crate) const PROGRAMS: &str = ".programs";

fn path(home: &Home) -> OsString {
    let mut path = home.path().join(PROGRAMS).into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    path
}

pub(crate) struct Home(tempfile::TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(home.path().join(".runspace"))
            .unwrap();
        Self(home)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}

/// What an invocation did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) exited: Option<ExitStatus>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) stdin_closed: bool,
}

impl Ran {
    pub(crate) fn out(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    pub(crate) fn err(&self) -> &str {
        std::str::from_utf8(&self.stderr).unwrap()
    }
}

pub(crate) struct Bench {
    pub(crate) runspace: Runspace,
    pub(crate) home: Home,
    number: u64,
    session: Session,
}

impl Bench {
    pub(crate) async fn open() -> Self {
        Self::open_in(Home::new())
            .await
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&error.terminal)))
    }

    pub(crate) async fn open_in(home: Home) -> Result<Self, OpenError> {
        Self::open_within(home, Duration::from_secs(20)).await
    }

    pub(crate) async fn open_within(home: Home, open_timeout: Duration) -> Result<Self, OpenError> {
        Self::open_as("bash", home, open_timeout).await
    }

    /// Opens the configuration of that name.
    pub(crate) async fn open_as(
        configuration: &str,
        home: Home,
        open_timeout: Duration,
    ) -> Result<Self, OpenError> {
        let variables = [
            ("HOME", home.path().as_os_str().to_owned()),
            ("PATH", path(&home)),
            ("TERM", OsString::from("xterm-256color")),
        ];
        let spec = RunspaceSpec {
            configuration: Configuration::named(configuration).unwrap(),
            directory: home.path().join(".runspace"),
            environment: variables.map(|(name, value)| (name.into(), value)).to_vec(),
            working_directory: home.path().to_owned(),
            open_timeout,
            umask: 0o022,
        };
        let runspace = Runspace::open(spec).await?;
        Ok(Self {
            session: Session::of(runspace.pid()),
            runspace,
            home,
            number: 0,
        })
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.home.path().join(".runspace")
    }

    pub(crate) async fn run(&mut self, script: &str) -> Ran {
        self.run_command(Command::Script(script.into()), None).await
    }

    pub(crate) async fn run_with_stdin(&mut self, script: &str, input: &[u8]) -> Ran {
        self.run_command(Command::Script(script.into()), Some(input))
            .await
    }

    pub(crate) async fn argv(&mut self, words: &[&[u8]]) -> Ran {
        let words = words.iter().map(|word| word.to_vec()).collect();
        self.run_command(Command::Argv(words), None).await
    }

    /// A number for an invocation or a visit.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// Runs what a caller has numbered.
    pub(crate) async fn run_spec(&mut self, start: &StartSpec) -> Ran {
        let started = self.start_spec(start);
        self.ran(started, None).await
    }

    /// Starts what a caller has numbered.
    pub(crate) fn start_spec(&mut self, start: &StartSpec) -> Started {
        Started::new(self.runspace.start(start).unwrap())
    }

    pub(crate) async fn run_command(&mut self, command: Command, input: Option<&[u8]>) -> Ran {
        let started = self.start_command(command, input.is_some());
        self.ran(started, input).await
    }

    async fn ran(&mut self, mut started: Started, input: Option<&[u8]>) -> Ran {
        let stdin = started.stdin.take();
        let end = std::cell::Cell::new(None);
        let ending = async {
            end.set(Some(self.completion().await));
            self.idle().await
        };
        let said = async { tokio::join!(started.read_to_end(), write(stdin, input)) };
        // It may have said all before it ends.
        let ((stdout, stderr), stdin_closed) = beside(said, ending).await;
        let end = match end.take() {
            Some(end) => end,
            None => self.completion().await,
        };
        Ran {
            status: end.unwrap_or_else(|status| status),
            exited: end.err(),
            stdout,
            stderr,
            stdin_closed,
        }
    }

    /// Runs a script that says "go", and presses ^C then.
    pub(crate) async fn interrupted(&mut self, script: &str, stdin: bool) -> Ran {
        let mut started = self.start(script, stdin);
        started.read_until("go\n").await;
        self.runspace.interrupt();
        let status = self.completion().await.unwrap();
        let (stdout, stderr) = self.read_to_end(&mut started).await;
        Ran {
            status,
            exited: None,
            stdout,
            stderr,
            stdin_closed: false,
        }
    }

    pub(crate) fn start(&mut self, script: &str, stdin: bool) -> Started {
        self.start_command(Command::Script(script.into()), stdin)
    }

    fn start_command(&mut self, command: Command, stdin: bool) -> Started {
        let start = StartSpec {
            number: self.next_number(),
            command,
            stdin,
            environment: Vec::new(),
        };
        Started::new(self.runspace.start(&start).unwrap())
    }

    /// The status of the running invocation, or that of the shell if it has ended.
    pub(crate) async fn completion(&mut self) -> Result<ExitStatus, ExitStatus> {
        loop {
            match self.runspace.next_event().await {
                Event::Completed { number, status } => {
                    assert_eq!(number, self.number);
                    return Ok(status);
                }
                Event::Exited(status) => return Err(status),
                Event::Pty(_)
                | Event::Left { .. }
                | Event::Free
                | Event::Typed(_)
                | Event::Asked { .. }
                | Event::AskedNoMore => {}
            }
        }
    }

    /// Reads what a running invocation says, while the runspace goes about its business.
    pub(crate) async fn read_until(&mut self, started: &mut Started, end: &str) {
        tokio::select! {
            () = started.read_until(end) => {}
            end = self.completion() => panic!("it has ended: {end:?}"),
        }
    }

    /// Reads all that an invocation says which has ended, while the runspace goes on to look after
    /// what it stopped.
    pub(crate) async fn read_to_end(&mut self, started: &mut Started) -> (Vec<u8>, Vec<u8>) {
        beside(started.read_to_end(), self.idle()).await
    }

    /// Has the runspace go about its business, as a host does.
    async fn idle(&mut self) -> Infallible {
        loop {
            if let Event::Exited(_) = self.runspace.next_event().await {
                std::future::pending::<()>().await;
            }
        }
    }

    pub(crate) async fn close(self) -> Home {
        self.runspace.close(Duration::from_millis(500)).await;
        self.home
    }
}

pub(crate) struct Started {
    pub(crate) stdin: Option<OwnedFd>,
    stdout: Reader,
    stderr: Reader,
}

impl Started {
    fn new(pipes: Pipes) -> Self {
        let Pipes {
            stdin,
            stdout,
            stderr,
        } = pipes;
        Self {
            stdin,
            stdout: Reader::new(stdout),
            stderr: Reader::new(stderr),
        }
    }

    pub(crate) async fn read_until(&mut self, end: &str) {
        while !self.stdout.bytes.ends_with(end.as_bytes()) {
            assert!(
                self.stdout.read().await,
                "{:?}",
                String::from_utf8_lossy(&self.stdout.bytes)
            );
        }
    }

    /// Reads on until an error has been said.
    #[allow(dead_code, reason = "only some engines are asked for one in tests")]
    pub(crate) async fn read_error_until(&mut self, end: &str) {
        while !self.stderr.bytes.ends_with(end.as_bytes()) {
            assert!(self.stderr.read().await, "it said no error");
        }
    }

    pub(crate) async fn read_line(&mut self) -> String {
        self.read_until("\n").await;
        let line = String::from_utf8_lossy(&self.stdout.bytes).into_owned();
        line.trim().to_owned()
    }

    async fn read_to_end(&mut self) -> (Vec<u8>, Vec<u8>) {
        let Self { stdout, stderr, .. } = self;
        tokio::join!(stdout.read_all(), stderr.read_all());
        (
            std::mem::take(&mut stdout.bytes),
            std::mem::take(&mut stderr.bytes),
        )
    }
}

struct Reader {
    pipe: AsyncFd<OwnedFd>,
    bytes: Vec<u8>,
}

impl Reader {
    fn new(pipe: OwnedFd) -> Self {
        Self {
            pipe: readiness::watch(pipe, Interest::READABLE).unwrap(),
            bytes: Vec::new(),
        }
    }

    async fn read(&mut self) -> bool {
        loop {
            let mut ready = self.pipe.readable().await.unwrap();
            self.bytes.reserve(64 << 10);
            let spare = rustix::buffer::spare_capacity(&mut self.bytes);
            match ready.try_io(|pipe| Ok(rustix::io::read(pipe.get_ref(), spare)?)) {
                Ok(count) => return count.unwrap() > 0,
                Err(_would_block) => {}
            }
        }
    }

    async fn read_all(&mut self) {
        while self.read().await {}
    }
}

/// What comes of one thing, while another one goes on that never ends.
async fn beside<T>(one: impl Future<Output = T>, other: impl Future<Output = Infallible>) -> T {
    tokio::select! {
        it = one => it,
        never = other => match never {},
    }
}

/// Writes all of it; says whether the reader went away first.
async fn write(stdin: Option<OwnedFd>, input: Option<&[u8]>) -> bool {
    let (Some(stdin), Some(mut input)) = (stdin, input) else {
        return false;
    };
    let stdin = readiness::watch(stdin, Interest::WRITABLE).unwrap();
    while !input.is_empty() {
        let mut ready = stdin.writable().await.unwrap();
        match rustix::io::write(stdin.get_ref(), input) {
            Ok(count) => input = &input[count..],
            Err(Errno::AGAIN) => ready.clear_ready(),
            Err(Errno::PIPE) => return true,
            Err(error) => panic!("{error}"),
        }
    }
    false
}

/// The end of a process that is not our child.
pub(crate) struct End(AsyncFd<OwnedFd>);

impl End {
    pub(crate) fn of(pid: i32) -> Self {
        let pid = Pid::from_raw(pid).unwrap();
        let end = rustix::process::pidfd_open(pid, PidfdFlags::NONBLOCK).unwrap();
        Self(readiness::watch(end, Interest::READABLE).unwrap())
    }

    pub(crate) async fn wait(&self) {
        let _ready = self.0.readable().await.unwrap();
    }
}
