//! What a mux hears of its link.

use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::id::{InvocationId, ReaderId};
use outlast_protocol::link::attachment::Attachment;
use outlast_protocol::link::connection::{LinkError, LinkEvent};
use outlast_protocol::link::refusal::{RefusalCode, Refused};
use outlast_protocol::link::to_client::{Submitted, ToClient};
use outlast_protocol::session::End;

use super::wire::Hold;
use super::{Mux, PAUSES};
use crate::cli::{Ask, Cli, Failure, ToCli};
use crate::task::{Heard, Kind};
use crate::violation::Violation;

impl Mux {
    /// Bytes came; none of them is the end.
    pub fn input(
        &mut self,
        bytes: &[u8],
        now: Duration,
        share: f64,
        clis: &mut [Cli],
    ) -> Result<(), Violation> {
        let Some(wire) = self.wire() else {
            return Ok(());
        };
        if bytes.is_empty() {
            let ended = wire.link.handle_end();
            return self.lost(ended.err().as_ref(), now, share, clis);
        }
        if let Err(error) = wire.link.handle_input(now, bytes) {
            return self.lost(Some(&error), now, share, clis);
        }
        while let Some(event) = self.wire().and_then(|wire| wire.link.poll_event()) {
            self.handle(event, now, clis)?;
        }
        self.leave_what_is_over(now, clis);
        self.talk();
        Ok(())
    }

    /// The link is over.
    pub fn lost(
        &mut self,
        error: Option<&LinkError>,
        now: Duration,
        share: f64,
        clis: &mut [Cli],
    ) -> Result<(), Violation> {
        match error {
            None | Some(LinkError::Silent(_) | LinkError::NoMagic(_)) => {}
            Some(other) => {
                return Err(Violation(format!("the host broke the protocol: {other}")));
            }
        }
        self.drop_wire();
        match std::mem::replace(&mut self.hold, Hold::Free) {
            Hold::Opening(_) => {
                self.refuse_first(&Failure::Unreachable, clis);
                self.attempt(clis, now);
            }
            Hold::Up(_) if self.ended.is_some() => {
                let end = self.ended.take().unwrap_or(End::Removed);
                self.over(&Failure::Ended(end), clis, now);
            }
            _ if self.wants_out => self.over(&Failure::Detached, clis, now),
            _ => {
                self.attachment.link_down();
                let pause = self.pause.mul_f64(share);
                self.hold = Hold::Down(now.saturating_add(pause));
            }
        }
        Ok(())
    }

    pub(super) fn refuse_first(&mut self, failure: &Failure, clis: &mut [Cli]) {
        if let Some(cli) = self.waiters.pop_front().and_then(|at| clis.get_mut(at)) {
            cli.from_mux.push_back(ToCli::Failed(failure.clone()));
        }
    }

    fn handle(
        &mut self,
        event: LinkEvent,
        now: Duration,
        clis: &mut [Cli],
    ) -> Result<(), Violation> {
        match event {
            LinkEvent::Open(_) => {
                if let Some(wire) = self.wire() {
                    let request = wire.request.clone();
                    let sent = wire.link.send(&request, Bytes::new());
                    sent.map_err(|error| Violation(format!("a request does not fit: {error}")))?;
                }
                Ok(())
            }
            LinkEvent::Message(message, body) => self.take(message, body, now, clis),
        }
    }

    fn take(
        &mut self,
        message: ToClient,
        body: Bytes,
        now: Duration,
        clis: &mut [Cli],
    ) -> Result<(), Violation> {
        match message {
            ToClient::Attached(_) => self.attached(clis, now),
            ToClient::Refused(refused) => return self.refused(&refused, now, clis),
            ToClient::Detached(_) => self.let_go(&Failure::Detached, clis, now),
            // An older connection of this client came late: it has nobody at its other end.
            ToClient::Stolen(stolen) if stolen.by.client == self.client => {
                return self.lost(None, now, 0.5, clis);
            }
            ToClient::Stolen(_) => self.let_go(&Failure::Stolen, clis, now),
            ToClient::Ended(end) => self.ended = Some(end.end),
            ToClient::Submitted(submitted) => self.submitted(&submitted, clis),
            ToClient::StdinTaken(taken) => {
                self.attachment.stdin_taken(&taken);
                for (at, task) in &mut self.tasks {
                    if let Kind::Visit {
                        invocation, closed, ..
                    } = &mut task.kind
                        && *invocation == taken.invocation
                    {
                        *closed |= taken.closed;
                    }
                    if let Kind::Foreground { invocation, .. } | Kind::Visit { invocation, .. } =
                        task.kind
                        && invocation == taken.invocation
                        && !task.done
                        && let Some(cli) = clis.get_mut(*at)
                    {
                        cli.from_mux
                            .push_back(ToCli::Taken(taken.offset, taken.closed));
                    }
                }
            }
            ToClient::Record(record) if self.attachment.accept(&record, body.len()) => {
                let reader = record.reader;
                for heard in self.saboteur.records(record, body) {
                    self.hear(reader, heard);
                }
            }
            ToClient::CaughtUp(caught) => {
                self.hear(caught.reader, Heard::CaughtUp(caught.next, caught.active));
            }
            ToClient::Question(question) if self.attachment.asked(question.question) => {
                self.questions.insert(question.question, question);
                self.put_questions(clis);
            }
            ToClient::QuestionOver(over) => {
                self.attachment.question_over(over.question);
                self.questions.remove(&over.question);
            }
            _ => {}
        }
        Ok(())
    }

