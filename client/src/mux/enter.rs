//! A visit to a session's terminal, or a look at it, whatever the link does meanwhile.

use std::rc::Rc;

use bytes::Bytes;
use outlast_protocol::control::to_cli::{
    Accepted, CaughtUp, FailureKind, Modes, Record as Told, StdinTaken as Taken,
};
use outlast_protocol::control::to_mux::{Enter, ToMux};
use outlast_protocol::id::Seq;
use outlast_protocol::link::refusal::Refused;
use outlast_protocol::link::to_client::{StdinTaken, Submitted};
use outlast_protocol::link::to_host::Submit;
use outlast_protocol::link::{AttachMode, Command, From, Level};
use outlast_protocol::record::RecordKind;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Mux;
use super::asking::Asking;
use super::caller::{Caller, Stop};
use super::failure::Failure;
use super::feeding::Feeding;
use super::held::{Asked, Heard, Held, Lending, Reader, Showing};
use super::hold::{hold, hold_for_now, leave, lost, name_of};
use super::patience::{ENOUGH, at, gave_up, link_changed};

/// So much of what the terminal showed lately is enough to draw its screen from.
const LATELY: u64 = 256 * 1024;

/// Serves a visitor or a watcher.
pub(super) async fn run(mux: &Rc<Mux>, caller: &mut Caller, request: Enter) -> Result<(), Stop> {
    let held = attach(mux, caller, &request).await?;
    caller.sessions(mux, &[held.instance]);
    let mut done = {
        let mut screen = Screen::open(mux, &held, &request);
        let done = screen.serve(caller).await;
        screen.put_away();
        done
    };
    if matches!(&done, Err(Stop::Failed(failure)) if failure.kind == FailureKind::Busy) {
        done = done.map_err(|stop| with_hint(mux, &held, stop));
    }
    // What was connected to for this visit only is left as it was found.
    if !held.kept.get() && !held.has_readers() {
        let _ = leave(&held, None).await;
    }
    done
}

fn with_hint(mux: &Mux, held: &Held, stop: Stop) -> Stop {
    let name = name_of(mux, held.instance);
    match stop {
        Stop::Failed(failure) if failure.hint.is_empty() => Stop::Failed(failure.hint(format!(
            "without --no-wait it waits; `outlast enter --read-only {name}` looks on"
        ))),
        other => other,
    }
}

async fn attach(mux: &Rc<Mux>, caller: &mut Caller, request: &Enter) -> Result<Rc<Held>, Stop> {
    let (instance, surroundings) = (request.instance, request.surroundings.clone());
    let before = mux.held.borrow().contains_key(&instance);
    // Of a session whose mux was lost nobody knows any more how it was found.
    let found = before || request.resume.is_some();
    let held = match request.mode {
        AttachMode::Connect => hold_for_now(mux, caller, instance, surroundings).await,
        mode => hold(mux, caller, instance, mode, surroundings).await,
    };
    let held = held.map_err(|stop| match stop {
        Stop::Failed(failure) if failure.kind == FailureKind::Busy => {
            let name = name_of(mux, instance);
            Stop::Failed(failure.hint(format!(
                "`outlast enter --steal {name}` takes it over; `outlast enter --read-only {name}` \
                 looks on and takes nothing from anybody"
            )))
        }
        other => other,
    })?;
    if !found && !held.is_watch() {
        held.kept.set(false);
    }
    Ok(held)
}

fn visit(request: &Enter, agent: bool) -> Submit {
    Submit {
        stdin: true,
        terminal: Some(request.size),
        agent,
        wait: request.wait,
        ..Submit::new(request.invocation, Command::Visit)
    }
}

/// What only a visitor has.
struct Visitor {
    answer: Option<oneshot::Receiver<Result<Submitted, Refused>>>,
    feeding: Feeding,
    inputs: UnboundedReceiver<StdinTaken>,
    showing: Showing,
    /// Of the programs it waits for; its own ask on its terminal.
    asking: Asking,
    _lending: Option<Lending>,
}

