//! A session this client holds: what is wanted of it, whatever its link is doing.

mod agent;
mod questions;
mod reader;
mod terminal;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use bytes::Bytes;
use outlast_protocol::control::target::Target;
use outlast_protocol::control::to_mux::Surroundings;
use outlast_protocol::id::{InstanceId, InvocationId, ReaderId, Seq};
use outlast_protocol::limits::{DEFAULT_CREDIT, MAX_OUTCOMES};
use outlast_protocol::link::attachment::Attachment;
use outlast_protocol::link::refusal::Refused;
use outlast_protocol::link::to_client::{StdinTaken, Submitted, ToClient};
use outlast_protocol::link::to_host::{Detach, End, ReaderOpen, Submit};
use outlast_protocol::link::{AttachMode, From, Level, Source};
use outlast_protocol::session::{End as Ending, Holder, IdleTimeout, Life, SessionInfo};
use outlast_rendezvous::failpoint;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use self::agent::Agent;
pub(super) use self::agent::Lending;
use self::questions::Questions;
pub(super) use self::questions::{Asked, Listening};
pub(super) use self::reader::{Heard, Reader};
pub(super) use self::terminal::Showing;
use super::failure::Failure;
use super::feeding::{Feeders, Feeding};
use super::wire::{Wire, WireError};

/// How the session's link is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// It is up.
    Up,
    /// It is lost and being re-established: why.
    Down(String),
    /// This client does not hold the session any more.
    Over(Over),
}

/// Why a client does not hold a session any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// It let go.
    Detached,
    /// Another client took it.
    Stolen(Holder),
    /// The session is over.
    Ended(Ending),
    /// Its host process is gone: why.
    Broken(String),
    /// It cannot be had back.
    Lost(Failure),
}

type Answer = oneshot::Sender<Result<Submitted, Refused>>;

struct Inner {
    attachment: Attachment,
    // Unbounded in form only: a reader is sent at most its credit beyond what it acknowledged.
    readers: BTreeMap<ReaderId, mpsc::UnboundedSender<Heard>>,
    /// Which of them are a command's own.
    own: BTreeMap<ReaderId, InvocationId>,
    /// Commands that have, or lately had, a reader of their own.
    had_own: VecDeque<InvocationId>,
    // Several where the same invocation was submitted again from another terminal.
    answers: BTreeMap<InvocationId, Vec<Answer>>,
    feeders: Feeders,
    questions: Questions,
    agent: Agent,
    /// How many command lines show the session's terminal.
    shown: usize,
    refusals: Option<oneshot::Sender<Refused>>,
    /// Whether somebody wants to let go, and was not refused.
    leaving: bool,
    info: SessionInfo,
}

/// A session this client holds, or is about to hold again.
pub(super) struct Held {
    pub(super) instance: InstanceId,
    pub(super) target: Target,
    /// How it is attached again on a new link.
    mode: AttachMode,
    /// Whether it stays attached when nobody reads it any more.
    pub(super) kept: Cell<bool>,
    surroundings: RefCell<Surroundings>,
    inner: RefCell<Inner>,
    wake: Notify,
    out: Notify,
    /// Set when the next link is to take the session back from whoever has it by then.
    steals: Cell<bool>,
    hurry: Notify,
    status: watch::Sender<Status>,
}

impl Held {
    /// A session whose link is up.
    pub(super) fn new(
        target: Target,
        surroundings: Surroundings,
        info: SessionInfo,
        mode: AttachMode,
    ) -> Rc<Self> {
        let mut attachment = Attachment::default();
        attachment.link_up();
        let inner = Inner {
            attachment,
            readers: BTreeMap::new(),
            own: BTreeMap::new(),
            had_own: VecDeque::new(),
            answers: BTreeMap::new(),
            feeders: Feeders::default(),
            questions: Questions::default(),
            agent: Agent::default(),
            shown: 0,
            refusals: None,
            leaving: false,
            info: info.clone(),
        };
        Rc::new(Self {
            instance: info.instance,
            target,
            // A session that was stolen once is not stolen again by every reconnect: whoever
            // took it meanwhile keeps it.
            mode: match mode {
                AttachMode::ReadOnly => AttachMode::ReadOnly,
                AttachMode::Connect | AttachMode::Steal => AttachMode::Connect,
            },
            kept: Cell::new(mode != AttachMode::ReadOnly),
            surroundings: RefCell::new(surroundings),
            inner: RefCell::new(inner),
            wake: Notify::new(),
            out: Notify::new(),
            steals: Cell::new(false),
            hurry: Notify::new(),
            status: watch::Sender::new(Status::Up),
        })
    }