    /// Tells the command lines that are to be asked, once each: who runs the command, else whoever
    /// follows or waits.
    pub(super) fn put_questions(&mut self, clis: &mut [Cli]) {
        for (number, question) in &self.questions {
            let own = Some(question.invocation);
            let alone = self.tasks.values().any(|task| task.own() == own);
            for (at, task) in &mut self.tasks {
                let asked = if alone {
                    task.own() == own
                } else {
                    task.can_ask()
                };
                if asked
                    && !task.done
                    && task.told.insert(*number)
                    && let Some(cli) = clis.get_mut(*at)
                {
                    let text = question.text.clone();
                    cli.from_mux.push_back(ToCli::Question(*number, text));
                }
            }
        }
    }

    fn hear(&mut self, reader: ReaderId, heard: Heard) {
        let mut tasks = self.tasks.values_mut();
        if let Some(task) = tasks.find(|task| task.reader == Some(reader)) {
            task.heard.push_back(heard);
        }
    }

    fn attached(&mut self, clis: &mut [Cli], now: Duration) {
        match std::mem::replace(&mut self.hold, Hold::Free) {
            Hold::Opening(wire) => {
                self.hold = Hold::Up(wire);
                self.attachment = Attachment::default();
                self.attachment.link_up();
                (self.ended, self.pause, self.wants_out) = (None, PAUSES.0, false);
                for at in std::mem::take(&mut self.waiters) {
                    self.begin(at, clis, now);
                }
            }
            Hold::Again(wire) => {
                self.hold = Hold::Up(wire);
                self.attachment.link_up();
            }
            other => self.hold = other,
        }
    }

    fn refused(
        &mut self,
        refused: &Refused,
        now: Duration,
        clis: &mut [Cli],
    ) -> Result<(), Violation> {
        let lawful = [
            RefusalCode::HELD,
            RefusalCode::BUSY,
            RefusalCode::ENDED,
            RefusalCode::BROKEN,
            RefusalCode::UNKNOWN_SESSION,
            RefusalCode::UNKNOWN_INVOCATION,
            RefusalCode::READ_ONLY,
        ];
        if !lawful.contains(&refused.code) {
            return Err(Violation(format!(
                "a lawful request was refused: {refused:?}"
            )));
        }
        let failure = Failure::Refused(refused.code, refused.message.clone());
        match &self.hold {
            Hold::Opening(_) => {
                self.drop_wire();
                self.hold = Hold::Free;
                self.refuse_first(&failure, clis);
                self.attempt(clis, now);
            }
            Hold::Again(_) => self.let_go(&failure, clis, now),
            _ => {
                let Some(invocation) = refused.about.map(InvocationId) else {
                    return Ok(());
                };
                if refused.request != 0x10 {
                    return Ok(());
                }
                self.attachment.refused(invocation);
                for (at, task) in &mut self.tasks {
                    let asked = clis.get(*at).map(|cli| &cli.ask);
                    if asked.and_then(Ask::invocation) == Some(invocation)
                        && let Some(cli) = clis.get_mut(*at)
                    {
                        task.end(cli, ToCli::Failed(failure.clone()));
                    }
                }
            }
        }
        Ok(())
    }

    fn submitted(&mut self, submitted: &Submitted, clis: &mut [Cli]) {
        self.attachment.submitted(submitted);
        let mut tasks = std::mem::take(&mut self.tasks);
        let mut save = false;
        let mut leave = false;
        for (at, task) in &mut tasks {
            let Some(cli) = clis.get_mut(*at) else {
                continue;
            };
            if cli.ask.invocation() != Some(submitted.invocation) {
                continue;
            }
            task.submitted(submitted, cli, &mut self.shared(&mut save));
            if matches!(task.kind, Kind::Background) && !task.done {
                leave = true;
                task.kind = Kind::Leave;
            }
        }
        let readers = tasks.values().any(|task| task.reader.is_some());
        if leave && readers {
            // Another command line that waits for output of this session keeps it.
            for (at, task) in &mut tasks {
                if let (Kind::Leave, Some(cli)) = (&task.kind, clis.get_mut(*at)) {
                    task.end(cli, ToCli::Finished);
                }
            }
        }
        self.tasks = tasks;
        if leave && !readers {
            self.say_detach();
        }
    }
}