/// A command line that shows the session's terminal.
struct Screen<'a> {
    mux: &'a Rc<Mux>,
    held: &'a Rc<Held>,
    request: &'a Enter,
    reader: Reader,
    visitor: Option<Visitor>,
    /// Whether the visit is known to have begun.
    started: bool,
    completed: Option<Seq>,
    /// Whether its input is closed: it is over.
    closed: bool,
    consumed: Option<Seq>,
    /// Whether the session is over and nothing more comes.
    lost: bool,
    sent: Option<Seq>,
}

impl<'a> Screen<'a> {
    fn open(mux: &'a Rc<Mux>, held: &'a Rc<Held>, request: &'a Enter) -> Self {
        let from = match request.resume {
            Some((Seq(0), _)) | None => From::Bytes(LATELY),
            Some((seq, _)) => From::Seq(seq.next()),
        };
        // A reader first: the begin of the visit is to be seen.
        let reader = held.open_terminal(from, request.invocation);
        let visitor = (request.mode != AttachMode::ReadOnly).then(|| {
            let offset = request.resume.map_or(0, |(_, offset)| offset);
            let (feeding, inputs) = held.feed(request.invocation, offset);
            let terms = held.terms();
            let socket = terms.agent(&request.surroundings, request.agent);
            let visit = visit(request, socket.is_some());
            Visitor {
                _lending: socket.map(|socket| held.lend(socket)),
                answer: Some(held.submit(visit, Bytes::new())),
                feeding,
                inputs,
                showing: held.show(request.size),
                asking: Asking::new(
                    held,
                    name_of(mux, held.instance),
                    Some(request.invocation),
                    request.surroundings.interactive,
                ),
            }
        });
        Self {
            mux,
            held,
            request,
            reader,
            visitor,
            started: false,
            completed: None,
            closed: false,
            consumed: None,
            lost: false,
            sent: None,
        }
    }

    async fn serve(&mut self, caller: &mut Caller) -> Result<(), Stop> {
        let mut status = self.held.status();
        // The link may be down already: that is news to this command line.
        status.mark_changed();
        let mut give_up: Option<Instant> = None;
        loop {
            let all_written = self.consumed >= self.sent;
            if all_written && self.completed.is_some() {
                return Ok(());
            }
            if all_written && self.lost {
                return Err(self.loss().into());
            }
            let quiet = caller.waiting() < ENOUGH && self.completed.is_none() && !self.lost;
            let patience = self.request.reconnect_for_ms;
            tokio::select! {
                message = caller.next() => {
                    let (message, body) = message?;
                    self.hear(message, body)?;
                }
                news = news(&mut self.visitor) => self.tell(caller, news)?,
                heard = self.reader.next(), if quiet => match heard {
                    Some(heard) => self.show(caller, heard),
                    None => return Err(lost(self.mux, self.held).into()),
                },
                _ = status.changed() => {
                    give_up = link_changed(caller, self.held, give_up, patience);
                }
                () = at(give_up) => return Err(gave_up(self.mux, self.held, patience).into()),
            }
        }
    }

    /// Why nothing more comes.
    fn loss(&self) -> Failure {
        match self.held.is_over() {
            None if self.closed => Failure::new(
                FailureKind::SessionLost,
                "the visit ended while nobody here heard of it; how, is not known any more",
            ),
            _ => lost(self.mux, self.held),
        }
    }

    fn show(&mut self, caller: &mut Caller, heard: Heard) {
        match heard {
            Heard::Record(record, body) => {
                if record.invocation == Some(self.request.invocation) && self.visitor.is_some() {
                    match &record.kind {
                        RecordKind::Started => self.started = true,
                        RecordKind::Completed(_) => self.completed = Some(record.seq),
                        RecordKind::Output(_) | RecordKind::Gap(_) => {}
                    }
                }
                self.sent = Some(record.seq);
                caller.send(&Told::from(record).into(), body);
            }
            Heard::Modes(before, setting) => {
                if caller.takes_modes() {
                    caller.send(&Modes { before }.into(), setting);
                }
            }
            Heard::CaughtUp { next, active, last } => {
                self.note_turn(caller);
                self.lost |= last && self.completed.is_none();
                // Its input is closed a moment before its end is recorded. With nothing active
                // all there is was shown, and how it ended was not: that is not kept any more.
                self.lost |= self.closed && active == 0 && self.completed.is_none();
                caller.send(&CaughtUp { next }.into(), Bytes::new());
            }
        }
    }

