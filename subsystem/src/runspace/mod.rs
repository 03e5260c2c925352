//! A live, interactive shell on a terminal, in which invocations run one after the other.
//!
//! The shell is driven by a script of its own language (`drivers/`), which waits for work on
//! the FIFO `control` and reports on the FIFO `status`; neither is open while an invocation
//! runs. An invocation's standard streams are FIFOs too, opened by path, so its children see
//! descriptors 0, 1 and 2 and nothing else.

mod asking;
mod attend;
mod bash;
mod configuration;
mod engine;
mod error;
mod fence;
mod fifo;
mod guard;
mod invocation;
mod leftovers;
mod loan;
mod prompt;
mod python;
mod quote;
mod sh;
mod shell;
mod spec;
mod status;
mod stop;
mod terminal;
mod tree;
mod visit;
mod zsh;

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::outcome::ExitStatus;
use rustix::process::Signal;

use self::asking::Asking;
pub use self::configuration::Configuration;
use self::engine::{Engine, Job, Launch};
pub use self::error::{OpenError, OpenFailure, StartError};
use self::invocation::Invocation;
use self::leftovers::{Leftovers, Meant};
use self::prompt::Prompt;
use self::shell::Shell;
pub use self::spec::{Command, Environment, Event, Pipes, RunspaceSpec, StartSpec};
use self::status::{Report, StatusChannel};
use self::stop::{Stop, Strays};
use self::terminal::{Terminal, Turn};
use self::tree::Beginning;
use self::visit::Visiting;
pub(crate) use quote::quote as quoted;

/// Reads of the terminal at the end of the opening.
const CATCH_UP: usize = 64;
/// How long a shell and what it runs have to end when their session does.
pub const CLOSING: Duration = Duration::from_secs(3);
/// How long the dead are waited for at most, after SIGKILL: a process in an uninterruptible
/// wait must not hold us.
pub const REAP: Duration = Duration::from_secs(5);

/// A live shell. Dropping it hangs up its terminal and no more: use [`Runspace::close`].
pub struct Runspace {
    engine: &'static dyn Engine,
    directory: PathBuf,
    shell: Shell,
    /// The process that runs the invocations: the shell, or a copy of it that goes on for it.
    driver: u32,
    terminal: Terminal,
    status: StatusChannel,
    /// Held in both directions: the driver never sees the end of it while we live.
    control: OwnedFd,
    invocation: Option<Invocation>,
    /// The line that told the driver to run it.
    order: String,
    /// Whether the invocation is a plain command.
    argv: bool,
    began: Beginning,
    /// The stop that is wanted, until the invocation has ended.
    stop: Option<Stop>,
    strays: Option<Strays>,
    /// How soon all that a stop is meant for is to be gone.
    insists: Option<Duration>,
    meant: Option<Meant>,
    leftovers: Vec<Leftovers>,
    prompt: Option<Prompt>,
    visiting: Visiting,
    asking: Asking,
    reads_terminal: bool,
    /// Whether the invocation has the terminal as its standard streams.
    on_terminal: bool,
    /// An end that comes behind all that the terminal said before.
    ending: Option<Event>,
    /// Whether the driver wants something set again at the start of the next script.
    resume: bool,
    /// Whether an earlier script has left something that makes a difference to later ones.
    guarded: bool,
    events: VecDeque<Event>,
    exited: bool,
}

impl Runspace {
    /// Starts the shell and waits until the user's own files have been read.
    pub async fn open(spec: RunspaceSpec) -> Result<Self, OpenError> {
        let engine = spec.configuration.engine();
        let launch = engine.launch(&spec);
        let (terminal, shell_end) = Terminal::open().map_err(OpenFailure::Terminal)?;
        let channels = prepare(&spec.directory, &launch, &terminal.path());
        let channels = channels.map_err(OpenFailure::Directory)?;
        let shell = Shell::spawn(&spec, engine, &launch, shell_end)?;
        let mut runspace = Self {
            driver: shell.pid(),
            engine,
            directory: spec.directory,
            shell,
            terminal,
            status: channels.status,
            control: channels.control,
            invocation: None,
            order: String::new(),
            argv: false,
            began: Beginning::default(),
            stop: None,
            strays: None,
            insists: None,
            meant: None,
            leftovers: Vec::new(),
            prompt: None,
            visiting: Visiting::default(),
            asking: Asking::default(),
            reads_terminal: true,
            on_terminal: false,
            ending: None,
            resume: false,
            guarded: false,
            events: VecDeque::new(),
            exited: false,
        };
        let opened = tokio::time::timeout(spec.open_timeout, runspace.opened()).await;
        let failure = match opened {
            Ok(Ok(())) => {
                runspace.catch_up();
                return Ok(runspace);
            }
            Ok(Err(failure)) => failure,
            Err(_elapsed) => OpenFailure::TimedOut(spec.open_timeout.as_secs()),
        };
        runspace.catch_up();
        let terminal = runspace.terminal.tail();
        runspace.close(Duration::ZERO).await;
        Err(OpenError { failure, terminal })
    }

