//! One command, from submission to its outcome, whatever the link does meanwhile.

use std::rc::Rc;

use bytes::Bytes;
use outlast_protocol::control::to_cli::{Accepted, Record as Told, StdinTaken as Taken};
use outlast_protocol::control::to_mux::{Invoke, ToMux};
use outlast_protocol::id::{InvocationId, Seq};
use outlast_protocol::limits::MAX_SCRIPT;
use outlast_protocol::link::From;
use outlast_protocol::link::to_client::Submitted;
use outlast_protocol::link::to_host::Submit;
use outlast_protocol::outcome::Outcome;
use outlast_protocol::record::RecordKind;
use outlast_rendezvous::failpoint;
use tokio::time::Instant;

use super::Mux;
use super::asking::Asking;
use super::caller::{Caller, Stop};
use super::failure::Failure;
use super::feeding::Feeding;
use super::held::{Heard, Held, Lending, Over, Reader, Showing};
use super::hold::{hold_to_write, leave, lost, name_of};
use super::patience::{ENOUGH, at, gave_up, link_changed, patience};

/// Runs a command for a command line.
pub(super) async fn run(
    mux: &Rc<Mux>,
    caller: &mut Caller,
    request: Invoke,
    body: Bytes,
) -> Result<(), Stop> {
    if body.len() > MAX_SCRIPT {
        return Err(too_long(body.len()).into());
    }
    let instance = request.instance;
    // What it had of a mux that is lost is noted first: another client may hold the session now,
    // and then this is all that is ever heard of it.
    if let (Some((seq, _)), Some(known)) =
        (request.resume, mux.registry.borrow_mut().get_mut(instance))
    {
        known.cursor.received(request.invocation, seq);
        mux.unsaved.set(true);
    }
    let surroundings = request.surroundings.clone();
    let held = hold_to_write(mux, caller, instance, surroundings).await?;
    if request.detached {
        return detached(mux, caller, &held, &request, body).await;
    }
    let mut foreground = Foreground::start(mux, &held, &request, body);
    let mut done = foreground.deliver(caller).await;
    if matches!(done, Err(Stop::Failed(_))) && foreground.settle(caller).await.is_err() {
        done = Err(Stop::Gone);
    }
    foreground.put_away();
    done
}

/// The failure of a command whose body has so many bytes.
pub(super) fn too_long(length: usize) -> Failure {
    Failure::usage(format!(
        "the script has {length} bytes; the limit is {MAX_SCRIPT}"
    ))
    .hint("send it as standard input of `bash -s`")
}

fn submission(request: &Invoke, agent: bool) -> Submit {
    Submit {
        invocation: request.invocation,
        command: request.command.clone(),
        environment_len: request.environment_len,
        arguments_len: request.arguments_len,
        more_len: 0,
        stdin: request.stdin,
        terminal: request.terminal,
        agent,
        timeout_ms: request.timeout_ms,
        kill_after_ms: request.kill_after_ms,
        wait: request.wait,
        extensions: Vec::new(),
    }
}

/// Starts the command and leaves the session.
async fn detached(
    mux: &Rc<Mux>,
    caller: &mut Caller,
    held: &Rc<Held>,
    request: &Invoke,
    body: Bytes,
) -> Result<(), Stop> {
    // Nobody is there to lend an agent for as long as it runs.
    let answer = held.submit(submission(request, false), body);
    let submitted = match tokio::time::timeout(patience(request.reconnect_for_ms), answer).await {
        Ok(Ok(Ok(submitted))) => submitted,
        Ok(Ok(Err(refused))) => return Err(Failure::from(&refused).into()),
        Ok(Err(_)) => return Err(uncertain(mux, held, request, lost(mux, held)).into()),
        Err(_) => {
            let failure = gave_up(mux, held, request.reconnect_for_ms);
            return Err(uncertain(mux, held, request, failure).into());
        }
    };
    accepted(caller, &submitted);
    // Another command line that waits for output of this session keeps it.
    if !held.has_readers() {
        leave(held, None).await?;
    }
    caller.sessions(mux, &[held.instance]);
    Ok(())
}

/// A failure that leaves open how the command ends, or whether it was submitted at all: how to ask
/// for that.
fn uncertain(mux: &Mux, held: &Held, request: &Invoke, failure: Failure) -> Failure {
    let name = name_of(mux, held.instance);
    let again = format!(
        "the same command with `outlast invoke -s {name} --invocation-id {}` asks how it ends and \
         runs nothing twice",
        request.invocation
    );
    match held.is_over() {
        Some(Over::Ended(_) | Over::Broken(_) | Over::Lost(_)) => failure,
        Some(Over::Stolen(_)) => {
            let back = format!("`outlast connect --steal {name}` takes it back; then {again}");
            failure.hint(back)
        }
        Some(Over::Detached) | None => {
            let rest = format!("`outlast receive --follow {name}` gets the rest; {again}");
            failure.hint(rest)
        }
    }
}

