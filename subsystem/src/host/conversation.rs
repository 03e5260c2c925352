//! What is said on one link: requests in, replies, records and news out. No waiting here.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::frame::{Frame, FrameTooLong};
use outlast_protocol::hello::Hello;
use outlast_protocol::id::{ClientId, InvocationId, Lease, ReaderId, Seq};
use outlast_protocol::limits::{MAX_READERS, MAX_SKIPS, MIN_IDLE_TIMEOUT};
use outlast_protocol::link::AttachMode;
use outlast_protocol::link::refusal::RefusalCode;
use outlast_protocol::link::to_client::{
    Attached, CaughtUp, Changed, Detached, Ended, Pong, Record, Refused, StdinTaken, Stolen,
    Submitted, ToClient,
};
use outlast_protocol::link::to_host::{
    Cancel, Detach, ReaderOpen, Stdin, StdinEnd, Submit, ToHost,
};
use outlast_protocol::message::DecodeError;
use outlast_protocol::outcome::Outcome;
use outlast_protocol::record::RecordKind;
use outlast_protocol::session::{Holder, Life, SessionInfo};

use super::clock::{boot_time, wall_ms};
use super::core::Session;
use super::holding::Attaching;
use super::invocations::{Cancelled, Invocation, NotAccepted};
use super::reader::{Next, Reader};
use super::submission;
use crate::identity::greeting;
use crate::refuse::{Explain, refused};

/// Whether a link goes on after a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Turn {
    GoesOn,
    Over,
}

/// One client's conversation.
pub(super) struct Conversation {
    session: Rc<Session>,
    address: String,
    hello: Option<Hello>,
    lease: Option<Lease>,
    replies: VecDeque<ToClient>,
    readers: VecDeque<Reader>,
    inputs: BTreeMap<InvocationId, (u64, bool)>,
    told: Option<SessionInfo>,
    over: bool,
}

impl Conversation {
    pub(super) fn new(session: Rc<Session>, address: String) -> Self {
        Self {
            session,
            address,
            hello: None,
            lease: None,
            replies: VecDeque::new(),
            readers: VecDeque::new(),
            inputs: BTreeMap::new(),
            told: None,
            over: false,
        }
    }

    /// Whether nothing more will be said.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// The reply to a frame that is too long to be read.
    pub(super) fn refuse_frame(&self, error: FrameTooLong) -> ToClient {
        ToClient::Refused(refused(
            error.number,
            RefusalCode::BAD_REQUEST,
            error.to_string(),
        ))
    }

    /// Takes in one frame.
    pub(super) fn handle(&mut self, frame: &Frame) -> Turn {
        let (message, body) = match ToHost::decode(frame) {
            Ok(decoded) => decoded,
            Err(error) => {
                let unknown = matches!(error, DecodeError::Unknown(_));
                let code = if unknown {
                    RefusalCode::UNKNOWN_REQUEST
                } else {
                    RefusalCode::BAD_REQUEST
                };
                self.refuse(refused(frame.number, code, error.to_string()));
                return if unknown { Turn::GoesOn } else { Turn::Over };
            }
        };
        if let Some(lease) = self.lease {
            if !self.session.core().holding.is_attached(lease) {
                // Fenced: whatever an attachment that lost the session still says is void.
                return Turn::GoesOn;
            }
            return self.handle_attached(lease, message, body);
        }
        match message {
            ToHost::Hello(hello) if self.hello.is_none() => {
                self.hello = Some(hello);
                Turn::GoesOn
            }
            ToHost::Attach(attach) => self.attach(0x04, attach.client, attach.mode),
            // The session was made for this request, which therefore asks to be attached.
            ToHost::Create(create) => self.attach(0x03, create.client, AttachMode::Connect),
            other => self.unexpected(&other),
        }
    }

    fn unexpected(&mut self, message: &ToHost) -> Turn {
        let text = format!("{} has no place here", message.name());
        self.refuse(refused(message.number(), RefusalCode::BAD_REQUEST, text));
        Turn::Over
    }

    fn refuse(&mut self, refusal: Refused) {
        self.replies.push_back(ToClient::Refused(refusal));
    }

