//! What a client asks for.

use bytes::Bytes;
use outlast_protocol::id::{ClientId, InvocationId, Lease, ReaderId, Seq};
use outlast_protocol::limits::{MAX_READERS, MAX_SKIPS, MIN_IDLE_TIMEOUT};
use outlast_protocol::link::refusal::RefusalCode;
use outlast_protocol::link::to_client::{Attached, Detached, Pong, Refused, ToClient};
use outlast_protocol::link::to_host::{Detach, ReaderOpen, ToHost};
use outlast_protocol::link::{AttachMode, From, Source};
use outlast_protocol::session::{Holder, SessionInfo};
use outlast_rendezvous::failpoint;

use super::{Conversation, Turn};
use crate::host::holding::Attaching;
use crate::host::reader::Reader;
use crate::refuse::{Explain, refused};

impl Conversation {
    pub(super) fn attach(
        &mut self,
        request: u8,
        client: ClientId,
        mode: AttachMode,
        confirms: bool,
    ) -> Turn {
        let Some(hello) = &self.hello else {
            self.refuse(refused(
                request,
                RefusalCode::BAD_REQUEST,
                "the greeting is missing",
            ));
            return Turn::Over;
        };
        let holder = Holder {
            client,
            user: hello.user.clone(),
            host: hello.host.clone(),
            address: self.login.address(),
            since_ms: self.session.core().surroundings.wall_ms(),
        };
        let mut core = self.session.core();
        match core.attach(holder.clone(), mode, confirms) {
            Attaching::Granted(lease) => {
                failpoint::reach("host.attached");
                let writes = core.holding.may_write(lease);
                core.audit
                    .attached(lease, client, self.login.clone(), writes);
                let info = core.info();
                drop(core);
                self.lease = Some(lease);
                self.attached(lease, info);
                // A client that lost the session has to hear of it, and its visitor to go.
                self.session.changed();
                self.session.ring_work();
                self.session.ring_life();
                Turn::GoesOn
            }
            Attaching::Promised(lease) => {
                failpoint::reach("host.promised");
                let info = core.info();
                drop(core);
                self.promised = Some((lease, holder));
                self.attached(lease, info);
                Turn::GoesOn
            }
            Attaching::Held(other) => {
                let name = core.meta.name.clone();
                drop(core);
                let refusal = held(request, name.as_str(), &other);
                self.refuse(refusal);
                Turn::Over
            }
        }
    }

    fn attached(&mut self, lease: Lease, info: SessionInfo) {
        self.told = Some(SessionInfo {
            first: Seq(0),
            next: Seq(0),
            ..info.clone()
        });
        let hello = self.session.core().surroundings.greeting.clone();
        let attached = Attached { hello, lease, info };
        self.replies.push_back(ToClient::Attached(attached));
    }

    /// A client that was promised the session has shown that it is there to hold it.
    pub(super) fn take_over(&mut self) {
        let Some((lease, mut holder)) = self.promised.take() else {
            return;
        };
        let mut core = self.session.core();
        holder.since_ms = core.surroundings.wall_ms();
        let client = holder.client;
        core.take_over(lease, holder);
        core.audit.attached(lease, client, self.login.clone(), true);
        drop(core);
        self.lease = Some(lease);
        self.session.changed();
        self.session.ring_work();
        self.session.ring_life();
    }

    pub(super) fn handle_attached(&mut self, lease: Lease, message: ToHost, body: Bytes) -> Turn {
        if self.unfinished.is_some() && !matches!(message, ToHost::More(_)) {
            return self.unexpected(&message);
        }
        match message {
            ToHost::ReaderOpen(open) => self.open_reader(lease, &open),
            ToHost::ReaderAck(ack) => {
                let Some(reader) = self.readers.iter_mut().find(|it| it.id() == ack.reader) else {
                    return Turn::GoesOn;
                };
                reader.acknowledge(ack.seq);
                let mut core = self.session.core();
                if reader.source() == Source::Terminal {
                    core.acknowledge_terminal((lease, ack.reader), ack.seq);
                    self.session.ring_work();
                } else {
                    core.acknowledge((lease, ack.reader), reader.only(), ack.seq);
                    core.keep_place(reader.place());
                }
                drop(core);
                // A command may be waiting for its reader, or the session for being received.
                self.session.changed();
                self.session.ring_life();
            }
            ToHost::ReaderClose(close) => self.close_reader(lease, close.reader),
            ToHost::Ping(ping) => {
                self.replies.push_back(ToClient::Pong(Pong {
                    number: ping.number,
                }));
            }
            ToHost::Pong(_) => {}
            ToHost::Detach(detach)
                if detach.idle_timeout.is_none() || self.session.core().holding.may_ask(lease) =>
            {
                return self.detach(lease, &detach);
            }
            other if !self.session.core().holding.may_ask(lease) => {
                let text = format!("a read-only attachment cannot {}", other.name());
                let refusal = refused(other.number(), RefusalCode::READ_ONLY, text);
                self.refuse(match subject(&other) {
                    Some(invocation) => refusal.about(invocation.0),
                    None => refusal,
                });
            }
            ToHost::Submit(submit) => self.submit(submit, body),
            ToHost::More(more) => return self.more(&more, &body),
            ToHost::Answer(answer) => {
                let taken = self.session.core().questions.answer(answer);
                if let Err(text) = taken {
                    self.refuse(refused(0x1a, RefusalCode::BAD_REQUEST, text));
                }
                self.session.ring_work();
            }
            ToHost::Resize(resize) => {
                self.session.core().resize(resize.size);
                self.session.ring_work();
            }
            ToHost::Stdin(stdin) => self.stdin(&stdin, body),
            ToHost::StdinEnd(end) => self.stdin_end(&end),
            ToHost::Cancel(cancel) => self.cancel(lease, &cancel),
            ToHost::AgentData(data) => self.agent_data(lease, &data, body),
            ToHost::AgentEnd(end) => {
                let connection = end.connection;
                self.session.core().agents.receive_end(lease, connection);
            }
            ToHost::End(_) => {
                let mut core = self.session.core();
                core.audit.removal_by(lease);
                core.request_removal();
                drop(core);
                self.session.ring_life();
            }
            other => return self.unexpected(&other),
        }
        Turn::GoesOn
    }