    /// Whether it is attached only to look.
    pub(super) fn is_watch(&self) -> bool {
        self.mode == AttachMode::ReadOnly
    }

    /// How the next link attaches it.
    pub(super) fn next_mode(&self) -> AttachMode {
        if self.steals.get() {
            AttachMode::Steal
        } else {
            self.mode
        }
    }

    /// Has the session taken back from whoever has it, by the next link, which comes at once.
    pub(super) fn steal_back(&self) {
        self.steals.set(true);
        self.hurry.notify_one();
    }

    /// Waits until the next link is wanted at once. Only for while the link is down.
    pub(super) async fn hurried(&self) {
        self.hurry.notified().await;
    }

    /// What reconnecting uses of the last caller's surroundings.
    pub(super) fn surroundings(&self) -> Surroundings {
        self.surroundings.borrow().clone()
    }

    /// A newer caller's surroundings: its agent is alive, an older one's may not be.
    pub(super) fn refresh(&self, surroundings: &Surroundings) {
        *self.surroundings.borrow_mut() = surroundings.clone();
    }

    /// The session as last heard.
    pub(super) fn info(&self) -> SessionInfo {
        self.inner.borrow().info.clone()
    }

    /// Follows how the link is doing.
    pub(super) fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Why nothing can be asked of the session any more, also while what is left of it can still
    /// be read.
    pub(super) fn is_over(&self) -> Option<Over> {
        match &*self.status.borrow() {
            Status::Over(over) => Some(over.clone()),
            Status::Up | Status::Down(_) => over_by(&self.inner.borrow().info),
        }
    }

    /// Whether its host process is gone.
    pub(super) fn is_broken(&self) -> bool {
        matches!(self.is_over(), Some(Over::Broken(_)))
    }

    /// Whether anybody waits for output.
    pub(super) fn has_readers(&self) -> bool {
        !self.inner.borrow().readers.is_empty()
    }

    /// The commands that command lines here wait for, each with a reader of its own.
    pub(super) fn foreground(&self) -> Vec<InvocationId> {
        self.inner.borrow().own.values().copied().collect()
    }

    /// Whether a command has, or lately had, a reader of its own.
    pub(super) fn had_own_reader(&self, invocation: InvocationId) -> bool {
        self.inner.borrow().had_own.contains(&invocation)
    }

    /// Submits a command; the answer comes when the host has it, whatever happens to the link.
    pub(super) fn submit(
        &self,
        submit: Submit,
        body: Bytes,
    ) -> oneshot::Receiver<Result<Submitted, Refused>> {
        let (answer, answered) = oneshot::channel();
        let mut inner = self.inner.borrow_mut();
        inner
            .answers
            .entry(submit.invocation)
            .or_default()
            .push(answer);
        inner.attachment.submit(submit, body);
        drop(inner);
        self.wake.notify_one();
        answered
    }

    /// Takes over the giving of an invocation's standard input, from `offset` on. Whoever gave it
    /// before is told to stop: the bytes of two command lines must not be fed one behind the other.
    pub(super) fn feed(
        &self,
        invocation: InvocationId,
        offset: u64,
    ) -> (Feeding, mpsc::UnboundedReceiver<StdinTaken>) {
        let mut inner = self.inner.borrow_mut();
        inner.attachment.resume_input(invocation, offset);
        inner.feeders.take_over(invocation)
    }

    pub(super) fn stdin(&self, feeding: Feeding, bytes: Bytes) {
        let mut inner = self.inner.borrow_mut();
        if inner.feeders.counts(feeding) {
            inner.attachment.stdin(feeding.invocation, bytes);
        }
        drop(inner);
        self.wake.notify_one();
    }

    pub(super) fn stdin_end(&self, feeding: Feeding) {
        let mut inner = self.inner.borrow_mut();
        if inner.feeders.counts(feeding) {
            inner.attachment.stdin_end(feeding.invocation);
        }
        drop(inner);
        self.wake.notify_one();
    }

    /// Nobody waits for the progress of that input any more. What was given of it is still fed,
    /// unless the command is over.
    pub(super) fn fed(&self, feeding: Feeding, over: bool) {
        let mut inner = self.inner.borrow_mut();
        if inner.feeders.end(feeding) && over {
            inner.attachment.completed(feeding.invocation);
        }
    }

    pub(super) fn cancel(&self, invocation: InvocationId, level: Level) {
        self.inner.borrow_mut().attachment.cancel(invocation, level);
        self.wake.notify_one();
    }