fn accepted(caller: &mut Caller, submitted: &Submitted) {
    let Submitted {
        invocation, ahead, ..
    } = *submitted;
    caller.send(&Accepted { invocation, ahead }.into(), Bytes::new());
}

/// A command whose output a command line waits for.
struct Foreground<'a> {
    mux: &'a Rc<Mux>,
    held: &'a Rc<Held>,
    request: &'a Invoke,
    reader: Reader,
    answer: Option<
        tokio::sync::oneshot::Receiver<Result<Submitted, outlast_protocol::link::refusal::Refused>>,
    >,
    /// Where this command line gives standard input.
    feeding: Option<Feeding>,
    inputs: tokio::sync::mpsc::UnboundedReceiver<outlast_protocol::link::to_client::StdinTaken>,
    asking: Asking,
    /// Where the command has the session's terminal.
    showing: Option<Showing>,
    _lending: Option<Lending>,
    from: Option<Seq>,
    records: u64,
    completed: Option<Seq>,
    /// The last record sent to the command line, and the last it wrote out.
    sent: Option<Seq>,
    consumed: Option<Seq>,
    /// Whether the session is over and the command has no end that is known.
    lost: bool,
}

impl<'a> Foreground<'a> {
    fn start(mux: &'a Rc<Mux>, held: &'a Rc<Held>, request: &'a Invoke, body: Bytes) -> Self {
        let invocation = request.invocation;
        let (from, offset) = match request.resume {
            Some((Seq(0), offset)) => (From::Start, offset),
            Some((seq, offset)) => (From::Seq(seq.next()), offset),
            None => (From::Start, 0),
        };
        // A repeat without standard input of its own leaves the giving to whoever gives it.
        let (feeding, inputs) = if request.stdin {
            let (feeding, inputs) = held.feed(invocation, offset);
            (Some(feeding), inputs)
        } else {
            (None, tokio::sync::mpsc::unbounded_channel().1)
        };
        // Behind the resumed input: a submission begins it at 0 where there is none.
        let surroundings = &request.surroundings;
        let socket = held.terms().agent(surroundings, request.agent);
        let answer = held.submit(submission(request, socket.is_some()), body);
        let reader = held.open_reader(from, Some(invocation), Vec::new());
        Self {
            mux,
            held,
            request,
            reader,
            asking: Asking::new(
                held,
                name_of(mux, held.instance),
                Some(invocation),
                surroundings.interactive,
            ),
            showing: request.terminal.map(|size| held.show(size)),
            _lending: socket.map(|socket| held.lend(socket)),
            answer: Some(answer),
            feeding,
            inputs,
            from: None,
            records: 0,
            completed: None,
            sent: None,
            consumed: None,
            lost: false,
        }
    }

    fn invocation(&self) -> InvocationId {
        self.request.invocation
    }

    async fn deliver(&mut self, caller: &mut Caller) -> Result<(), Stop> {
        let mut status = self.held.status();
        // The link may be down already: that is news to this command line.
        status.mark_changed();
        let mut give_up: Option<Instant> = None;
        loop {
            if self.lost && self.consumed >= self.sent {
                return Err(self.loss().into());
            }
            let quiet = caller.waiting() < ENOUGH && self.completed.is_none() && !self.lost;
            tokio::select! {
                message = caller.next() => {
                    let (message, body) = message?;
                    if self.hear(message, body)? {
                        return Ok(());
                    }
                }
                answer = answered(&mut self.answer) => {
                    self.answer = None;
                    self.submitted(caller, answer)?;
                }
                heard = self.reader.next(), if quiet => match heard {
                    Some(heard) => self.tell(caller, heard),
                    None => return Err(self.uncertain(lost(self.mux, self.held)).into()),
                },
                Some(taken) = self.inputs.recv() => {
                    let taken = Taken { offset: taken.offset, closed: taken.closed };
                    caller.send(&taken.into(), Bytes::new());
                }
                asked = self.asking.next() => self.asking.tell(caller, asked),
                _ = status.changed() => {
                    give_up = link_changed(caller, self.held, give_up, self.request.reconnect_for_ms);
                }
                () = at(give_up) => {
                    let failure = gave_up(self.mux, self.held, self.request.reconnect_for_ms);
                    return Err(self.uncertain(failure).into());
                }
            }
        }
    }

