//! What is said about one command, or one reading of a session's output, from the request to its
//! end, over as many connections as it takes.

mod heard;

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use outlast_protocol::control::session::Session;
use outlast_protocol::control::to_cli::FailureKind;
use outlast_protocol::control::to_mux::{Answer, Cancel, Consumed, Resize, Stdin, StdinEnd};
use outlast_protocol::control::window::{Step, Window};
use outlast_protocol::id::Seq;
use outlast_protocol::link::{Level, TerminalSize};
use outlast_protocol::outcome::Outcome;
use outlast_rendezvous::failpoint;
use tokio::sync::{mpsc, watch};

use super::Client;
use super::absence::Absence;
use super::ask::Ask;
use super::duration::Span;
use super::error::Error;
use super::interrupt::Wish;
use super::questioning::Questioning;
use super::tty::Tty;

use crate::control::connection::Connection;
use crate::output::page::Page;
use crate::output::sink::Sink;

type Writing = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// One conversation with the mux.
#[derive(Debug)]
pub(super) struct Conversation {
    pub(super) client: Client,
    pub(super) session: Session,
    pub(super) ask: Ask,
    pub(super) sink: Sink,
    pub(super) input: Option<mpsc::Receiver<Bytes>>,
    /// Where the command is on the session's terminal.
    pub(super) tty: Option<Tty>,
    pub(super) wishes: watch::Receiver<Wish>,
    /// How the last command ended.
    pub(super) outcome: Option<Outcome>,
    /// The session as it was left, where that was asked for.
    pub(super) left: Vec<Session>,
    /// Output bytes that are lost.
    pub(super) missing: u64,
    /// Whether the mux was lost on the way.
    pub(super) broken: bool,
    /// Whether the session has the command.
    pub(super) accepted: bool,
    questioning: Questioning,
    window: Window,
    consumed: Option<Seq>,
    absence: Absence,
}

/// How one connection ended.
enum End {
    Finished,
    Lost,
}

impl Conversation {
    /// One that is about to begin.
    #[must_use]
    pub(super) fn new(
        client: &Client,
        session: Session,
        ask: Ask,
        sink: Sink,
        patience: Span,
    ) -> Self {
        Self {
            client: client.clone(),
            session,
            ask,
            sink,
            input: None,
            tty: None,
            accepted: false,
            questioning: Questioning::default(),
            wishes: client.interrupts.listen(),
            outcome: None,
            left: Vec::new(),
            missing: 0,
            broken: false,
            window: Window::default(),
            consumed: None,
            absence: Absence::new(patience),
        }
    }

    /// Holds the conversation to its end.
    pub(super) async fn run(&mut self) -> Result<(), Error> {
        loop {
            let away = match self.attempt().await {
                Ok(End::Finished) => return Ok(()),
                // It is over and written out: another mux would have nothing more to say.
                Ok(End::Lost) if self.is_over() => return Ok(()),
                Ok(End::Lost) => None,
                // All was said and done before the mux was lost.
                Err(Error::Refused(_)) if self.broken && self.is_over() => return Ok(()),
                // The next mux is there, and the network is not: what was begun is waited for.
                Err(error @ Error::Refused(_))
                    if self.absence.lasts() && error.kind() == FailureKind::Unreachable =>
                {
                    Some(error)
                }
                Err(error) => return Err(error),
            };
            match self.absence.goes_on(away)? {
                None => {
                    let reason = "the background process is gone";
                    self.show(|sink, session, page| sink.interrupted(session, reason, page))
                        .await?;
                }
                Some(wait) => tokio::time::sleep(wait).await,
            }
            self.broken = true;
        }
    }

    fn is_over(&self) -> bool {
        self.outcome.is_some() && matches!(self.ask, Ask::Invoke(..))
    }

    async fn attempt(&mut self) -> Result<End, Error> {
        let mut connection = Connection::open(&self.client.place).await?;
        // What another mux had asked, this one asks again.
        self.questioning = Questioning::default();
        failpoint::reach("cli.asks");
        self.begin(&mut connection)?;
        self.talk(&mut connection).await
    }

    /// Asks; on a second connection from where the first one ended.
    fn begin(&mut self, connection: &mut Connection) -> Result<(), Error> {
        if self.broken {
            self.ask.go_on(self.consumed, self.window.offset());
        }
        if let (Ask::Invoke(invoke, _), Some(tty)) = (&mut self.ask, &self.tty) {
            invoke.terminal = Some(tty.size());
            // The keys are the command's by now.
            invoke.surroundings.interactive &= !tty.is_raw();
        }
        self.ask.say(connection)?;
        self.window.rewind();
        let invoke = matches!(self.ask, Ask::Invoke(..));
        if invoke && self.broken && self.wishes.borrow().cancels > 0 {
            let level = Level::Interrupt;
            connection.send(Cancel { level }, Bytes::new())?;
        }
        Ok(())
    }

