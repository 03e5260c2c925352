//! Running invocations in the session's shell, one after the other, and letting visitors in.

use std::rc::Rc;
use std::time::Duration;

use outlast_protocol::id::{ClientId, InvocationId};
use outlast_protocol::link::Level;
use outlast_protocol::outcome::ExitStatus;
use outlast_protocol::record::Stream;
use outlast_protocol::secret::Secret;
use outlast_protocol::session::End;
use tokio::time::Instant;

use super::agent::{self, AgentSocket};
use super::course::NextInput;
use super::invocations::Invocation;
use super::pipes::{Drain, Feed};
use super::progress::Wait;
use super::session::Session;
use super::work::Work;
use crate::runspace::{CLOSING, Event, Pipes, Runspace, StartSpec};

/// How long a timed-out command has after the interrupt, and again after SIGTERM, if nothing else
/// was asked for.
const ESCALATION: Duration = Duration::from_secs(5);
/// What a terminal makes the end of a file of.
const END_OF_FILE: &[u8] = b"\x04";

/// What runs now.
struct Current {
    id: InvocationId,
    place: Place,
    /// There as long as it runs.
    _agent: Option<AgentSocket>,
    next_step: Option<(Instant, Step)>,
    kill_after: Option<Duration>,
}

/// Where its standard streams are.
enum Place {
    /// On pipes.
    Pipes {
        drains: Vec<Drain>,
        /// Feeds standard input as long as it is kept.
        _feed: Option<Feed>,
    },
    /// On the terminal; whether more may be typed.
    Terminal { typing: bool },
    /// At the shell's prompt.
    Visit,
}

/// The steps of stopping a command whose time is up.
#[derive(Clone, Copy)]
enum Step {
    Interrupt,
    Terminate,
    Kill,
}

/// Runs what is submitted until the shell ends or the session is to end.
pub(super) async fn run(session: &Rc<Session>, mut runspace: Runspace) {
    let mut number = 0u64;
    let mut current: Option<Current> = None;
    let mut looks: Option<Looks> = None;
    while session.core().is_live() {
        if current.is_none() {
            current = start_next(session, &mut runspace, &mut number);
        }
        stop_if_wanted(session, &mut runspace, current.as_mut());
        let answer = session.core().questions.take_answer();
        if let Some(text) = answer {
            runspace.answer(text.as_ref().map(Secret::reveal));
        }
        let grace = session.core().show_out_the_absent();
        let grace = grace.map(|left| Instant::now() + left);
        fit(session, &runspace);
        if let Some(now) = &mut current
            && type_in(session, &mut runspace, now)
        {
            runspace.leave();
            current = None;
            looks = Some(Looks::begin());
            session.complete(ExitStatus::Code(0));
            continue;
        }
        note_left_running(session, &runspace, current.is_none());
        looks = looks.filter(|_| current.is_none());
        let paced = pace(session, &mut runspace);
        let types = current.as_ref().is_some_and(Current::types);
        let step = current.as_ref().and_then(|current| current.next_step);
        tokio::select! {
            event = runspace.next_event() => match event {
                Event::Completed { status, .. } | Event::Left { status, .. } => {
                    if let Some(done) = current.take() {
                        settle(Some(done)).await;
                        session.complete(status);
                    }
                }
                Event::Exited(status) => {
                    settle(current.take()).await;
                    session.end(End::Shell(status));
                }
                Event::Pty(bytes) => session.terminal_said(bytes),
                Event::Typed(count) => {
                    if let Some(current) = &current {
                        session.input_taken(current.id, count);
                    }
                }
                Event::Asked { text } => {
                    if let Some(current) = &current {
                        session.ask(current.id, text);
                    }
                }
                Event::AskedNoMore => session.ask_no_more(),
                Event::Free => {}
            },
            () = session.work() => {}
            () = session.input(), if types => {}
            () = until(paced) => {}
            () = until(grace) => {}
            () = until(looks.as_ref().map(|looks| looks.at)) => {
                looks = looks.and_then(Looks::next);
            }
            () = until(step.map(|(at, _)| at)) => {
                if let (Some(current), Some((_, step))) = (&mut current, step) {
                    let pause = current.kill_after.unwrap_or(ESCALATION);
                    current.next_step = take_step(session, &mut runspace, step, pause);
                }
            }
        }
    }
    runspace.close(CLOSING).await;
}

