//! A session this client holds: what is wanted of it, whatever its link is doing.

mod agent;
mod converse;
mod questions;
mod reader;
mod status;
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
use outlast_protocol::link::to_client::{StdinTaken, Submitted};
use outlast_protocol::link::to_host::{Detach, End, ReaderOpen, Submit};
use outlast_protocol::link::{AttachMode, From, Level, Source};
use outlast_protocol::session::{IdleTimeout, SessionInfo};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use self::agent::Agent;
pub(super) use self::agent::Lending;
use self::questions::Questions;
pub(super) use self::questions::{Asked, Listening};
pub(super) use self::reader::{Heard, Reader};
use self::status::over_by;
pub(super) use self::status::{Over, Status};
pub(super) use self::terminal::Showing;
use super::feeding::{Feeders, Feeding};
use super::terms::Terms;

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
    /// As of the latest link.
    terms: RefCell<Rc<Terms>>,
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
            terms: RefCell::default(),
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

    /// What the host's configuration says, with every link anew.
    pub(super) fn under(&self, terms: Rc<Terms>) {
        *self.terms.borrow_mut() = terms;
    }

    pub(super) fn terms(&self) -> Rc<Terms> {
        self.terms.borrow().clone()
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

#[cfg(test)]
pub(super) mod tests;