    /// The private directory it was given.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Takes in what the user's files have said until now, which may be without end.
    fn catch_up(&mut self) {
        for _ in 0..CATCH_UP {
            let Some(bytes) = self.terminal.read_now() else {
                return;
            };
            self.events.push_back(Event::Pty(bytes));
        }
    }

    async fn opened(&mut self) -> Result<(), OpenFailure> {
        loop {
            tokio::select! {
                report = self.status.next() => {
                    if let Report::Opened { resume } = report.map_err(OpenFailure::Watch)? {
                        self.resume = resume;
                        return Ok(());
                    }
                }
                turn = self.terminal.turn(true, None) => if let Turn::Said(bytes) = turn {
                    self.events.push_back(Event::Pty(bytes));
                },
                ended = self.shell.ended() => {
                    return Err(ended.map_or_else(OpenFailure::Watch, OpenFailure::Ended));
                }
            }
        }
    }

    /// The shell's process id, and the id of its session.
    pub fn pid(&self) -> u32 {
        self.shell.pid()
    }

    /// The invocation that is running.
    pub fn running(&self) -> Option<u64> {
        self.invocation.as_ref().map(|invocation| invocation.number)
    }

    /// The last 64 KiB that the terminal said.
    pub fn pty_tail(&self) -> Vec<u8> {
        self.terminal.tail()
    }

    /// Starts an invocation. One at a time, and only when [`Runspace::is_free`]; after an error
    /// the runspace is as it was.
    pub fn start(&mut self, start: &StartSpec) -> Result<Pipes, StartError> {
        let job = self.job(start)?;
        let number = start.number;
        let (invocation, pipes) = Invocation::prepare(&self.directory, number, start.stdin, &job)?;
        let stdin = if start.stdin { "i" } else { "" };
        self.begin(
            start,
            invocation,
            format!("%{number}:{stdin}{}\n", job.flags),
        )?;
        self.on_terminal = false;
        Ok(pipes)
    }

    /// Starts an invocation that has the terminal as its standard streams.
    pub fn start_on_terminal(&mut self, start: &StartSpec) -> Result<(), StartError> {
        let job = self.job(start)?;
        let number = start.number;
        let invocation = Invocation::prepare_files(&self.directory, number, &job)?;
        self.begin(start, invocation, format!("%{number}:T{}\n", job.flags))?;
        self.on_terminal = true;
        Ok(())
    }

    fn job(&mut self, start: &StartSpec) -> Result<Job, StartError> {
        if let Some(number) = self.running() {
            return Err(StartError::Busy(number));
        }
        if self.shell.has_ended() {
            return Err(StartError::Ended);
        }
        if !self.is_free() {
            return Err(StartError::Visited);
        }
        let resume = self.resume || self.guarded;
        let job = self.engine.job(&self.directory, start, resume)?;
        self.guarded |= job.guards;
        Ok(job)
    }

    fn begin(
        &mut self,
        start: &StartSpec,
        invocation: Invocation,
        order: String,
    ) -> Result<(), StartError> {
        self.began = Beginning::now(self.driver);
        self.stop = None;
        self.argv = matches!(start.command, Command::Argv(_));
        self.order(order)?;
        self.is_taken();
        self.forget_questions();
        self.invocation = Some(invocation);
        Ok(())
    }

