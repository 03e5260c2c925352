//! A client's mux: it holds the session, keeps hold of it while links come and go, and serves
//! command lines. The link and the memory of the session are the real ones.

mod affairs;
mod news;
mod wire;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::id::{ClientId, InstanceId, InvocationId};
use outlast_protocol::link::AttachMode;
use outlast_protocol::link::attachment::Attachment;
use outlast_protocol::link::connection::{ClientLink, hello};
use outlast_protocol::link::cursor::Cursor;
use outlast_protocol::link::to_client::Question;
use outlast_protocol::link::to_host::{Attach, ToHost};
use outlast_protocol::session::End;

use self::wire::{Hold, Wire};
use crate::cli::{Ask, Cli, Failure, ToCli};
use crate::got::Got;
use crate::sabotage::Saboteur;
use crate::task::{Kind, Task};
use crate::violation::Violation;

/// First and longest pause between two tries to get a link back.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// A mux process with what it leaves on disk.
pub struct Mux {
    /// Whether the process lives.
    pub alive: bool,
    /// Who it is.
    pub client: ClientId,
    /// What was received.
    cursor: Cursor,
    saved: Cursor,
    /// What the user has got.
    pub got: Got,
    instance: InstanceId,
    hold: Hold,
    mode: AttachMode,
    attachment: Attachment,
    ended: Option<End>,
    /// A wish to let go was said on the present hold.
    wants_out: bool,
    pause: Duration,
    credit: u32,
    /// Command lines that wait for the session to be held.
    waiters: VecDeque<usize>,
    /// Command lines' affairs.
    pub tasks: BTreeMap<usize, Task>,
    /// What programs ask, and is not over.
    questions: BTreeMap<u32, Question>,
    /// Channels of links that are over on which something is still to be said.
    pub flushing: BTreeMap<u32, VecDeque<Bytes>>,
    /// Channels that were let go.
    pub dropped: Vec<u32>,
    /// What breaks promises on purpose.
    pub saboteur: Saboteur,
}

impl Mux {
    /// A mux that has not been started.
    #[must_use]
    pub fn new(client: ClientId, instance: InstanceId, credit: u32) -> Self {
        Self {
            alive: false,
            client,
            cursor: Cursor::default(),
            saved: Cursor::default(),
            got: Got::default(),
            instance,
            hold: Hold::Free,
            mode: AttachMode::Connect,
            attachment: Attachment::default(),
            ended: None,
            wants_out: false,
            pause: PAUSES.0,
            credit,
            waiters: VecDeque::new(),
            tasks: BTreeMap::new(),
            questions: BTreeMap::new(),
            flushing: BTreeMap::new(),
            dropped: Vec::new(),
            saboteur: Saboteur::default(),
        }
    }

    /// Starts the process.
    pub fn start(&mut self) {
        self.alive = true;
        self.cursor = self.saved.clone();
    }

    /// Kills it. Its channels are let go.
    pub fn crash(&mut self) {
        self.alive = false;
        self.drop_wire();
        self.dropped.extend(self.flushing.keys());
        self.flushing.clear();
        self.hold = Hold::Free;
        self.attachment = Attachment::default();
        self.ended = None;
        self.pause = PAUSES.0;
        self.waiters.clear();
        self.tasks.clear();
        self.questions.clear();
        self.got.forgotten();
    }

    /// Writes down what was received.
    pub fn save(&mut self) {
        self.saved = self.cursor.clone();
        self.got.saved();
    }

    /// Whether there is something to write down.
    #[must_use]
    pub fn is_unsaved(&self) -> bool {
        self.alive && self.saved != self.cursor
    }

    fn wire(&mut self) -> Option<&mut Wire> {
        match &mut self.hold {
            Hold::Opening(wire) | Hold::Up(wire) | Hold::Again(wire) => Some(wire),
            Hold::Free | Hold::Down(_) => None,
        }
    }

    fn drop_wire(&mut self) {
        let channel = self.wire().and_then(|wire| wire.channel);
        self.dropped.extend(channel);
    }

    /// The channel of the present link.
    #[must_use]
    pub fn channel(&self) -> Option<u32> {
        match &self.hold {
            Hold::Opening(wire) | Hold::Up(wire) | Hold::Again(wire) => wire.channel,
            Hold::Free | Hold::Down(_) => None,
        }
    }

    /// Whether it wants a channel opened.
    #[must_use]
    pub fn wants_channel(&self) -> bool {
        match &self.hold {
            Hold::Opening(wire) | Hold::Again(wire) => wire.channel.is_none(),
            _ => false,
        }
    }

    /// Whether it holds the session.
    #[must_use]
    pub fn holds(&self) -> bool {
        matches!(self.hold, Hold::Up(_) | Hold::Down(_) | Hold::Again(_))
    }

    /// Whether it only watches.
    #[must_use]
    pub fn watches(&self) -> bool {
        self.holds() && self.mode == AttachMode::ReadOnly
    }

    /// Whose visitors are in the session by this mux, or wait there, as far as it knows.
    pub fn visits(&self) -> impl Iterator<Item = InvocationId> {
        let tasks = self
            .tasks
            .values()
            .filter(|task| self.is_up() && !task.done);
        tasks.filter_map(|task| match task.kind {
            Kind::Visit { invocation, .. } => Some(invocation),
            _ => None,
        })
    }