    async fn talk(&mut self, connection: &mut Connection) -> Result<End, Error> {
        let mut writing: Option<(Writing, Option<Seq>, bool)> = None;
        loop {
            self.feed(connection)?;
            let may_read = writing.is_none();
            tokio::select! {
                written = written(&mut writing) => {
                    let (last, finished) = written?;
                    writing = None;
                    if let Some(seq) = last {
                        failpoint::reach("cli.written");
                        self.consumed = self.consumed.max(Some(seq));
                        connection.send(Consumed { seq }, Bytes::new())?;
                    }
                    if finished {
                        connection.flush().await;
                        return self.finished();
                    }
                }
                message = connection.next_if(may_read) => {
                    let Some((message, body)) = message? else {
                        return Ok(End::Lost);
                    };
                    let batch = self.batch(message, body, connection).await?;
                    let output = self.client.output;
                    let page: Writing = Box::pin(output.print(batch.page));
                    writing = Some((page, batch.last, batch.finished));
                }
                bytes = input(&mut self.input, self.window.wants()) => match bytes {
                    Some(bytes) => self.typed(bytes),
                    None => {
                        self.input = None;
                        self.window.finish();
                    }
                },
                size = size(&mut self.tty) => connection.send(Resize { size }, Bytes::new())?,
                (question, texts) = self.questioning.next() => {
                    connection.send(Answer { question, texts }, Bytes::new())?;
                }
                // Without a listener nobody can wish for anything any more.
                Ok(()) = self.wishes.changed() => {
                    if self.gives_up() {
                        return Ok(End::Finished);
                    }
                    self.cancel(connection)?;
                }
            }
        }
    }

    /// Keys of a terminal may be meant for us; other input is the command's.
    fn typed(&mut self, bytes: Bytes) {
        match &mut self.tty {
            Some(tty) if tty.is_raw() => {
                if let Some(bytes) = tty.typed(&self.client, &bytes) {
                    self.window.push(bytes);
                }
            }
            _ => self.window.push(bytes),
        }
    }

    /// The command has the terminal, and with it the keys.
    fn begin_tty(&mut self) -> Result<(), Error> {
        if let Some(tty) = &mut self.tty
            && let Some(input) = tty.begin()?
        {
            self.input = Some(input);
        }
        Ok(())
    }

    fn finished(&self) -> Result<End, Error> {
        match &self.ask {
            Ask::Invoke(invoke, _) if !invoke.detached && self.outcome.is_none() => Err(
                Error::Protocol("it finished a command without an outcome".to_owned()),
            ),
            _ => Ok(End::Finished),
        }
    }

    /// Ctrl-C at a question about the way to the session: nothing was begun yet.
    fn gives_up(&mut self) -> bool {
        let gives_up = !self.accepted && self.questioning.is_asking();
        if gives_up {
            self.outcome = Some(Outcome::NeverRan);
        }
        gives_up
    }

    fn cancel(&mut self, connection: &mut Connection) -> Result<(), Error> {
        if self.wishes.borrow_and_update().leave || matches!(self.ask, Ask::Receive(..)) {
            return Ok(());
        }
        let level = Level::Interrupt;
        connection.send(Cancel { level }, Bytes::new())
    }

    fn feed(&mut self, connection: &mut Connection) -> Result<(), Error> {
        if !matches!(&self.ask, Ask::Invoke(invoke, _) if invoke.stdin) {
            return Ok(());
        }
        while let Some(step) = self.window.step() {
            match step {
                Step::Bytes(bytes) => connection.send(Stdin, bytes)?,
                Step::End => connection.send(StdinEnd, Bytes::new())?,
            }
        }
        Ok(())
    }

    async fn show(
        &mut self,
        what: impl FnOnce(&mut Sink, &Session, &mut Page),
    ) -> Result<(), Error> {
        let mut page = Page::default();
        what(&mut self.sink, &self.session, &mut page);
        self.client.output.print(page).await
    }
}

/// The next size of our terminal; never, where none is shown.
async fn size(tty: &mut Option<Tty>) -> TerminalSize {
    match tty {
        Some(tty) => tty.resized().await,
        None => std::future::pending().await,
    }
}

/// The end of what is being written; never, when nothing is.
async fn written(
    writing: &mut Option<(Writing, Option<Seq>, bool)>,
) -> Result<(Option<Seq>, bool), Error> {
    match writing {
        Some((page, last, finished)) => {
            page.await?;
            Ok((*last, *finished))
        }
        None => std::future::pending().await,
    }
}

/// The next piece of standard input; never, while none is wanted.
async fn input(from: &mut Option<mpsc::Receiver<Bytes>>, wanted: bool) -> Option<Bytes> {
    match from {
        Some(receiver) if wanted => receiver.recv().await,
        _ => std::future::pending().await,
    }
}