    /// What happens next. Cancel-safe. After [`Event::Exited`] it says so again.
    pub async fn next_event(&mut self) -> Event {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            let next = self.next();
            let keys = self.to_type();
            tokio::select! {
                biased;
                report = self.status.next() => match report {
                    Ok(report) => self.on_report(report),
                    Err(_error) => self.on_exit(ExitStatus::Signal(0)),
                },
                turn = self.terminal.turn(self.reads_terminal, keys.as_deref()) => match turn {
                    Turn::Said(bytes) => self.on_said(bytes),
                    Turn::Typed(count) => self.on_typed(count, keys.as_deref()),
                    Turn::Fenced => self.events.extend(self.ending.take()),
                },
                () = attend::due(next) => self.act(),
                ended = self.shell.ended() => {
                    self.on_exit(ended.unwrap_or(ExitStatus::Signal(0)));
                }
            }
        }
    }

    fn on_said(&mut self, bytes: Bytes) {
        self.suspect_question(&bytes);
        self.events.push_back(Event::Pty(bytes));
        if self.is_running() && self.prompt.is_none() {
            self.prompt = Some(Prompt::suspected());
        }
        self.suspect_prompt();
    }

    fn on_report(&mut self, report: Report) {
        match report {
            Report::Opened { .. } => {}
            // It runs no number twice: a line too many does no harm.
            Report::Again => self.repeat_order(),
            Report::Prompt { number, asked } => self.on_prompt(number, asked),
            Report::End { leaves } => self.on_end_key(leaves),
            Report::Rescued { driver } => {
                // Anybody may write to the FIFO; only what is of the session can be meant.
                if let Some(driver) = driver.filter(|it| tree::is_of(*it, self.shell.pid())) {
                    self.driver = driver;
                }
                let _ = fs::remove_file(self.directory.join("state"));
            }
            Report::Running { number } => {
                if let Some(invocation) = self.invocation.as_mut().filter(|it| it.number == number)
                {
                    invocation.running();
                    self.act();
                } else {
                    self.on_received(number);
                }
            }
            Report::Completed {
                number,
                status,
                resume,
            } => {
                // Anybody may write to the FIFO by its path, so only the expected counts.
                if self.on_left(number, status) {
                    self.resume = resume;
                } else if self.running() == Some(number) {
                    self.invocation = None;
                    self.ask_no_more();
                    let status = match &self.stop {
                        Some(stop) => stop.truth(status),
                        None => status,
                    };
                    self.sweep();
                    self.resume = resume;
                    let status = if self.argv { signalled(status) } else { status };
                    let event = Event::Completed { number, status };
                    match self.on_terminal {
                        true => self.end(event),
                        false => self.events.push_back(event),
                    }
                }
            }
        }
    }

    /// Something has ended that had the terminal.
    fn end(&mut self, event: Event) {
        if self.terminal.fence() {
            self.ending = Some(event);
        } else {
            self.events.push_back(event);
        }
    }

    /// What the shell said last comes before its end.
    fn on_exit(&mut self, status: ExitStatus) {
        if !self.exited {
            self.exited = true;
            while let Some(report) = self.status.next_now() {
                self.on_report(report);
            }
            while let Some(bytes) = self.terminal.read_now() {
                self.events.push_back(Event::Pty(bytes));
            }
            self.invocation = None;
            self.events.extend(self.ending.take());
        }
        self.events.push_back(Event::Exited(status));
    }

    /// Ends the shell and everything in its session: a hang-up, and after `grace` a kill. Only
    /// what made a session of its own (setsid, a daemon) is left alone.
    pub async fn close(mut self, grace: Duration) -> Option<ExitStatus> {
        // Without it the driver knows that this is the end and no `exit` to recover from.
        let _ = fs::remove_file(self.directory.join("control"));
        let pid = self.shell.pid();
        if !grace.is_zero() {
            for signal in [Signal::CONT, Signal::HUP, Signal::TERM] {
                tree::signal_session(pid, signal);
            }
            let _ = tokio::time::timeout(grace, self.ended()).await;
        }
        // A process may fork while /proc is read: repeat until nothing is left.
        for _ in 0..16 {
            if !tree::signal_session(pid, Signal::KILL) {
                break;
            }
            tokio::task::yield_now().await;
        }
        tokio::time::timeout(REAP, self.ended()).await.ok()
    }

    /// Waits for the end of the shell, reading its terminal so that it can write.
    async fn ended(&mut self) -> ExitStatus {
        loop {
            if let Event::Exited(status) = self.next_event().await {
                return status;
            }
        }
    }
}

/// All that bash tells of a death by signal is 128 and its number. For a plain command that is
/// what such a number nearly always means; in a script it is the script's own status.
fn signalled(status: ExitStatus) -> ExitStatus {
    match status {
        ExitStatus::Code(code @ 129..=192) => ExitStatus::Signal(code - 128),
        other => other,
    }
}

struct Channels {
    status: StatusChannel,
    control: OwnedFd,
}

fn prepare(directory: &Path, launch: &Launch, terminal: &Path) -> io::Result<Channels> {
    for (name, content) in &launch.files {
        invocation::write(&directory.join(name), content)?;
    }
    // What the driver takes back where the user's files have moved descriptors.
    std::os::unix::fs::symlink(terminal, directory.join("terminal"))?;
    // Lets the driver read back what it wrote, without a file or a process.
    drop(fifo::create(&directory.join("loop"))?);
    Ok(Channels {
        status: StatusChannel::create(directory)?,
        control: fifo::create(&directory.join("control"))?,
    })
}
