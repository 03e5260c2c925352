//! Running invocations in the session's shell, one after the other.

use std::rc::Rc;
use std::time::Duration;

use outlast_protocol::link::Level;
use outlast_protocol::record::Stream;
use outlast_protocol::session::End;
use tokio::time::Instant;

use super::invocations::Invocation;
use super::pipes::{Drain, Feed};
use super::session::Session;
use crate::runspace::{CLOSING, Event, Pipes, Runspace, StartSpec};

/// How long a timed-out command has after the interrupt, and again after SIGTERM.
const ESCALATION: Duration = Duration::from_secs(5);

/// What runs now.
struct Current {
    drains: Vec<Drain>,
    /// Feeds standard input as long as it is kept.
    _feed: Option<Feed>,
    next_step: Option<(Instant, Step)>,
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
    while session.core().is_live() {
        if current.is_none() {
            current = start_next(session, &mut runspace, &mut number);
        }
        stop_if_wanted(session, &mut runspace);
        let step = current.as_ref().and_then(|current| current.next_step);
        tokio::select! {
            event = runspace.next_event() => match event {
                Event::Completed { status, .. } => {
                    if let Some(done) = current.take() {
                        settle(Some(done)).await;
                        session.complete(status);
                    }
                }
                Event::Exited(status) => {
                    settle(current.take()).await;
                    session.end(End::Shell(status));
                }
                // Kept by the runspace for error messages.
                Event::Pty(_) => {}
            },
            () = session.work() => {}
            () = until(step) => {
                if let (Some(current), Some((_, step))) = (&mut current, step) {
                    current.next_step = take_step(session, &mut runspace, step);
                }
            }
        }
    }
    runspace.close(CLOSING).await;
}

async fn until(step: Option<(Instant, Step)>) {
    match step {
        Some((at, _)) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn start_next(session: &Rc<Session>, runspace: &mut Runspace, number: &mut u64) -> Option<Current> {
    loop {
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
        command,
        stdin,
        timeout,
    } = invocation;
    let spec = StartSpec {
        number,
        command,
        stdin,
    };
    let Pipes {
        stdin,
        stdout,
        stderr,
    } = runspace.start(&spec).map_err(|e| e.to_string())?;
    let io = |error: std::io::Error| format!("cannot watch the command's pipes: {error}");
    let drains = vec![
        Drain::start(session, id, Stream::Stdout, stdout).map_err(io)?,
        Drain::start(session, id, Stream::Stderr, stderr).map_err(io)?,
    ];
    let feed = match stdin {
        Some(fd) => Some(Feed::start(session, id, fd).map_err(io)?),
        None => None,
    };
    let next_step = timeout.map(|timeout| (Instant::now() + timeout, Step::Interrupt));
    Ok(Current {
        drains,
        _feed: feed,
        next_step,
    })
}

async fn settle(current: Option<Current>) {
    let Some(mut current) = current else { return };
    for drain in &mut current.drains {
        drain.settle().await;
    }
}

fn stop_if_wanted(session: &Session, runspace: &mut Runspace) {
    match session.wanted() {
        Some(Level::Interrupt) => runspace.interrupt(),
        Some(Level::Terminate) => runspace.terminate(),
        Some(Level::Kill) => runspace.kill(),
        None => {}
    }
}

/// A command whose time is up is asked politely, then firmly, then not at all.
fn take_step(session: &Session, runspace: &mut Runspace, step: Step) -> Option<(Instant, Step)> {
    let later = Instant::now() + ESCALATION;
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