    fn open_reader(&mut self, lease: Lease, open: &ReaderOpen) {
        if self.readers.len() >= MAX_READERS || open.skip.len() > MAX_SKIPS {
            let text = format!("at most {MAX_READERS} readers and {MAX_SKIPS} skips are allowed");
            self.refuse(refused(0x14, RefusalCode::BAD_REQUEST, text));
            return;
        }
        self.close_reader(lease, open.reader);
        let mut core = self.session.core();
        let reader = Reader::open(open, &mut core);
        let id = (lease, reader.id());
        let now = core.surroundings.boot_time();
        if reader.source() == Source::Terminal {
            if core.holding.may_write(lease) {
                let visit = reader.visit();
                core.terminal.opened(id, visit, reader.consumed(), now);
                core.note_visitor();
            }
            drop(core);
            self.readers.push_back(reader);
            return;
        }
        core.follow(&reader);
        // Where a client begins is as good as an acknowledgement of what is before: it has that,
        // or does not want it.
        if matches!(open.from, From::Seq(_)) {
            core.acknowledge(id, reader.only(), reader.consumed());
        }
        for (invocation, received) in reader.skipped() {
            core.acknowledge(id, Some(invocation), received);
        }
        if let Some(invocation) = reader.only()
            && core.holding.may_write(lease)
        {
            core.progress.opened(id, invocation, reader.consumed(), now);
        }
        drop(core);
        self.readers.push_back(reader);
    }

    pub(super) fn close_reader(&mut self, lease: Lease, id: ReaderId) {
        if let Some(at) = self.readers.iter().position(|reader| reader.id() == id)
            && let Some(reader) = self.readers.remove(at)
        {
            self.session.core().close(lease, &reader);
            // Output may have been waiting for it.
            self.session.changed();
        }
    }

    fn detach(&mut self, lease: Lease, detach: &Detach) -> Turn {
        let too_short = detach
            .idle_timeout
            .and_then(outlast_protocol::session::IdleTimeout::seconds)
            .is_some_and(|seconds| seconds < MIN_IDLE_TIMEOUT);
        if too_short {
            let text = format!("an idle timeout is at least {MIN_IDLE_TIMEOUT} s");
            self.refuse(refused(0x17, RefusalCode::BAD_REQUEST, text));
            return Turn::GoesOn;
        }
        let mut core = self.session.core();
        if let Some(timeout) = detach.idle_timeout {
            if let Some(text) = core.broken() {
                drop(core);
                self.refuse(refused(0x17, RefusalCode::BROKEN, text));
                return Turn::GoesOn;
            }
            core.set_idle_timeout(timeout);
        }
        let held = core.holding.may_write(lease);
        if held {
            // One who lost the mux may be on the way back.
            if core.is_attended() {
                core.invocations.show_out();
            }
            self.session.ring_work();
        }
        for reader in self.readers.drain(..) {
            core.close(lease, &reader);
        }
        // What only a watcher heard is still to be told to who had the session.
        if !core.is_live() && held {
            core.note_end_heard();
        }
        core.audit.detached(lease, "asked");
        core.detach(lease);
        if held {
            core.claim_shell();
        }
        let info = core.info();
        drop(core);
        self.lease = None;
        self.over = true;
        self.replies
            .push_back(ToClient::Detached(Detached { info }));
        Turn::Over
    }
}

/// The invocation a request is about: who waits for it must hear of a refusal.
fn subject(request: &ToHost) -> Option<InvocationId> {
    match request {
        ToHost::Submit(submit) => Some(submit.invocation),
        ToHost::Stdin(stdin) => Some(stdin.invocation),
        ToHost::StdinEnd(end) => Some(end.invocation),
        ToHost::Cancel(cancel) => Some(cancel.invocation),
        _ => None,
    }
}

fn held(request: u8, name: &str, by: &Holder) -> Refused {
    let from = if by.address.is_empty() {
        String::new()
    } else {
        format!(" ({})", by.address)
    };
    let message = format!("session {name} is held by {}@{}{from}", by.user, by.host);
    refused(request, RefusalCode::HELD, message)
        .hint("`outlast connect --steal` takes it over; its holder is told")
}