/// Looks at what a visitor left running: a program that was typed just before may not have the
/// terminal yet. They are further and further apart, a second in all.
struct Looks {
    at: Instant,
    pause: Duration,
}

impl Looks {
    const FIRST: Duration = Duration::from_millis(20);
    const LAST: Duration = Duration::from_millis(500);

    fn begin() -> Self {
        Self {
            at: Instant::now() + Self::FIRST,
            pause: Self::FIRST,
        }
    }

    fn next(self) -> Option<Self> {
        let pause = self.pause.saturating_mul(2);
        (pause <= Self::LAST).then(|| Self {
            at: Instant::now() + pause,
            pause,
        })
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

impl Current {
    /// Whether its input is typed on the terminal.
    fn types(&self) -> bool {
        match self.place {
            Place::Pipes { .. } => false,
            Place::Terminal { typing } => typing,
            Place::Visit => true,
        }
    }
}

/// Gives the terminal the size that its user has.
fn fit(session: &Session, runspace: &Runspace) {
    if let Some(size) = session.core().take_size() {
        // Without a terminal there is nobody who sees it.
        let _ = runspace.resize(size);
    }
}

/// Types what came for the terminal. Says whether a visitor goes.
fn type_in(session: &Session, runspace: &mut Runspace, current: &mut Current) -> bool {
    let visit = matches!(current.place, Place::Visit);
    if visit && session.core().invocations.leaves() {
        return true;
    }
    if !current.types() || !runspace.has_typed() {
        return false;
    }
    match session.next_input(current.id) {
        NextInput::Bytes(bytes) => runspace.type_in(bytes),
        NextInput::Later => {}
        NextInput::End if visit => return true,
        NextInput::End => {
            current.place = Place::Terminal { typing: false };
            runspace.type_in(END_OF_FILE.into());
        }
    }
    false
}

/// Lets what is on the terminal wait for a visitor who reads slowly. Says until when at most.
fn pace(session: &Session, runspace: &mut Runspace) -> Option<Instant> {
    let core = session.core();
    let now = core.surroundings.boot_time();
    let wait = core.terminal.wait(now);
    runspace.read_terminal(wait == Wait::No);
    match wait {
        Wait::AtMost(left) => Some(Instant::now() + left),
        Wait::No | Wait::ForReader => None,
    }
}

fn note_left_running(session: &Session, runspace: &Runspace, idle: bool) {
    let left = runspace.left_running().filter(|_| idle);
    if session.core().note_left_running(left) {
        session.changed();
        session.ring_life();
    }
}

fn start_next(session: &Rc<Session>, runspace: &mut Runspace, number: &mut u64) -> Option<Current> {
    loop {
        let visit = matches!(session.core().invocations.next()?, Work::Visit);
        if !visit && !runspace.is_free() {
            // Somebody's line or program is in the way.
            runspace.want_back();
            return None;
        }
        let next = session.begin()?;
        *number = number.saturating_add(1);
        match start(session, runspace, *number, next) {
            Ok(current) => return Some(current),
            Err(reason) => session.fail(reason),
        }
    }
}

fn start(
    session: &Rc<Session>,
    runspace: &mut Runspace,
    number: u64,
    invocation: Invocation,
) -> Result<Current, String> {
    let Invocation {
        id,
        client: _,
        work,
        stdin,
        terminal,
        mut environment,
        timeout,
        agent,
        kill_after,
    } = invocation;
    if let Some(size) = terminal {
        session.core().resize(size);
        // Before what is to run there can look.
        fit(session, runspace);
    }
    let visit = matches!(work, Work::Visit);
    let agent = agent.map(|client| forward(session, runspace, number, visit, client));
    let agent = agent.transpose()?;
    if let Some(agent) = &agent {
        environment.retain(|(name, _)| name != agent::VARIABLE);
        environment.push((agent::VARIABLE.to_vec(), agent.address().to_vec()));
    }
    let place = match work {
        Work::Visit => {
            let visited = runspace.visit(number, &environment);
            visited.map_err(|e| e.to_string())?;
            Place::Visit
        }
        Work::Command(command) => {
            let spec = StartSpec {
                number,
                command,
                stdin,
                environment,
            };
            place(session, runspace, id, &spec, terminal.is_some())?
        }
    };
    let next_step = timeout.map(|timeout| (Instant::now() + timeout, Step::Interrupt));
    Ok(Current {
        id,
        place,
        _agent: agent,
        next_step,
        kill_after,
    })
}

/// Gives an invocation its way to its client's agent. Visits have the same address one after the
/// other: who comes back finds the shell at its prompt, with what it was told the first time.
fn forward(
    session: &Rc<Session>,
    runspace: &Runspace,
    number: u64,
    visit: bool,
    client: ClientId,
) -> Result<AgentSocket, String> {
    let name = match visit {
        true => "agent".to_owned(),
        false => format!("agent.{number}"),
    };
    AgentSocket::start(session, runspace.directory(), &name, client)
        .map_err(|error| format!("no socket to the SSH agent: {error}"))
}

fn place(
    session: &Rc<Session>,
    runspace: &mut Runspace,
    id: InvocationId,
    spec: &StartSpec,
    on_terminal: bool,
) -> Result<Place, String> {
    if !on_terminal {
        return on_pipes(session, runspace, id, spec);
    }
    let started = runspace.start_on_terminal(spec);
    started.map_err(|e| e.to_string())?;
    Ok(Place::Terminal { typing: spec.stdin })
}

fn on_pipes(
    session: &Rc<Session>,
    runspace: &mut Runspace,
    id: InvocationId,
    spec: &StartSpec,
) -> Result<Place, String> {
    let Pipes {
        stdin,
        stdout,
        stderr,
    } = runspace.start(spec).map_err(|e| e.to_string())?;
    let io = |error: std::io::Error| format!("cannot watch the command's pipes: {error}");
    let drains = vec![
        Drain::start(session, id, Stream::Stdout, stdout).map_err(io)?,
        Drain::start(session, id, Stream::Stderr, stderr).map_err(io)?,
    ];
    let feed = match stdin {
        Some(fd) => Some(Feed::start(session, id, fd).map_err(io)?),
        None => None,
    };
    Ok(Place::Pipes {
        drains,
        _feed: feed,
    })
}

async fn settle(current: Option<Current>) {
    let Some(Current {
        place: Place::Pipes { mut drains, .. },
        ..
    }) = current
    else {
        return;
    };
    for drain in &mut drains {
        drain.settle().await;
    }
}

fn stop_if_wanted(session: &Session, runspace: &mut Runspace, current: Option<&mut Current>) {
    let Some(level) = session.wanted() else {
        return;
    };
    if let Some(pause) = current.as_ref().and_then(|current| current.kill_after) {
        runspace.insist(pause);
    }
    match level {
        Level::Interrupt => runspace.interrupt(),
        Level::Terminate => runspace.terminate(),
        Level::Kill => runspace.kill(),
    }
    // One who asked for more than that needs not be waited for.
    if let Some(current) = current
        && let Some(pause) = current.kill_after
    {
        let at = Instant::now() + pause;
        current.next_step = match level {
            Level::Interrupt => Some((at, Step::Terminate)),
            Level::Terminate => Some((at, Step::Kill)),
            Level::Kill => None,
        };
    }
}

/// A command whose time is up is asked politely, then firmly, then not at all.
fn take_step(
    session: &Session,
    runspace: &mut Runspace,
    step: Step,
    pause: Duration,
) -> Option<(Instant, Step)> {
    let later = Instant::now() + pause;
    runspace.insist(pause);
    match step {
        Step::Interrupt => {
            session.core().invocations.time_out();
            runspace.interrupt();
            Some((later, Step::Terminate))
        }
        Step::Terminate => {
            runspace.terminate();
            Some((later, Step::Kill))
        }
        Step::Kill => {
            runspace.kill();
            None
        }
    }
}
