//! One visit to a session's terminal, or a look at it, from the request to its end, over as many
//! connections as it takes.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::control::session::Session;
use outlast_protocol::control::to_cli::{FailureKind, Record, ToCli};
use outlast_protocol::control::to_mux::{Answer, Consumed, Enter, Resize, Stdin, StdinEnd};
use outlast_protocol::control::window::{Step, Window};
use outlast_protocol::id::Seq;
use outlast_protocol::link::AttachMode;
use outlast_protocol::outcome::Outcome;
use outlast_protocol::record::RecordKind;
use tokio::time::Instant;

use super::Client;
use super::duration::Span;
use super::error::Error;
use super::front::{Doing, Front};
use super::interrupt::Wish;
use super::questioning::Questioning;
use super::request::unexpected;
use crate::control::connection::Connection;
use crate::output::page::{Channel, Page};
use crate::terminal::keys::Action;

/// Output that waits to be written; more is not read meanwhile.
const ENOUGH: usize = 64 * 1024;
/// How long the end of a visit may take once it is left.
const LEAVING: Duration = Duration::from_secs(2);
/// First and longest wait before the next attempt to reach a mux.
const WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// Pasted text that may wait for a program that does not read, besides what is under way.
const OVERFLOW: usize = 16 * 1024 * 1024;

type Writing = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// How a visit ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Parting {
    /// The user has left.
    Left,
    /// The user would not wait any longer.
    GivenUp,
    /// It is over by itself.
    Over(Outcome),
}

/// How one connection ended.
enum End {
    Parted(Parting),
    Lost,
}

/// One visit.
pub(super) struct Visit {
    client: Client,
    session: Session,
    message: Enter,
    patience: Span,
    front: Front,
    window: Window,
    /// What does not fit into the window yet.
    overflow: VecDeque<Bytes>,
    overflowing: usize,
    /// Keystrokes that nobody will ever see, in bytes; and those among them not reported yet.
    dropped: usize,
    unreported: usize,
    /// What is still to be written to the terminal.
    out: Vec<u8>,
    /// The last record taken in, and the last that was written out.
    seen: Option<Seq>,
    consumed: Option<Seq>,
    /// Whether the visit has begun.
    begun: bool,
    outcome: Option<Outcome>,
    /// Set when the user leaves: until when the end is waited for.
    leaving: Option<Instant>,
    /// Whether the connection to the host is lost.
    interrupted: bool,
    /// Whether a mux was lost on the way.
    pub(super) broken: bool,
    lost_since: Option<Instant>,
    questioning: Questioning,
}

impl Visit {
    pub(super) fn new(
        client: &Client,
        session: Session,
        message: Enter,
        patience: Span,
        front: Front,
    ) -> Self {
        // A watcher is there as soon as there is something to see.
        let begun = message.mode == AttachMode::ReadOnly;
        Self {
            client: client.clone(),
            session,
            message,
            patience,
            front,
            window: Window::default(),
            overflow: VecDeque::new(),
            overflowing: 0,
            dropped: 0,
            unreported: 0,
            out: Vec::new(),
            seen: None,
            consumed: None,
            begun,
            outcome: None,
            leaving: None,
            interrupted: false,
            broken: false,
            lost_since: None,
            questioning: Questioning::default(),
        }
    }

    /// Visits to the end; the terminal is the user's again behind it.
    pub(super) async fn run(&mut self) -> Result<Parting, Error> {
        let parting = self.attempts().await;
        self.front.close();
        if self.dropped > 0 {
            let note = format!("{} bytes that were typed are dropped", self.dropped);
            self.client.output.note(&note);
        }
        parting
    }