    /// A visit may have begun while the link was down, and what was recorded of it be further back
    /// than the reader begins.
    fn note_turn(&mut self, caller: &mut Caller) {
        let invocation = self.request.invocation;
        let runs = self.held.info().running == Some(invocation);
        if self.visitor.is_some() && runs && !self.started {
            self.started = true;
            let ahead = 0;
            caller.send(&Accepted { invocation, ahead }.into(), Bytes::new());
        }
    }

    fn tell(&mut self, caller: &mut Caller, news: News) -> Result<(), Stop> {
        match news {
            News::Answer(Some(Ok(submitted))) => {
                let Submitted {
                    invocation, ahead, ..
                } = submitted;
                caller.send(&Accepted { invocation, ahead }.into(), Bytes::new());
                if submitted.stdin_offset > 0 {
                    let offset = submitted.stdin_offset;
                    let closed = false;
                    caller.send(&Taken { offset, closed }.into(), Bytes::new());
                }
                Ok(())
            }
            News::Answer(Some(Err(refused))) => Err(Failure::from(&refused).into()),
            News::Answer(None) => Err(lost(self.mux, self.held).into()),
            News::Asked(asked) => {
                if let Some(visitor) = &mut self.visitor {
                    visitor.asking.tell(caller, asked);
                }
                Ok(())
            }
            News::Taken(taken) => {
                let StdinTaken { offset, closed, .. } = taken;
                self.closed |= closed;
                caller.send(&Taken { offset, closed }.into(), Bytes::new());
                Ok(())
            }
        }
    }

    fn hear(&mut self, message: ToMux, body: Bytes) -> Result<(), Stop> {
        match (message, &mut self.visitor) {
            (ToMux::Answer(answer), Some(visitor)) => visitor.asking.answered(answer),
            (ToMux::Stdin(_), Some(visitor)) => self.held.stdin(visitor.feeding, body),
            (ToMux::StdinEnd(_), Some(visitor)) => self.held.stdin_end(visitor.feeding),
            (ToMux::Resize(resize), Some(visitor)) => visitor.showing.resize(resize.size),
            // The terminal keeps the size of whoever types.
            (ToMux::Resize(_), None) => {}
            (ToMux::Consumed(consumed), _) => {
                self.reader.consumed(consumed.seq);
                self.consumed = Some(consumed.seq);
            }
            (other, _) => {
                let message = format!("{} has no place here", other.name());
                return Err(Failure::internal(message).into());
            }
        }
        Ok(())
    }

    /// However it ended, the visit is over: also when its link is down now.
    fn put_away(self) {
        let Some(visitor) = &self.visitor else {
            return;
        };
        let over = self.completed.is_some();
        if !over {
            self.held.stdin_end(visitor.feeding);
            if !self.started {
                // One that still waits for its turn is withdrawn; one that has begun meanwhile
                // ends by the end of its input, and this changes nothing.
                let invocation = self.request.invocation;
                self.held.cancel(invocation, Level::Interrupt);
                self.held.leave_alone(invocation, false);
            }
        }
        self.held.fed(visitor.feeding, over);
    }
}

/// What is heard of a visit besides its records.
enum News {
    Answer(Option<Result<Submitted, Refused>>),
    Asked(Asked),
    Taken(StdinTaken),
}

/// Never, for a watcher.
async fn news(visitor: &mut Option<Visitor>) -> News {
    let Some(visitor) = visitor else {
        return std::future::pending().await;
    };
    let answered = async {
        match &mut visitor.answer {
            Some(answer) => answer.await.ok(),
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        answer = answered => {
            visitor.answer = None;
            News::Answer(answer)
        }
        Some(taken) = visitor.inputs.recv() => News::Taken(taken),
        asked = visitor.asking.next() => News::Asked(asked),
    }
}