    /// Whether somebody is there whom it could ask.
    #[must_use]
    pub fn can_ask(&self) -> bool {
        let mut tasks = self.tasks.values();
        self.holds() && !self.watches() && tasks.any(|task| task.can_ask() && !task.done)
    }

    /// Whether a link is up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self.hold, Hold::Up(_))
    }

    /// A command line asks.
    pub fn ask(&mut self, at: usize, clis: &mut [Cli], now: Duration) {
        let Some(cli) = clis.get(at) else { return };
        let already = match &cli.ask {
            // Nothing to leave.
            Ask::Disconnect => !self.holds() && !matches!(self.hold, Hold::Opening(_)),
            _ => false,
        };
        if already {
            if let Some(cli) = clis.get_mut(at) {
                cli.from_mux.push_back(ToCli::Finished);
            }
        } else if self.holds() {
            self.begin(at, clis, now);
            self.talk();
        } else {
            self.waiters.push_back(at);
            self.attempt(clis, now);
        }
    }

    /// Begins to take hold of the session for the first who waits for it.
    fn attempt(&mut self, clis: &[Cli], now: Duration) {
        if !matches!(self.hold, Hold::Free) {
            return;
        }
        let Some(cli) = self.waiters.front().and_then(|at| clis.get(*at)) else {
            return;
        };
        let request = match &cli.ask {
            Ask::New(create) => ToHost::Create((**create).clone()),
            Ask::Connect(mode) => self.attach(*mode),
            _ => self.attach(AttachMode::Connect),
        };
        self.mode = match &request {
            ToHost::Attach(attach) if attach.mode == AttachMode::ReadOnly => AttachMode::ReadOnly,
            _ => AttachMode::Connect,
        };
        self.hold = Hold::Opening(Self::dial(request, now));
    }

    fn attach(&self, mode: AttachMode) -> ToHost {
        Attach {
            instance: self.instance,
            client: self.client,
            mode,
            extensions: Vec::new(),
        }
        .into()
    }

    /// The channel it wanted is open.
    pub fn opened(&mut self, channel: u32, now: Duration) {
        if let Some(wire) = self.wire() {
            wire.link = ClientLink::new(now, hello("outlast/0", "u", "laptop"));
            wire.channel = Some(channel);
        }
    }

    /// Something to do that only time brings: when.
    #[must_use]
    pub fn until(&self) -> Option<Duration> {
        match &self.hold {
            Hold::Free => None,
            Hold::Down(until) => Some(*until),
            Hold::Opening(wire) | Hold::Up(wire) | Hold::Again(wire) => {
                wire.channel.map(|_| wire.link.poll_timeout())
            }
        }
    }

    /// Lets time pass. `share` of the pause is waited after another failure.
    pub fn tick(&mut self, now: Duration, share: f64, clis: &mut [Cli]) -> Result<(), Violation> {
        match &mut self.hold {
            Hold::Down(until) if *until <= now => {
                self.pause = self.pause.saturating_mul(2).min(PAUSES.1);
                let request = self.attach(self.mode);
                self.hold = Hold::Again(Self::dial(request, now));
                Ok(())
            }
            Hold::Opening(wire) | Hold::Up(wire) | Hold::Again(wire)
                if wire.channel.is_some() && wire.link.poll_timeout() <= now =>
            {
                match wire.link.handle_timeout(now) {
                    Ok(()) => {
                        self.talk();
                        Ok(())
                    }
                    Err(error) => self.lost(Some(&error), now, share, clis),
                }
            }
            _ => Ok(()),
        }
    }

    fn give_up_waiting(&mut self, clis: &mut [Cli], now: Duration) -> bool {
        let gone = |at: &usize| clis.get(*at).is_none_or(Cli::is_done);
        if !self.waiters.iter().any(gone) {
            return false;
        }
        let first = self.waiters.front().is_some_and(gone);
        let kept = self
            .waiters
            .iter()
            .copied()
            .filter(|at| !gone(at))
            .collect();
        self.waiters = kept;
        if first && matches!(self.hold, Hold::Opening(_)) {
            self.drop_wire();
            self.hold = Hold::Free;
            self.attempt(clis, now);
        }
        true
    }

    /// Once the session is over, only what its readers still want keeps the link.
    fn leave_what_is_over(&mut self, now: Duration, clis: &mut [Cli]) {
        let readers = self.tasks.values().any(|task| task.reader.is_some());
        match (&self.hold, &self.ended) {
            (Hold::Up(_), Some(end)) if *end != End::Removed && !readers => {
                let failure = Failure::Ended(end.clone());
                self.say_detach();
                self.talk();
                self.let_go(&failure, clis, now);
            }
            _ => {}
        }
    }

    /// The session is not held any more; what is still to be said is said.
    fn let_go(&mut self, failure: &Failure, clis: &mut [Cli], now: Duration) {
        if let Hold::Up(wire) | Hold::Again(wire) = std::mem::replace(&mut self.hold, Hold::Free)
            && let Some(channel) = wire.channel
        {
            if wire.outbox.is_empty() || !matches!(failure, Failure::Ended(_)) {
                self.dropped.push(channel);
            } else {
                self.flushing.insert(channel, wire.outbox);
            }
        }
        self.over(failure, clis, now);
    }

    fn over(&mut self, failure: &Failure, clis: &mut [Cli], now: Duration) {
        self.attachment.link_down();
        self.ended = None;
        self.questions.clear();
        for task in self.tasks.values_mut() {
            task.over = Some(failure.clone());
            task.reader = None;
        }
        self.save();
        self.attempt(clis, now);
    }
}
