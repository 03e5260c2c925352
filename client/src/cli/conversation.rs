//! What is said about one command, or one reading of a session's output, from the request to its
//! end, over as many connections as it takes.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use outlast_protocol::control::session::Session;
use outlast_protocol::control::to_cli::{FailureKind, Record, ToCli};
use outlast_protocol::control::to_mux::{
    Answer, Cancel, Consumed, Invoke, More, Receive, Resize, Stdin, StdinEnd, Watch,
};
use outlast_protocol::control::window::{Step, Window};
use outlast_protocol::id::Seq;
use outlast_protocol::limits::MAX_PIECE;
use outlast_protocol::link::{From, Level, TerminalSize};
use outlast_protocol::outcome::Outcome;
use outlast_protocol::record::RecordKind;
use outlast_rendezvous::failpoint;
use tokio::sync::{mpsc, watch};

use super::Client;
use super::duration::Span;
use super::error::Error;
use super::interrupt::Wish;
use super::questioning::Questioning;
use super::request::unexpected;
use super::tty::Tty;

use crate::control::connection::Connection;
use crate::output::page::Page;
use crate::output::sink::Sink;

/// Output that is written out in one go, in bytes.
const PAGE: usize = 64 * 1024;

/// First and longest wait before the next attempt to reach a mux.
const WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

type Writing = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// What was asked.
#[derive(Debug)]
pub(super) enum Ask {
    /// To run this, with the body that belongs to it.
    Invoke(Invoke, Bytes),
    /// To have the output; with true, over a read-only attachment.
    Receive(Receive, bool),
}

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
    pub(super) reconnect_for: Span,
    /// How the last command ended.
    pub(super) outcome: Option<Outcome>,
    /// The session as it was left, where that was asked for.
    pub(super) left: Vec<Session>,
    /// Output bytes that are lost.
    pub(super) missing: u64,
    /// Whether the mux was lost on the way.
    pub(super) broken: bool,
    questioning: Questioning,
    window: Window,
    consumed: Option<Seq>,
    /// When the mux was lost, until it is back.
    lost_since: Option<Instant>,
}

/// How one connection ended.
enum End {
    Finished,
    Lost,
}

