//! What a mux does with [`ClientLink`] and [`Attachment`]: carries events from one to the other.

use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::id::{ClientId, InstanceId, Seq};
use outlast_protocol::link::AttachMode;
use outlast_protocol::link::attachment::Attachment;
use outlast_protocol::link::connection::{ClientLink, LinkError, LinkEvent, hello};
use outlast_protocol::link::to_client::ToClient;
use outlast_protocol::link::to_host::Attach;
use outlast_protocol::record::RecordKind;
use uuid::Uuid;

use super::host::Entry;

#[derive(Default)]
pub(crate) struct Client {
    pub(crate) attachment: Attachment,
    link: Option<ClientLink>,
    /// The records that were handed on.
    pub(crate) received: Vec<Entry>,
    pub(crate) links: usize,
}

impl Client {
    pub(crate) fn connect(&mut self, now: Duration) {
        self.link = Some(ClientLink::new(now, hello("mux", "u", "h")));
        self.links += 1;
    }

    pub(crate) fn cut(&mut self) {
        self.link = None;
        self.attachment.link_down();
    }

    pub(crate) fn last(&self) -> Seq {
        self.received.last().map_or(Seq(0), |&(seq, ..)| seq)
    }

    pub(crate) fn input(&mut self, now: Duration, bytes: &[u8]) {
        let Some(link) = &mut self.link else { return };
        link.handle_input(now, bytes)
            .expect("a host that keeps to the rules");
        while let Some(event) = self.link.as_mut().and_then(ClientLink::poll_event) {
            self.handle(event);
        }
    }

    fn handle(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Open(_) => {
                let attach = Attach {
                    instance: InstanceId(Uuid::from_u128(1)),
                    client: ClientId(Uuid::from_u128(2)),
                    mode: AttachMode::Connect,
                    extensions: Vec::new(),
                };
                let link = self.link.as_mut().expect("it has just spoken");
                link.send(&attach.into(), Bytes::new()).expect("it fits");
            }
            LinkEvent::Message(ToClient::Attached(_), _) => self.attachment.link_up(),
            LinkEvent::Message(ToClient::Submitted(answer), _) => {
                self.attachment.submitted(&answer);
            }
            LinkEvent::Message(ToClient::StdinTaken(taken), _) => {
                self.attachment.stdin_taken(&taken);
            }
            LinkEvent::Message(ToClient::Record(record), body) => {
                if !self.attachment.accept(&record, body.len()) {
                    return;
                }
                if let (RecordKind::Completed(_), Some(id)) = (&record.kind, record.invocation) {
                    self.attachment.completed(id);
                }
                self.attachment.consumed(record.reader, record.seq);
                self.received
                    .push((record.seq, record.invocation, record.kind, body));
            }
            LinkEvent::Message(other, _) => panic!("not said by this host: {}", other.name()),
        }
    }

    /// Lets time pass; the bytes to send.
    pub(crate) fn step(&mut self, now: Duration) -> Result<Vec<u8>, LinkError> {
        let Some(link) = &mut self.link else {
            return Ok(Vec::new());
        };
        if now >= link.poll_timeout() {
            link.handle_timeout(now)?;
        }
        while let Some((message, body)) = self.attachment.poll_message() {
            link.send(&message, body)?;
        }
        Ok(std::iter::from_fn(|| link.poll_output())
            .flatten()
            .collect())
    }
}
