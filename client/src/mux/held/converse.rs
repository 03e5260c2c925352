//! What a link carries, while there is one, for a session this client holds.

use std::rc::Rc;

use bytes::Bytes;
use outlast_protocol::id::InvocationId;
use outlast_protocol::link::refusal::Refused;
use outlast_protocol::link::to_client::ToClient;
use outlast_protocol::link::to_host::{Detach, ToHost};
use outlast_protocol::session::{End as Ending, Life, SessionInfo};
use outlast_rendezvous::failpoint;

use super::{Heard, Held, Inner, Over, over_by};
use crate::mux::wire::{Wire, WireError};

impl Held {
    /// Uses a link until it breaks or the session is not held any more. `changed` is called when
    /// the session's description changes.
    pub(in crate::mux) async fn converse(
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

    pub(in crate::mux) fn poll_message(&self) -> Option<(ToHost, Bytes)> {
        self.inner.borrow_mut().attachment.poll_message()
    }

    pub(in crate::mux) fn take(
        self: &Rc<Self>,
        message: ToClient,
        body: Bytes,
        changed: &dyn Fn(&SessionInfo),
    ) {
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
            ToClient::Modes(modes) => {
                if let Some(reader) = inner.readers.get(&modes.reader) {
                    let _ = reader.send(Heard::Modes(modes.before, body));
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