    async fn attempts(&mut self) -> Result<Parting, Error> {
        let mut wait = WAIT.0;
        loop {
            let away = match self.attempt().await {
                Ok(End::Parted(parting)) => return Ok(parting),
                Ok(End::Lost) => match (&self.outcome, self.leaving) {
                    (Some(outcome), None) => return Ok(Parting::Over(outcome.clone())),
                    (_, Some(_)) => return Ok(Parting::Left),
                    (None, None) => None,
                },
                Err(error @ Error::Refused(_))
                    if self.lost_since.is_some() && error.kind() == FailureKind::Unreachable =>
                {
                    Some(error)
                }
                Err(error) => return Err(error),
            };
            match self.lost_since {
                None => {
                    self.lost_since = Some(Instant::now());
                    wait = WAIT.0;
                    self.lost("the background process is gone");
                }
                Some(since) => {
                    let limit = self.patience.duration();
                    if limit.is_some_and(|limit| since.elapsed() >= limit) {
                        let lost = || Error::MuxLost(self.patience.to_string());
                        return Err(away.unwrap_or_else(lost));
                    }
                    if self.pause(wait).await? {
                        return Ok(Parting::Left);
                    }
                    wait = wait.saturating_mul(2).min(WAIT.1);
                }
            }
            self.broken = true;
        }
    }

    /// Waits before the next attempt; says whether the user has left meanwhile.
    async fn pause(&mut self, wait: Duration) -> Result<bool, Error> {
        let until = Instant::now() + wait;
        loop {
            self.write_out().await?;
            tokio::select! {
                () = tokio::time::sleep_until(until) => return Ok(false),
                doing = self.front.next() => {
                    self.does(doing);
                    if self.leaving.is_some() {
                        return Ok(true);
                    }
                }
            }
        }
    }

    async fn attempt(&mut self) -> Result<End, Error> {
        let mut connection = Connection::open(&self.client.place).await?;
        self.questioning = Questioning::default();
        self.message.size = self.front.size();
        if self.broken {
            let last = self.consumed.unwrap_or(Seq(0));
            self.message.resume = Some((last, self.window.offset()));
            // The keys are the session's by now.
            self.message.surroundings.interactive &= !self.front.is_open();
        }
        connection.send(self.message.clone(), Bytes::new())?;
        self.window.rewind();
        self.talk(&mut connection).await
    }

    async fn talk(&mut self, connection: &mut Connection) -> Result<End, Error> {
        let mut writing: Option<(Writing, Option<Seq>)> = None;
        let mut wishes = self.client.interrupts.catch();
        loop {
            self.feed(connection)?;
            if writing.is_none() {
                if self.leaving.is_some() {
                    self.front.close();
                    self.out.clear();
                    if self.interrupted || self.message.mode == AttachMode::ReadOnly {
                        return Ok(End::Parted(Parting::Left));
                    }
                }
                if !self.out.is_empty() || self.seen > self.consumed {
                    writing = Some((self.page(), self.seen));
                }
            }
            let may_read = self.out.len() < ENOUGH;
            tokio::select! {
                written = written(&mut writing) => {
                    let last = written?;
                    writing = None;
                    if let Some(seq) = last.filter(|seq| self.consumed < Some(*seq)) {
                        self.consumed = Some(seq);
                        connection.send(Consumed { seq }, Bytes::new())?;
                    }
                }
                message = read(connection, may_read) => {
                    let Some((message, body)) = message? else {
                        return Ok(End::Lost);
                    };
                    match self.take(message, body) {
                        Ok(None) => {}
                        Ok(Some(parting)) => return Ok(End::Parted(parting)),
                        Err(error) => {
                            finish(writing).await?;
                            self.write_out().await?;
                            return Err(error);
                        }
                    }
                }
                doing = self.front.next() => {
                    if self.does(doing) {
                        let size = self.front.size();
                        connection.send(Resize { size }, Bytes::new())?;
                    }
                }
                (question, texts) = self.questioning.next() => {
                    connection.send(Answer { question, texts }, Bytes::new())?;
                }
                Ok(()) = wishes.changed() => {
                    if let Some(parting) = self.interrupt(*wishes.borrow_and_update()) {
                        return Ok(End::Parted(parting));
                    }
                }
                () = at(self.leaving) => return Ok(End::Parted(Parting::Left)),
            }
        }
    }