    /// Before a failure is told: waits until what was sent before it is written out, or it would
    /// be delivered again.
    async fn settle(&mut self, caller: &mut Caller) -> Result<(), Stop> {
        while self.consumed < self.sent {
            let (message, body) = caller.next().await?;
            self.hear(message, body)?;
        }
        Ok(())
    }

    fn submitted(
        &mut self,
        caller: &mut Caller,
        answer: Option<Result<Submitted, outlast_protocol::link::refusal::Refused>>,
    ) -> Result<(), Stop> {
        match answer {
            Some(Ok(submitted)) => {
                self.from = Some(submitted.from);
                self.with_cursor(|cursor| cursor.begin(submitted.invocation, submitted.from));
                accepted(caller, &submitted);
                if submitted.stdin_offset > 0 {
                    // What was taken while this command line had no mux makes room in its window.
                    let offset = submitted.stdin_offset;
                    let closed = false;
                    caller.send(&Taken { offset, closed }.into(), Bytes::new());
                }
                Ok(())
            }
            Some(Err(refused)) => Err(Failure::from(&refused).into()),
            None => Err(self.uncertain(lost(self.mux, self.held)).into()),
        }
    }

    fn uncertain(&self, failure: Failure) -> Failure {
        uncertain(self.mux, self.held, self.request, failure)
    }

    fn tell(&mut self, caller: &mut Caller, heard: Heard) {
        let (record, body) = match heard {
            Heard::Record(record, body) => (record, body),
            Heard::Modes(..) => return,
            Heard::CaughtUp { last, .. } => {
                self.lost |= last && self.completed.is_none();
                return;
            }
        };
        if let RecordKind::Completed(outcome) = &record.kind {
            self.completed = Some(record.seq);
            let ended = matches!(outcome, Outcome::SessionEnded(_));
            self.lost |= ended && self.held.is_broken();
        }
        self.records = self.records.saturating_add(1);
        self.sent = Some(record.seq);
        caller.send(&Told::from(record).into(), body);
    }

    /// Takes in what the command line says; returns whether everything is said and done.
    fn hear(&mut self, message: ToMux, body: Bytes) -> Result<bool, Stop> {
        let invocation = self.invocation();
        match message {
            ToMux::Stdin(_) => {
                if let Some(feeding) = self.feeding {
                    self.held.stdin(feeding, body);
                }
            }
            ToMux::StdinEnd(_) => {
                if let Some(feeding) = self.feeding {
                    self.held.stdin_end(feeding);
                }
            }
            ToMux::Answer(answer) => self.asking.answered(answer),
            ToMux::Resize(resize) => {
                if let Some(showing) = &self.showing {
                    showing.resize(resize.size);
                }
            }
            ToMux::Cancel(cancel) => self.held.cancel(invocation, cancel.level),
            ToMux::Consumed(consumed) => {
                failpoint::reach("mux.consumed");
                self.reader.consumed(consumed.seq);
                self.consumed = Some(consumed.seq);
                self.with_cursor(|cursor| cursor.received(invocation, consumed.seq));
                return Ok(!self.lost
                    && self
                        .completed
                        .is_some_and(|completed| consumed.seq >= completed));
            }
            other => {
                let message = format!("{} has no place here", other.name());
                return Err(Failure::internal(message).into());
            }
        }
        Ok(false)
    }

    /// The failure of a command whose session is gone.
    fn loss(&self) -> Failure {
        let mut failure = lost(self.mux, self.held);
        if self.records == 0 && self.request.resume.is_none() {
            failure.message.push_str(
                "; nothing is known of the command: it had not begun, or its log is lost",
            );
        }
        failure
    }

    fn with_cursor(&self, change: impl FnOnce(&mut outlast_protocol::link::cursor::Cursor)) {
        if let Some(known) = self.mux.registry.borrow_mut().get_mut(self.held.instance) {
            change(&mut known.cursor);
            self.mux.unsaved.set(true);
        }
    }

    /// Notes what was received for the next `receive`.
    fn put_away(self) {
        if let Some(feeding) = self.feeding {
            self.held.fed(feeding, self.completed.is_some());
        }
        let (invocation, records) = (self.invocation(), self.records);
        self.held.leave_alone(invocation, self.completed.is_some());
        if let (Some(from), true) = (self.from, self.completed.is_some()) {
            self.with_cursor(|cursor| cursor.finish(invocation, from, records));
        }
    }
}

async fn answered<T>(answer: &mut Option<tokio::sync::oneshot::Receiver<T>>) -> Option<T> {
    match answer {
        Some(answer) => answer.await.ok(),
        None => std::future::pending().await,
    }
}
