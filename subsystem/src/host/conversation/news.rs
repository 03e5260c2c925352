//! What the client is told: replies, records, news.

use bytes::Bytes;
use outlast_protocol::id::{InvocationId, Lease, Seq};
use outlast_protocol::link::to_client::{
    CaughtUp, Changed, Ended, Modes, QuestionOver, Record, StdinTaken, Stolen, ToClient,
};
use outlast_protocol::session::Life;

use super::Conversation;
use crate::host::reader::Next;

impl Conversation {
    /// The next reply to a request.
    pub(in crate::host) fn poll_reply(&mut self) -> Option<(ToClient, Bytes)> {
        self.replies
            .pop_front()
            .map(|message| (message, Bytes::new()))
    }

    /// The next thing to say.
    pub(in crate::host) fn poll(&mut self) -> Option<(ToClient, Bytes)> {
        if let Some(reply) = self.poll_reply() {
            return Some(reply);
        }
        let lease = self.lease.filter(|_| !self.over)?;
        if let Some(by) = self.session.core().holding.taken_by(lease) {
            self.over = true;
            return Some((ToClient::Stolen(Stolen { by }), Bytes::new()));
        }
        if !self.session.core().holding.is_attached(lease) {
            self.over = true;
            return None;
        }
        self.poll_input()
            .or_else(|| self.poll_agent(lease))
            .or_else(|| self.poll_readers())
            .or_else(|| self.poll_question(lease))
            .or_else(|| self.poll_news())
            .or_else(|| self.poll_agent(lease))
    }

    fn poll_input(&mut self) -> Option<(ToClient, Bytes)> {
        let core = self.session.core();
        let (invocation, progress) = self.inputs.iter().find_map(|(id, told)| {
            let now = core.invocations.input_progress(*id);
            (now != *told).then_some((*id, now))
        })?;
        drop(core);
        self.tell_input(invocation, progress.0, progress.1);
        self.poll_reply()
    }

    pub(super) fn tell_input(&mut self, invocation: InvocationId, offset: u64, closed: bool) {
        if closed {
            self.inputs.remove(&invocation);
        } else {
            self.inputs.insert(invocation, (offset, closed));
        }
        self.replies.push_back(ToClient::StdinTaken(StdinTaken {
            invocation,
            offset,
            closed,
        }));
    }

    /// Each reader in turn, so that a long catch-up of one does not starve another.
    fn poll_readers(&mut self) -> Option<(ToClient, Bytes)> {
        for _ in 0..self.readers.len() {
            let mut reader = self.readers.pop_front()?;
            let id = reader.id();
            let next = reader.next(&mut self.session.core());
            self.readers.push_back(reader);
            match next {
                Next::Record(record) => {
                    let message = Record {
                        reader: id,
                        seq: record.seq,
                        time_ms: record.time_ms,
                        invocation: record.invocation,
                        kind: record.kind,
                    };
                    return Some((ToClient::Record(message), record.bytes));
                }
                Next::Modes(before, setting) => {
                    let message = Modes { reader: id, before };
                    return Some((ToClient::Modes(message), setting));
                }
                Next::CaughtUp(next, active) => {
                    let message = CaughtUp {
                        reader: id,
                        next,
                        active,
                    };
                    return Some((ToClient::CaughtUp(message), Bytes::new()));
                }
                Next::Nothing => {}
            }
        }
        None
    }

    /// What a program asks, for who holds the session.
    fn poll_question(&mut self, lease: Lease) -> Option<(ToClient, Bytes)> {
        let core = self.session.core();
        let open = core.questions.open();
        let open = open.filter(|_| core.holding.may_write(lease));
        let number = open.map(|open| open.question);
        if number == self.asked {
            return None;
        }
        let message = match (open, self.asked) {
            // One at a time: the last is over before the next is asked.
            (_, Some(question)) => {
                self.asked = None;
                QuestionOver { question }.into()
            }
            (open, None) => {
                self.asked = number;
                open?.clone().into()
            }
        };
        Some((message, Bytes::new()))
    }

    fn poll_news(&mut self) -> Option<(ToClient, Bytes)> {
        let mut info = self.session.core().info();
        // The log grows with every record; that alone is no news.
        (info.first, info.next) = (Seq(0), Seq(0));
        if self.told.as_ref() == Some(&info) {
            return None;
        }
        let first_end = !matches!(
            self.told.as_ref().map(|told| &told.life),
            Some(Life::Ended(_))
        );
        let ended = match &info.life {
            Life::Ended(end) if first_end => Some(Ended { end: end.clone() }),
            _ => None,
        };
        self.told = Some(info.clone());
        let message = match ended {
            Some(ended) => ToClient::Ended(ended),
            None => ToClient::Changed(Changed { info }),
        };
        Some((message, Bytes::new()))
    }
}