/// What came in and is still to be written out.
#[derive(Default)]
struct Batch {
    page: Page,
    bytes: usize,
    last: Option<Seq>,
    finished: bool,
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
            questioning: Questioning::default(),
            wishes: client.interrupts.listen(),
            reconnect_for: patience,
            outcome: None,
            left: Vec::new(),
            missing: 0,
            broken: false,
            window: Window::default(),
            consumed: None,
            lost_since: None,
        }
    }

    /// Holds the conversation to its end.
    pub(super) async fn run(&mut self) -> Result<(), Error> {
        let mut wait = WAIT.0;
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
                    if self.lost_since.is_some() && error.kind() == FailureKind::Unreachable =>
                {
                    Some(error)
                }
                Err(error) => return Err(error),
            };
            if self.lost_since.is_none() {
                self.lost_since = Some(Instant::now());
                wait = WAIT.0;
                let reason = "the background process is gone";
                self.show(|sink, session, page| sink.interrupted(session, reason, page))
                    .await?;
            } else {
                self.have_patience(away)?;
                tokio::time::sleep(wait).await;
                wait = wait.saturating_mul(2).min(WAIT.1);
            }
            self.broken = true;
        }
    }

    fn is_over(&self) -> bool {
        self.outcome.is_some() && matches!(self.ask, Ask::Invoke(..))
    }

    /// An error when there is no patience left: why the next mux is of no use, where there is one.
    fn have_patience(&self, away: Option<Error>) -> Result<(), Error> {
        let since = self.lost_since.map(|since| since.elapsed());
        match (since, self.reconnect_for.duration()) {
            (Some(since), Some(limit)) if since >= limit => {
                Err(away.unwrap_or_else(|| Error::MuxLost(self.reconnect_for.to_string())))
            }
            _ => Ok(()),
        }
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
        match &mut self.ask {
            Ask::Invoke(invoke, body) => {
                if self.broken {
                    let last = self.consumed.unwrap_or(Seq(0));
                    invoke.resume = Some((last, self.window.offset()));
                }
                if let Some(tty) = &self.tty {
                    invoke.terminal = Some(tty.size());
                    // The keys are the command's by now.
                    invoke.surroundings.interactive &= !tty.is_raw();
                }
                let mut rest = body.clone();
                let first = rest.split_to(rest.len().min(MAX_PIECE));
                invoke.more_len = u32::try_from(rest.len()).unwrap_or(u32::MAX);
                connection.send(invoke.clone(), first)?;
                while !rest.is_empty() {
                    connection.send(More, rest.split_to(rest.len().min(MAX_PIECE)))?;
                }
                self.window.rewind();
                if self.broken && self.wishes.borrow().cancels > 0 {
                    let level = Level::Interrupt;
                    connection.send(Cancel { level }, Bytes::new())?;
                }
            }
            Ask::Receive(receive, read_only) => {
                // Without a place of its own it goes on at the client's cursor, which leaves out
                // what other command lines have had. It may be older than this one: what comes
                // again is passed over.
                if let (Some(from), Some(last)) = (&mut receive.from, self.consumed) {
                    *from = From::Seq(last.next());
                }
                if *read_only {
                    connection.send(Watch::from(receive.clone()), Bytes::new())?;
                } else {
                    connection.send(receive.clone(), Bytes::new())?;
                }
            }
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
                message = read(connection, may_read) => {
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
                Ok(()) = self.wishes.changed() => self.cancel(connection)?,
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

    /// Takes in a message and what else is already here, up to a page.
    async fn batch(
        &mut self,
        message: ToCli,
        body: Bytes,
        connection: &mut Connection,
    ) -> Result<Batch, Error> {
        let mut batch = Batch::default();
        // Words on the way to a session do not mean that it is there.
        let arrived = !matches!(
            message,
            ToCli::Failed(_) | ToCli::Notice(_) | ToCli::Question(_)
        );
        if arrived && self.lost_since.take().is_some() {
            self.sink.resumed(&self.session, &mut batch.page);
        }
        let mut next = Some((message, body));
        while let Some((message, body)) = next {
            self.take(message, body, &mut batch).await?;
            if batch.finished || batch.bytes >= PAGE {
                break;
            }
            // An end or an error shows again in the next read, when this is written out.
            next = connection.next_now().await.unwrap_or(None);
        }
        Ok(batch)
    }

    async fn take(&mut self, message: ToCli, body: Bytes, batch: &mut Batch) -> Result<(), Error> {
        let computer = self.session.computer_name.clone();
        match message {
            ToCli::Record(record) => {
                if record.kind == RecordKind::Started {
                    self.begin_tty()?;
                }
                self.record(&record, body, batch);
            }
            ToCli::StdinTaken(taken) => {
                self.window.taken(taken.offset, taken.closed);
                if taken.closed {
                    self.input = None;
                }
            }
            ToCli::Accepted(accepted) if accepted.ahead > 0 && !self.broken => {
                let ahead = accepted.ahead;
                let note = format!("{computer}: waiting behind {ahead} of the session's commands");
                self.client.output.note(&note);
            }
            ToCli::Accepted(_) => failpoint::reach("cli.accepted"),
            ToCli::Interrupted(lost) => {
                self.sink
                    .interrupted(&self.session, &lost.reason, &mut batch.page);
            }
            ToCli::Resumed(_) => self.sink.resumed(&self.session, &mut batch.page),
            ToCli::Notice(notice) => {
                self.client
                    .output
                    .note(&format!("{computer}: {}", notice.text));
            }
            ToCli::Question(question) => {
                self.questioning.ask(&self.client, computer, question);
            }
            ToCli::QuestionOver(over) => self.questioning.over(over.question),
            ToCli::Sessions(some) => self.left.extend(some.sessions),
            ToCli::Finished(_) => {
                self.sink.finish(&mut batch.page);
                batch.finished = true;
            }
            ToCli::Failed(failed) => {
                // What came before it is output all the same.
                self.sink.finish(&mut batch.page);
                self.client
                    .output
                    .print(std::mem::take(&mut batch.page))
                    .await?;
                return Err(Error::Refused(failed));
            }
            other => return Err(unexpected("Record or Finished", &other)),
        }
        Ok(())
    }

    fn record(&mut self, record: &Record, body: Bytes, batch: &mut Batch) {
        if self.consumed >= Some(record.seq) {
            batch.last = Some(record.seq);
            return;
        }
        let ours = match &self.ask {
            Ask::Invoke(invoke, _) => record.invocation == Some(invoke.invocation),
            Ask::Receive(..) => true,
        };
        if let RecordKind::Completed(outcome) = &record.kind
            && ours
        {
            self.outcome = Some(outcome.clone());
        }
        if let RecordKind::Gap(gap) = &record.kind {
            self.missing = self.missing.saturating_add(gap.bytes);
        }
        batch.bytes = batch.bytes.saturating_add(body.len());
        batch.last = Some(record.seq);
        self.sink
            .record(&self.session, record, body, &mut batch.page);
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

/// The next message; while it may not be read, only writes.
async fn read(connection: &mut Connection, may: bool) -> Result<Option<(ToCli, Bytes)>, Error> {
    if may {
        return connection.next().await;
    }
    match connection.write_only().await {}
}

/// The next piece of standard input; never, while none is wanted.
async fn input(from: &mut Option<mpsc::Receiver<Bytes>>, wanted: bool) -> Option<Bytes> {
    match from {
        Some(receiver) if wanted => receiver.recv().await,
        _ => std::future::pending().await,
    }
}