    /// Ctrl-C as long as the keys are not the session's; later, a signal from elsewhere.
    fn interrupt(&mut self, wish: Wish) -> Option<Parting> {
        if wish.cancels == 0 && !wish.leave {
            return None;
        }
        if !self.front.is_open() {
            return Some(Parting::GivenUp);
        }
        self.leave();
        None
    }

    fn leave(&mut self) {
        if self.leaving.is_none() {
            self.leaving = Some(Instant::now() + LEAVING);
            self.dropped = self.dropped.saturating_add(self.overflowing);
            self.overflow.clear();
            self.overflowing = 0;
            self.window.finish();
        }
    }

    fn feed(&mut self, connection: &mut Connection) -> Result<(), Error> {
        if self.message.mode == AttachMode::ReadOnly {
            return Ok(());
        }
        while self.window.wants() {
            let Some(bytes) = self.overflow.pop_front() else {
                break;
            };
            self.overflowing = self.overflowing.saturating_sub(bytes.len());
            self.window.push(bytes);
        }
        while let Some(step) = self.window.step() {
            match step {
                Step::Bytes(bytes) => connection.send(Stdin, bytes)?,
                Step::End => connection.send(StdinEnd, Bytes::new())?,
            }
        }
        Ok(())
    }

    /// Takes in what the user does; says whether the terminal has another size.
    fn does(&mut self, doing: Doing) -> bool {
        match doing {
            Doing::Types(typed) => self.typed(typed),
            Doing::Resizes(size) => {
                let out = self.front.resize(size);
                self.out.extend(out);
                return true;
            }
        }
        false
    }

    fn typed(&mut self, typed: Option<Bytes>) {
        let (actions, shown) = self.front.actions(typed.as_deref());
        if shown.is_empty() && !self.interrupted && self.lost_since.is_none() {
            // What we had to say was read.
            let cleared = self.front.clear();
            self.out.extend(cleared);
        }
        self.out.extend(shown);
        for action in actions {
            match action {
                Action::Send(bytes) => self.send(bytes.into()),
                Action::Leave => self.leave(),
                Action::Help => {}
            }
        }
    }

    /// Keys for the session; while it cannot be reached only so many are kept.
    fn send(&mut self, bytes: Bytes) {
        if self.message.mode == AttachMode::ReadOnly || self.leaving.is_some() {
            return;
        }
        let away = self.interrupted || self.lost_since.is_some();
        let room = if away { 0 } else { OVERFLOW };
        if self.window.wants() && self.overflow.is_empty() {
            self.window.push(bytes);
        } else if self.overflowing.saturating_add(bytes.len()) <= room {
            self.overflowing = self.overflowing.saturating_add(bytes.len());
            self.overflow.push_back(bytes);
        } else {
            self.dropped = self.dropped.saturating_add(bytes.len());
            self.unreported = self.unreported.saturating_add(bytes.len());
            self.out.push(0x07);
        }
    }

