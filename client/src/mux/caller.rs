//! The command line at the other end of a control connection.

use std::collections::VecDeque;
use std::future::Future;
use std::rc::Rc;

use bytes::Bytes;
use outlast_protocol::control::session::Session;
use outlast_protocol::control::to_cli::{Notice, Sessions, ToCli};
use outlast_protocol::control::to_mux::ToMux;
use outlast_protocol::hello::{Hello, MODES};
use outlast_protocol::id::InstanceId;
use outlast_protocol::limits::STDIN_WINDOW;
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use super::failure::Failure;
use super::prompt::{Broker, Pending};
use super::{Mux, complain};
use crate::control::stream::FrameStream;

/// Sessions in one frame: far below the frame limit whatever their names.
const PER_FRAME: usize = 500;
/// Messages kept while a session is being connected to. Standard input comes in pieces as small
/// as whoever writes it likes.
const MAX_EARLY: usize = 64 * 1024;

/// The command line at the other end.
pub(super) struct Caller {
    stream: FrameStream,
    questions: u32,
    early: Early,
    peer: Option<Hello>,
}

/// What a command line said of its command while the session was still being connected to.
#[derive(Default)]
struct Early {
    messages: VecDeque<(ToMux, Bytes)>,
    input: u64,
}

impl Early {
    /// Keeps it for later; names it where it has no place.
    fn keep(&mut self, message: ToMux, body: Bytes) -> Result<(), &'static str> {
        let input = self.input.saturating_add(body.len() as u64);
        let few = self.messages.len() < MAX_EARLY && input <= STDIN_WINDOW;
        match message {
            ToMux::Stdin(_) | ToMux::StdinEnd(_) | ToMux::Cancel(_) | ToMux::Resize(_) if few => {
                self.input = input;
                self.messages.push_back((message, body));
                Ok(())
            }
            other => Err(other.name()),
        }
    }
}

/// How a request ends early.
pub(super) enum Stop {
    /// It failed: the command line is told.
    Failed(Failure),
    /// The command line is gone.
    Gone,
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Caller {
    /// Whoever is at the other end of `stream`.
    pub(super) fn new(stream: UnixStream) -> Self {
        Self {
            stream: FrameStream::new(stream),
            questions: 0,
            early: Early::default(),
            peer: None,
        }
    }

    /// Waits until everything is written, does `then`, and waits until the other end has closed
    /// its side or said something more: what it still has to say (the last Consumed) has been
    /// dealt with.
    pub(super) async fn part(mut self, then: impl FnOnce()) {
        let flushed = self.stream.flush().await;
        then();
        if flushed.is_ok() {
            let _ = self.stream.next().await;
        }
    }

    /// Queues a message.
    pub(super) fn send(&mut self, message: &ToCli, body: Bytes) {
        match message.head(body.len()) {
            Ok(head) => self.stream.push(head, body),
            Err(error) => complain(&format!("cannot encode {}: {error}", message.name())),
        }
    }

    /// It greeted like this.
    pub(super) fn met(&mut self, peer: Hello) {
        self.peer = Some(peer);
    }

    /// Whether it can be told the modes of a terminal.
    pub(super) fn takes_modes(&self) -> bool {
        self.peer.as_ref().is_some_and(|peer| peer.has(MODES))
    }

    /// Bytes queued and not yet written.
    pub(super) fn waiting(&self) -> usize {
        self.stream.waiting()
    }

    /// Writes what is queued and waits for the next message. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<(ToMux, Bytes), Stop> {
        match self.early.messages.pop_front() {
            Some(early) => Ok(early),
            None => self.hear().await,
        }
    }

    async fn hear(&mut self) -> Result<(ToMux, Bytes), Stop> {
        let frame = match self.stream.next().await {
            Ok(Some(frame)) => frame,
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                return Err(Failure::internal(error.to_string()).into());
            }
            Ok(None) | Err(_) => return Err(Stop::Gone),
        };
        ToMux::decode(&frame).map_err(|error| Failure::internal(error.to_string()).into())
    }

    /// A number for a question that this connection has not had.
    pub(super) fn number(&mut self) -> u32 {
        self.questions = self.questions.saturating_add(1);
        self.questions
    }

    /// Sends sessions of the list.
    pub(super) fn sessions(&mut self, mux: &Mux, instances: &[InstanceId]) {
        let views: Vec<Session> = {
            let registry = mux.registry.borrow();
            instances
                .iter()
                .filter_map(|id| registry.get(*id))
                .map(|k| mux.view(k))
                .collect()
        };
        let mut rest = views.as_slice();
        loop {
            let (now, later) = rest.split_at(rest.len().min(PER_FRAME));
            let more = !later.is_empty();
            let sessions = Sessions {
                sessions: now.to_vec(),
                more,
            };
            self.send(&ToCli::Sessions(sessions), Bytes::new());
            if !more {
                return;
            }
            rest = later;
        }
    }

    /// Waits for `work`, which may ask the user and give notice of things meanwhile. If the
    /// command line goes away, so does the work.
    pub(super) async fn wait_for<T, F>(
        &mut self,
        work: impl FnOnce(Rc<Broker>, Rc<dyn Fn(String)>) -> F,
    ) -> Result<T, Stop>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let (broker, mut questions) = Broker::new();
        let (noted, mut notices) = mpsc::unbounded_channel();
        let notice: Rc<dyn Fn(String)> = Rc::new(move |text| {
            // Who asked is gone: nobody is left to be told.
            let _ = noted.send(text);
        });
        let work = work(Rc::new(broker), notice);
        tokio::pin!(work);
        let mut waiting: Option<Pending> = None;
        let result = loop {
            tokio::select! {
                biased;
                Some(text) = notices.recv() => {
                    self.send(&ToCli::Notice(Notice { text }), Bytes::new());
                }
                result = &mut work => break result,
                Some(pending) = questions.recv(), if waiting.is_none() => {
                    let mut question = pending.question.clone();
                    question.question = self.number();
                    self.send(&ToCli::Question(question), Bytes::new());
                    waiting = Some(pending);
                }
                message = self.hear() => match message? {
                    (ToMux::Answer(answer), _) if answer.question == self.questions => {
                        if let Some(pending) = waiting.take() {
                            let _ = pending.answer.send(answer.texts);
                        }
                    }
                    (other, body) => {
                        if let Err(name) = self.early.keep(other, body) {
                            let message = format!("{name} has no place here");
                            return Err(Failure::internal(message).into());
                        }
                    }
                },
            }
        };
        while let Ok(text) = notices.try_recv() {
            self.send(&ToCli::Notice(Notice { text }), Bytes::new());
        }
        Ok(result?)
    }
}
