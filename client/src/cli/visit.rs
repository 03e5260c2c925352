//! One visit to a session's terminal, or a look at it, from the request to its end, over as many
//! connections as it takes.

mod heard;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::control::session::Session;
use outlast_protocol::control::to_cli::FailureKind;
use outlast_protocol::control::to_mux::{Answer, Consumed, Enter, Resize, Stdin, StdinEnd};
use outlast_protocol::control::window::Step;
use outlast_protocol::id::Seq;
use outlast_protocol::link::AttachMode;
use outlast_protocol::outcome::Outcome;
use outlast_rendezvous::failpoint;
use tokio::time::Instant;

use super::Client;
use super::absence::Absence;
use super::duration::Span;
use super::error::Error;
use super::front::{Doing, Front};
use super::interrupt::Wish;
use super::keystrokes::Keystrokes;
use super::nudge::Nudge;
use super::questioning::Questioning;
use crate::control::connection::Connection;
use crate::output::page::{Channel, Page};
use crate::terminal::keys::Action;

/// Output that waits to be written; more is not read meanwhile.
const ENOUGH: usize = 64 * 1024;
/// How long the end of a visit may take once it is left.
const LEAVING: Duration = Duration::from_secs(2);
/// What a key is answered with that nobody will see.
const BELL: u8 = 0x07;

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
    front: Front,
    keystrokes: Keystrokes,
    nudge: Nudge,
    /// What is still to be written to the terminal.
    out: Vec<u8>,
    /// The last record taken in, and the last that was written out.
    seen: Option<Seq>,
    consumed: Option<Seq>,
    /// Whether the host was heard to have it.
    accepted: bool,
    /// Whether the visit has begun.
    begun: bool,
    outcome: Option<Outcome>,
    /// Set when the user leaves: until when the end is waited for.
    leaving: Option<Instant>,
    /// Whether the connection to the host is lost.
    interrupted: bool,
    /// Whether a mux was lost on the way.
    pub(super) broken: bool,
    absence: Absence,
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
            front,
            keystrokes: Keystrokes::default(),
            nudge: Nudge::default(),
            out: Vec::new(),
            seen: None,
            consumed: None,
            accepted: false,
            begun,
            outcome: None,
            leaving: None,
            interrupted: false,
            broken: false,
            absence: Absence::new(patience),
            questioning: Questioning::default(),
        }
    }

    /// Visits to the end; the terminal is the user's again behind it.
    pub(super) async fn run(&mut self) -> Result<Parting, Error> {
        let parting = self.attempts().await;
        self.front.close();
        let dropped = self.keystrokes.dropped();
        if dropped > 0 {
            let note = format!("{dropped} bytes that were typed are dropped");
            self.client.output.note(&note);
        }
        parting
    }

    async fn attempts(&mut self) -> Result<Parting, Error> {
        loop {
            let away = match self.attempt().await {
                Ok(End::Parted(parting)) => return Ok(parting),
                Ok(End::Lost) => match (&self.outcome, self.leaving) {
                    (Some(outcome), None) => return Ok(Parting::Over(outcome.clone())),
                    (_, Some(_)) => return Ok(Parting::Left),
                    (None, None) => None,
                },
                Err(error @ Error::Refused(_))
                    if self.absence.lasts() && error.kind() == FailureKind::Unreachable =>
                {
                    Some(error)
                }
                Err(error) => return Err(error),
            };
            match self.absence.goes_on(away)? {
                None => self.lost("the background process is gone"),
                Some(wait) => {
                    if self.pause(wait).await? {
                        return Ok(Parting::Left);
                    }
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
        self.let_go();
        self.message.size = self.front.size();
        if self.broken {
            let last = self.consumed.unwrap_or(Seq(0));
            self.message.resume = Some((last, self.keystrokes.offset()));
            // The keys are the session's by now.
            self.message.surroundings.interactive &= !self.front.is_open();
        }
        connection.send(self.message.clone(), Bytes::new())?;
        self.keystrokes.rewind();
        self.talk(&mut connection).await
    }

    async fn talk(&mut self, connection: &mut Connection) -> Result<End, Error> {
        let mut writing: Option<(Writing, Option<Seq>)> = None;
        let mut wishes = self.client.interrupts.catch();
        loop {
            self.feed(connection)?;
            self.nudge(connection)?;
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
                message = connection.next_if(may_read) => {
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
                () = at(self.nudge.ends()) => {
                    self.let_go();
                    let size = self.front.size();
                    connection.send(Resize { size }, Bytes::new())?;
                    failpoint::reach("cli.nudged");
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
            self.keystrokes.finish();
        }
    }

    fn feed(&mut self, connection: &mut Connection) -> Result<(), Error> {
        if self.message.mode == AttachMode::ReadOnly {
            return Ok(());
        }
        while let Some(step) = self.keystrokes.step() {
            match step {
                Step::Bytes(bytes) => connection.send(Stdin, bytes)?,
                Step::End => connection.send(StdinEnd, Bytes::new())?,
            }
        }
        Ok(())
    }

    /// Has what was drawn before what is kept drawn again. The size is that of whoever types.
    fn nudge(&mut self, connection: &mut Connection) -> Result<(), Error> {
        if !self.front.takes_redraw() || self.message.mode == AttachMode::ReadOnly {
            return Ok(());
        }
        if let Some(size) = self.nudge.begin(self.front.size(), Instant::now()) {
            self.front.pretend(size);
            connection.send(Resize { size }, Bytes::new())?;
        }
        Ok(())
    }

    /// The terminal has its own size again.
    fn let_go(&mut self) {
        if let Some(size) = self.nudge.end() {
            self.front.pretend(size);
            let out = self.front.redraw();
            self.out.extend(out);
        }
    }

    /// Takes in what the user does; says whether the terminal has another size.
    fn does(&mut self, doing: Doing) -> bool {
        match doing {
            Doing::Types(typed) => self.typed(typed),
            Doing::Resizes(size) => {
                let _ = self.nudge.end();
                let out = self.front.resize(size);
                self.out.extend(out);
                return true;
            }
        }
        false
    }

    fn typed(&mut self, typed: Option<Bytes>) {
        let (actions, shown) = self.front.actions(typed.as_deref());
        if shown.is_empty() && !self.interrupted && !self.absence.lasts() {
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
        let away = self.interrupted || self.absence.lasts();
        if !self.keystrokes.push(bytes, away) {
            self.out.push(BELL);
        }
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

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