    /// Nobody waits for the invocation any more, because it is over or because whoever did has
    /// gone.
    pub(super) fn leave_alone(&self, invocation: InvocationId, over: bool) {
        let mut inner = self.inner.borrow_mut();
        inner.attachment.left(invocation);
        if over {
            inner.attachment.completed(invocation);
        }
    }

    /// Opens a reader of the session's log.
    pub(super) fn open_reader(
        self: &Rc<Self>,
        from: From,
        only: Option<InvocationId>,
        skip: Vec<(InvocationId, Seq)>,
    ) -> Reader {
        let reader = self.open(ReaderOpen {
            only,
            skip,
            ..from_everything(Source::Log, from)
        });
        if let Some(invocation) = only {
            let mut inner = self.inner.borrow_mut();
            inner.own.insert(reader.id, invocation);
            inner.had_own.push_back(invocation);
            if inner.had_own.len() > MAX_OUTCOMES {
                inner.had_own.pop_front();
            }
        }
        reader
    }

    fn open(self: &Rc<Self>, open: ReaderOpen) -> Reader {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut inner = self.inner.borrow_mut();
        let id = inner.attachment.open_reader(open);
        inner.readers.insert(id, sender);
        drop(inner);
        self.wake.notify_one();
        Reader {
            held: self.clone(),
            id,
            receiver,
        }
    }

    /// Lets go of the session. Wait for [`Status::Over`].
    pub(super) fn detach(&self, idle_timeout: Option<IdleTimeout>) -> oneshot::Receiver<Refused> {
        let (sender, refused) = oneshot::channel();
        let mut inner = self.inner.borrow_mut();
        inner.refusals = Some(sender);
        inner.leaving = true;
        inner
            .attachment
            .say(Detach { idle_timeout }.into(), Bytes::new());
        drop(inner);
        self.wake.notify_one();
        self.out.notify_one();
        refused
    }

    /// Waits until somebody wants to let go. Only for while the link is down.
    pub(super) async fn wants_out(&self) {
        loop {
            self.out.notified().await;
            if self.inner.borrow().leaving {
                return;
            }
        }
    }

    /// Ends the session. Wait for [`Status::Over`].
    pub(super) fn end(&self) {
        let end = End {
            extensions: Vec::new(),
        };
        self.inner
            .borrow_mut()
            .attachment
            .say(end.into(), Bytes::new());
        self.wake.notify_one();
    }

    /// The session is not held any more: everybody who waits for something of it is told.
    pub(super) fn over(&self, over: Over) {
        let mut inner = self.inner.borrow_mut();
        inner.attachment.link_down();
        inner.answers.clear();
        inner.feeders.clear();
        inner.readers.clear();
        inner.questions.clear();
        inner.agent.hang_up();
        drop(inner);
        self.status.send_replace(Status::Over(over));
    }

    /// The link is lost.
    pub(super) fn link_down(&self, reason: String) {
        let mut inner = self.inner.borrow_mut();
        inner.attachment.link_down();
        // Connections to the agent belong to the link.
        inner.agent.hang_up();
        drop(inner);
        self.status.send_replace(Status::Down(reason));
    }

    /// There is a new link.
    pub(super) fn link_up(&self, info: SessionInfo) {
        self.steals.set(false);
        let mut inner = self.inner.borrow_mut();
        inner.info = info;
        inner.attachment.link_up();
        drop(inner);
        self.status.send_replace(Status::Up);
    }

    /// Uses a link until it breaks or the session is not held any more. `changed` is called when
    /// the session's description changes.
    pub(super) async fn converse(
        self: &Rc<Self>,
        wire: &mut Wire,
        changed: &dyn Fn(&SessionInfo),
    ) -> Result<Over, WireError> {
        let mut ended = over_by(&self.info());
        loop {
            while let Some((message, body)) = self.poll_message() {
                wire.send(&message, body)?;
            }
            // Once the session is over, only what is still wanted of it keeps the link. A
            // removal is done when the host closes the link: then nothing of it is left.
            if let Some(over) = &ended
                && *over != Over::Ended(Ending::Removed)
                && !self.is_wanted()
            {
                wire.send(&Detach { idle_timeout: None }.into(), Bytes::new())?;
                let _ = wire.flush().await;
                return Ok(over.clone());
            }
            tokio::select! {
                message = wire.next() => {
                    let (message, body) = match message {
                        Err(WireError::Ended | WireError::Io(_)) if self.is_done(&ended) => {
                            return Ok(ended.unwrap_or(Over::Detached));
                        }
                        other => other?,
                    };
                    match message {
                        ToClient::Detached(last) => {
                            self.inner.borrow_mut().info = last.info.clone();
                            changed(&last.info);
                            return Ok(Over::Detached);
                        }
                        ToClient::Stolen(stolen) => return Ok(Over::Stolen(stolen.by)),
                        ToClient::Ended(end) => {
                            self.inner.borrow_mut().info.life = Life::Ended(end.end.clone());
                            ended = Some(Over::Ended(end.end));
                        }
                        other => self.take(other, body, changed),
                    }
                }
                () = self.wake.notified() => {}
            }
        }
    }