    fn attach(&mut self, request: u8, client: ClientId, mode: AttachMode) -> Turn {
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
            address: self.address.clone(),
            since_ms: wall_ms(),
        };
        let mut core = self.session.core();
        match core.attach(holder, mode) {
            Attaching::Granted(lease) => {
                let info = core.info();
                self.told = Some(SessionInfo {
                    first: Seq(0),
                    next: Seq(0),
                    ..info.clone()
                });
                drop(core);
                self.lease = Some(lease);
                let attached = Attached {
                    hello: greeting(),
                    lease,
                    info,
                };
                self.replies.push_back(ToClient::Attached(attached));
                // A client that lost the session has to hear of it.
                self.session.changed();
                self.session.ring_life();
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

    fn handle_attached(&mut self, lease: Lease, message: ToHost, body: Bytes) -> Turn {
        match message {
            ToHost::ReaderOpen(open) => self.open_reader(&open),
            ToHost::ReaderAck(ack) => {
                for reader in self
                    .readers
                    .iter_mut()
                    .filter(|reader| reader.id() == ack.reader)
                {
                    reader.acknowledge(ack.seq);
                }
                self.session.core().acknowledge(ack.seq);
                // A command may be waiting for its reader, or the session for being received.
                self.session.changed();
                self.session.ring_life();
            }
            ToHost::ReaderClose(close) => self.close_reader(close.reader),
            ToHost::Ping(ping) => {
                self.replies.push_back(ToClient::Pong(Pong {
                    number: ping.number,
                }));
            }
            ToHost::Pong(_) => {}
            ToHost::Detach(detach) => return self.detach(lease, &detach),
            other if !self.session.core().holding.may_write(lease) => {
                let text = format!("a read-only attachment cannot {}", other.name());
                self.refuse(refused(other.number(), RefusalCode::READ_ONLY, text));
            }
            ToHost::Submit(submit) => self.submit(&submit, &body),
            ToHost::Stdin(stdin) => self.stdin(&stdin, body),
            ToHost::StdinEnd(end) => self.stdin_end(&end),
            ToHost::Cancel(cancel) => self.cancel(&cancel),
            ToHost::End(_) => {
                self.session.core().request_removal();
                self.session.ring_life();
            }
            other => return self.unexpected(&other),
        }
        Turn::GoesOn
    }

    fn open_reader(&mut self, open: &ReaderOpen) {
        if self.readers.len() >= MAX_READERS || open.skip.len() > MAX_SKIPS {
            let text = format!("at most {MAX_READERS} readers and {MAX_SKIPS} skips are allowed");
            self.refuse(refused(0x14, RefusalCode::BAD_REQUEST, text));
            return;
        }
        self.close_reader(open.reader);
        let mut core = self.session.core();
        let reader = Reader::open(open, &core);
        core.progress.opened(boot_time());
        drop(core);
        self.readers.push_back(reader);
    }

    fn close_reader(&mut self, id: ReaderId) {
        let before = self.readers.len();
        self.readers.retain(|reader| reader.id() != id);
        if self.readers.len() < before {
            self.session.core().progress.closed();
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
            core.set_idle_timeout(timeout);
        }
        core.detach(lease);
        let info = core.info();
        drop(core);
        self.lease = None;
        self.over = true;
        self.replies
            .push_back(ToClient::Detached(Detached { info }));
        Turn::Over
    }

    fn submit(&mut self, submit: &Submit, body: &Bytes) {
        let about = submit.invocation;
        let refuse = |code, text: String| refused(0x10, code, text).about(about.0);
        let mut core = self.session.core();
        if !core.is_live() && core.invocations.from(about).is_none() {
            drop(core);
            self.refuse(refuse(
                RefusalCode::ENDED,
                "the session has ended".to_owned(),
            ));
            return;
        }
        let command = match submission::command(submit, body) {
            Ok(command) => command,
            Err(text) => {
                drop(core);
                self.refuse(refuse(RefusalCode::BAD_REQUEST, text));
                return;
            }
        };
        let invocation = Invocation {
            id: about,
            command,
            stdin: submit.stdin,
            timeout: submit.timeout_ms.map(Duration::from_millis),
        };
        let next = core.log.next();
        let accepted = core.invocations.submit(invocation, submit.wait, next);
        core.note_idleness();
        drop(core);
        match accepted {
            Ok((ahead, from)) => {
                let (stdin_offset, _) = self.session.core().invocations.input_progress(about);
                if submit.stdin {
                    self.inputs.insert(about, (stdin_offset, false));
                }
                self.replies.push_back(ToClient::Submitted(Submitted {
                    invocation: about,
                    ahead,
                    stdin_offset,
                    from,
                }));
                self.session.ring_work();
                self.session.changed();
            }
            Err(NotAccepted::Busy) => {
                let text = "another command is running".to_owned();
                self.refuse(
                    refuse(RefusalCode::BUSY, text)
                        .hint("without --no-wait it runs when its turn comes"),
                );
            }
            Err(NotAccepted::QueueFull) => {
                let text = "too many commands are waiting".to_owned();
                self.refuse(
                    refuse(RefusalCode::BUSY, text)
                        .hint("try again when some of them have run, or make another session"),
                );
            }
        }
    }

    fn stdin(&mut self, stdin: &Stdin, body: Bytes) {
        let mut core = self.session.core();
        let Some(input) = core.invocations.input(stdin.invocation) else {
            drop(core);
            self.tell_input(stdin.invocation, 0, true);
            return;
        };
        let received = input.receive(stdin.offset, body);
        drop(core);
        self.inputs.entry(stdin.invocation).or_insert((0, false));
        match received {
            Ok(()) => self.session.ring_input(),
            Err(error) => {
                let text = format!("standard input at offset {}: {error:?}", stdin.offset);
                let refusal = refused(0x11, RefusalCode::BAD_REQUEST, text);
                self.refuse(refusal.about(stdin.invocation.0));
            }
        }
    }

    fn stdin_end(&mut self, end: &StdinEnd) {
        let ended = self
            .session
            .core()
            .invocations
            .input(end.invocation)
            .map(|i| i.end(end.offset));
        if matches!(ended, Some(Err(_))) {
            let text = format!(
                "standard input ends at {} but bytes are missing",
                end.offset
            );
            let refusal = refused(0x12, RefusalCode::BAD_REQUEST, text);
            self.refuse(refusal.about(end.invocation.0));
        }
        self.session.ring_input();
    }

    fn cancel(&mut self, cancel: &Cancel) {
        let found = self
            .session
            .core()
            .invocations
            .cancel(cancel.invocation, cancel.level);
        match found {
            Cancelled::Stopping => self.session.ring_work(),
            Cancelled::Withdrawn => {
                let kind = RecordKind::Completed(Outcome::NeverRan);
                self.session.record(cancel.invocation, kind, Bytes::new());
                self.session.core().note_idleness();
                self.session.ring_life();
            }
            Cancelled::Over => {}
            Cancelled::Unknown => {
                let refusal = refused(
                    0x13,
                    RefusalCode::UNKNOWN_INVOCATION,
                    format!("there is no invocation {} here", cancel.invocation),
                );
                self.refuse(refusal.about(cancel.invocation.0));
            }
        }
    }

    /// The next reply to a request.
    pub(super) fn poll_reply(&mut self) -> Option<(ToClient, Bytes)> {
        self.replies
            .pop_front()
            .map(|message| (message, Bytes::new()))
    }

    /// The next thing to say.
    pub(super) fn poll(&mut self) -> Option<(ToClient, Bytes)> {
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
            .or_else(|| self.poll_readers())
            .or_else(|| self.poll_news())
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

    fn tell_input(&mut self, invocation: InvocationId, offset: u64, closed: bool) {
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

impl Drop for Conversation {
    fn drop(&mut self) {
        let mut core = self.session.core();
        for _ in &self.readers {
            core.progress.closed();
        }
        if let Some(lease) = self.lease.take() {
            core.detach(lease);
        }
        drop(core);
        self.session.changed();
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