    /// Takes a message in; says how the visit ended if it did.
    fn take(&mut self, message: ToCli, body: Bytes) -> Result<Option<Parting>, Error> {
        let arrived = matches!(
            message,
            ToCli::Record(_) | ToCli::Accepted(_) | ToCli::CaughtUp(_)
        );
        if arrived && self.lost_since.take().is_some() {
            self.back();
        }
        let computer = self.session.computer_name.clone();
        match message {
            ToCli::Record(record) => self.record(&record, &body)?,
            ToCli::CaughtUp(_) if self.begun => {
                let drawn = self.front.draw()?;
                self.out.extend(drawn);
            }
            ToCli::StdinTaken(taken) => self.window.taken(taken.offset, taken.closed),
            ToCli::Accepted(accepted) if accepted.ahead > 0 && !self.broken => {
                self.client.output.note(&format!(
                    "{computer}: waiting for what runs in session {} (Ctrl-C gives up)",
                    self.session.name
                ));
            }
            ToCli::Interrupted(lost) => {
                self.interrupted = true;
                self.lost(&lost.reason);
            }
            ToCli::Resumed(_) => self.back(),
            ToCli::Notice(notice) if !self.front.is_open() => {
                self.client
                    .output
                    .note(&format!("{computer}: {}", notice.text));
            }
            ToCli::Question(question) => self.questioning.ask(&self.client, computer, question),
            ToCli::QuestionOver(over) => self.questioning.over(over.question),
            ToCli::Finished(_) => return self.finished().map(Some),
            ToCli::Failed(failed) => return Err(Error::Refused(failed)),
            ToCli::Sessions(_) | ToCli::Accepted(_) | ToCli::CaughtUp(_) | ToCli::Notice(_) => {}
            other => return Err(unexpected("Record or Finished", &other)),
        }
        Ok(None)
    }

    fn finished(&self) -> Result<Parting, Error> {
        match (&self.outcome, self.leaving) {
            (_, Some(_)) => Ok(Parting::Left),
            (Some(outcome), None) => Ok(Parting::Over(outcome.clone())),
            (None, None) => Err(Error::Protocol(
                "it finished a visit without an outcome".to_owned(),
            )),
        }
    }

    fn record(&mut self, record: &Record, body: &[u8]) -> Result<(), Error> {
        if self.seen >= Some(record.seq) {
            return Ok(());
        }
        self.seen = Some(record.seq);
        let ours = record.invocation == Some(self.message.invocation);
        match &record.kind {
            RecordKind::Started => self.begun |= ours,
            RecordKind::Output(_) => {
                let out = self.front.take(body)?;
                self.out.extend(out);
            }
            RecordKind::Completed(outcome) if ours => self.outcome = Some(outcome.clone()),
            RecordKind::Completed(_) => {}
            RecordKind::Gap(_) => {
                let out = self.front.restart();
                self.out.extend(out);
            }
        }
        Ok(())
    }

    fn lost(&mut self, reason: &str) {
        if !self.front.is_open() {
            let note = format!("{}: lost: {reason}", self.session.computer_name);
            return self.client.output.note(&note);
        }
        let status = format!("[outlast: connection lost: {reason}; trying again, ~. to leave]");
        let out = self.front.say(status);
        self.out.extend(out);
        self.front.begin_line();
    }

    fn back(&mut self) {
        self.interrupted = false;
        let mut out = self.front.clear();
        if self.unreported > 0 {
            let count = std::mem::take(&mut self.unreported);
            let text = format!("[outlast: back; {count} bytes typed meanwhile were dropped]");
            out.extend(self.front.say(text));
        }
        self.out.extend(out);
    }

    /// What waits to be written, on its way.
    fn page(&mut self) -> Writing {
        self.front.remember_farewell();
        let mut page = Page::default();
        page.push(Channel::Out, std::mem::take(&mut self.out));
        let output = self.client.output;
        Box::pin(output.print(page))
    }

    async fn write_out(&mut self) -> Result<(), Error> {
        self.page().await
    }
}

/// The end of what is being written; never, when nothing is.
async fn written(writing: &mut Option<(Writing, Option<Seq>)>) -> Result<Option<Seq>, Error> {
    match writing {
        Some((page, last)) => {
            page.await?;
            Ok(*last)
        }
        None => std::future::pending().await,
    }
}

async fn finish(writing: Option<(Writing, Option<Seq>)>) -> Result<(), Error> {
    match writing {
        Some((page, _)) => page.await,
        None => Ok(()),
    }
}

/// The next message; while it may not be read, only writes.
async fn read(connection: &mut Connection, may: bool) -> Result<Option<(ToCli, Bytes)>, Error> {
    if may {
        return connection.next().await;
    }
    match connection.write_only().await {}
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