    /// Whether a link that breaks now is not needed again: whoever still reads has to get the rest.
    fn is_done(&self, over: &Option<Over>) -> bool {
        match over {
            Some(Over::Ended(Ending::Removed)) => true,
            Some(_) => !self.is_wanted(),
            None => false,
        }
    }

    /// Whether anybody still waits for something of the link.
    fn is_wanted(&self) -> bool {
        let inner = self.inner.borrow();
        !inner.readers.is_empty() || !inner.answers.is_empty()
    }

    fn poll_message(&self) -> Option<(outlast_protocol::link::to_host::ToHost, Bytes)> {
        self.inner.borrow_mut().attachment.poll_message()
    }

    fn take(self: &Rc<Self>, message: ToClient, body: Bytes, changed: &dyn Fn(&SessionInfo)) {
        let mut inner = self.inner.borrow_mut();
        match message {
            ToClient::Submitted(submitted) => {
                failpoint::reach("mux.submitted");
                inner.attachment.submitted(&submitted);
                let answers = inner.answers.remove(&submitted.invocation);
                for answer in answers.into_iter().flatten() {
                    let _ = answer.send(Ok(submitted.clone()));
                }
            }
            ToClient::StdinTaken(taken) => {
                inner.attachment.stdin_taken(&taken);
                inner.feeders.tell(taken);
            }
            ToClient::Record(record) => {
                failpoint::reach("mux.record");
                if inner.attachment.accept(&record, body.len())
                    && let Some(reader) = inner.readers.get(&record.reader)
                {
                    let _ = reader.send(Heard::Record(record, body));
                }
            }
            ToClient::CaughtUp(caught) => {
                let last = inner.info.life != Life::Live;
                if let Some(reader) = inner.readers.get(&caught.reader) {
                    let heard = Heard::CaughtUp {
                        next: caught.next,
                        active: caught.active,
                        last,
                    };
                    let _ = reader.send(heard);
                }
            }
            ToClient::Changed(news) => {
                inner.info = news.info.clone();
                drop(inner);
                changed(&news.info);
            }
            ToClient::Refused(refused) => inner.refused(refused),
            ToClient::Question(question) if inner.attachment.asked(question.question) => {
                inner.questions.asked(question);
            }
            ToClient::QuestionOver(over) => {
                inner.attachment.question_over(over.question);
                inner.questions.over(over.question);
            }
            ToClient::AgentData(data) => {
                drop(inner);
                self.agent_data(data.connection, body);
            }
            ToClient::AgentEnd(end) => inner.agent.end(end.connection),
            // Replies to requests of other channels, and what a newer host may volunteer.
            _ => {}
        }
    }
}

impl Inner {
    fn refused(&mut self, refused: Refused) {
        let about = refused.about.map(InvocationId);
        let answers = about.and_then(|invocation| self.answers.remove(&invocation));
        if let (Some(invocation), Some(answers)) = (about, answers) {
            self.attachment.refused(invocation);
            for answer in answers {
                let _ = answer.send(Err(refused.clone()));
            }
        } else if let Some(waiting) = self.refusals.take() {
            // It stays, also when its link is lost later.
            self.leaving = false;
            let _ = waiting.send(refused);
        }
    }
}

/// A reader of all of a log.
fn from_everything(source: Source, from: From) -> ReaderOpen {
    ReaderOpen {
        reader: ReaderId(0),
        source,
        from,
        only: None,
        skip: Vec::new(),
        credit: DEFAULT_CREDIT,
        owed: 0,
    }
}

/// Why a session of that description cannot be asked anything.
fn over_by(info: &SessionInfo) -> Option<Over> {
    match &info.life {
        Life::Live => None,
        Life::Ended(end) => Some(Over::Ended(end.clone())),
        Life::Broken(reason) => Some(Over::Broken(reason.clone())),
    }
}
