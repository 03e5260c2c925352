//! What is said on one link: requests in ([`requests`]), replies, records and news out
//! ([`news`]). No waiting here.

mod agent;
mod news;
mod requests;
mod submissions;

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use outlast_protocol::frame::{Frame, FrameTooLong};
use outlast_protocol::hello::Hello;
use outlast_protocol::id::{InvocationId, Lease};
use outlast_protocol::link::AttachMode;
use outlast_protocol::link::refusal::RefusalCode;
use outlast_protocol::link::to_client::{Refused, ToClient};
use outlast_protocol::link::to_host::{CONFIRMS, ToHost};
use outlast_protocol::message::DecodeError;
use outlast_protocol::session::{Holder, SessionInfo};

use self::submissions::Unfinished;
use crate::audit::Login;
use crate::host::reader::Reader;
use crate::host::session::Session;
use crate::refuse::refused;

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
    login: Login,
    hello: Option<Hello>,
    lease: Option<Lease>,
    /// A lease that counts from the next thing this client says.
    promised: Option<(Lease, Holder)>,
    replies: VecDeque<ToClient>,
    readers: VecDeque<Reader>,
    inputs: BTreeMap<InvocationId, (u64, bool)>,
    told: Option<SessionInfo>,
    /// Whether the agent's users had their turn.
    agent_spoke: bool,
    /// The question that was passed on last, while it is open.
    asked: Option<u32>,
    unfinished: Option<Unfinished>,
    over: bool,
}

impl Conversation {
    pub(super) fn new(session: Rc<Session>, login: Login) -> Self {
        Self {
            session,
            login,
            hello: None,
            lease: None,
            promised: None,
            replies: VecDeque::new(),
            readers: VecDeque::new(),
            inputs: BTreeMap::new(),
            told: None,
            agent_spoke: false,
            asked: None,
            unfinished: None,
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
        self.take_over();
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
            ToHost::Attach(attach) => {
                let confirms = attach.extensions.iter().any(|wish| wish.name == CONFIRMS);
                self.attach(0x04, attach.client, attach.mode, confirms)
            }
            // The session was made for this request, which therefore asks to be attached.
            ToHost::Create(create) => self.attach(0x03, create.client, AttachMode::Connect, false),
            other => self.unexpected(&other),
        }
    }

    fn unexpected(&mut self, message: &ToHost) -> Turn {
        let text = format!("{} has no place here", message.name());
        self.refuse(refused(message.number(), RefusalCode::BAD_REQUEST, text));
        Turn::Over
    }

    pub(super) fn refuse(&mut self, refusal: Refused) {
        self.replies.push_back(ToClient::Refused(refusal));
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        let mut core = self.session.core();
        let promised = self.promised.take().map(|(lease, _)| lease);
        if let Some(lease) = self.lease.take().or(promised) {
            for reader in &self.readers {
                core.close(lease, reader);
            }
            core.detach(lease);
        }
        drop(core);
        self.session.changed();
    }
}
