//! A client's mux: it holds the session, keeps hold of it while links come and go, and serves
//! command lines. The link and the memory of the session are the real ones.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::id::{ClientId, InstanceId, InvocationId, ReaderId, Seq};
use outlast_protocol::link::attachment::Attachment;
use outlast_protocol::link::connection::{ClientLink, LinkError, LinkEvent, hello};
use outlast_protocol::link::cursor::Cursor;
use outlast_protocol::link::refusal::{RefusalCode, Refused};
use outlast_protocol::link::to_client::{Submitted, ToClient};
use outlast_protocol::link::to_host::{Attach, Detach, End as EndIt, ReaderOpen, Submit, ToHost};
use outlast_protocol::link::{AttachMode, Command, From, Source};
use outlast_protocol::session::End;

use crate::cli::{Ask, Cli, Failure, Invoke, ToCli, ToMux};
use crate::got::Got;
use crate::sabotage::Saboteur;
use crate::task::{Heard, Kind, Shared, Task};
use crate::violation::Violation;

/// First and longest pause between two tries to get a link back.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Where a mux stands with the session.
enum Hold {
    /// It does not hold it.
    Free,
    /// It is about to.
    Opening(Box<Wire>),
    /// It holds it and has a link.
    Up(Box<Wire>),
    /// The link is lost; the next try begins then.
    Down(Duration),
    /// It is about to have a link again.
    Again(Box<Wire>),
}

/// A link over a channel.
struct Wire {
    /// The channel, once it is open.
    channel: Option<u32>,
    link: ClientLink,
    request: ToHost,
    outbox: VecDeque<Bytes>,
}

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

    fn dial(request: ToHost, now: Duration) -> Box<Wire> {
        Box::new(Wire {
            channel: None,
            link: ClientLink::new(now, hello("outlast/0", "u", "laptop")),
            request,
            outbox: VecDeque::new(),
        })
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

    fn refuse_first(&mut self, failure: &Failure, clis: &mut [Cli]) {
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
                for (at, task) in &self.tasks {
                    if let Kind::Foreground { invocation, .. } = task.kind
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
            _ => {}
        }
        Ok(())
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
                    if matches!(asked, Some(Ask::Invoke(invoke)) if invoke.invocation == invocation)
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
            match &cli.ask {
                Ask::Invoke(invoke) if invoke.invocation == submitted.invocation => {}
                _ => continue,
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

    fn say_detach(&mut self) {
        self.wants_out = true;
        let detach = Detach { idle_timeout: None };
        self.attachment.say(detach.into(), Bytes::new());
    }

    fn shared<'a>(&'a mut self, save: &'a mut bool) -> Shared<'a> {
        let tasks = self.tasks.values();
        let foreground = tasks.filter_map(Task::own).collect();
        Shared {
            attachment: &mut self.attachment,
            cursor: &mut self.cursor,
            foreground,
            got: &mut self.got,
            save,
        }
    }

    /// Begins what a command line asked for; the session is held.
    fn begin(&mut self, at: usize, clis: &mut [Cli], now: Duration) {
        let Some(cli) = clis.get_mut(at).filter(|cli| !cli.is_done()) else {
            return;
        };
        let again = cli.receive_from();
        let resume = cli.resume;
        let task = match cli.ask.clone() {
            Ask::New(_) | Ask::Connect(_) => {
                cli.from_mux.push_back(ToCli::Finished);
                return;
            }
            Ask::Invoke(invoke) => self.invoke(at, &invoke, resume),
            Ask::Receive { follow, from_start } => {
                let (from, skip, replay) = match again {
                    Some(from) => (from, Vec::new(), true),
                    None if from_start => (From::Start, Vec::new(), true),
                    None => {
                        let (from, skip) = self.cursor.request();
                        (from, skip, false)
                    }
                };
                let reader = self.open_reader(from, None, skip);
                let kind = Kind::Receive {
                    replay,
                    follow,
                    sent: None,
                    consumed: None,
                    end: None,
                };
                Task::new(at, kind, Some(reader))
            }
            Ask::Disconnect => {
                self.say_detach();
                Task::new(at, Kind::Leave, None)
            }
            Ask::Remove => {
                let end = EndIt {
                    extensions: Vec::new(),
                };
                self.attachment.say(end.into(), Bytes::new());
                Task::new(at, Kind::Remove, None)
            }
        };
        self.tasks.insert(at, task);
        let down = matches!(self.hold, Hold::Down(_) | Hold::Again(_));
        if down && matches!(self.tasks.get(&at).map(|it| &it.kind), Some(Kind::Leave)) {
            self.drop_wire();
            self.hold = Hold::Free;
            self.over(&Failure::Detached, clis, now);
        }
    }

    fn invoke(&mut self, at: usize, invoke: &Invoke, resume: Option<(Seq, u64)>) -> Task {
        let invocation = invoke.invocation;
        let submit = Submit {
            invocation,
            command: Command::Script,
            environment_len: 0,
            arguments_len: 0,
            more_len: 0,
            stdin: invoke.input.is_some(),
            terminal: None,
            agent: false,
            timeout_ms: invoke
                .timeout
                .map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
            kill_after_ms: None,
            wait: invoke.wait,
            extensions: Vec::new(),
        };
        let submit = self.saboteur.submission(submit);
        let body = Bytes::from(invoke.job.script());
        if invoke.detached {
            self.attachment.submit(submit, body);
            return Task::new(at, Kind::Background, None);
        }
        let from = match resume {
            Some((seq, offset)) => {
                self.attachment.resume_input(invocation, offset);
                if seq == Seq(0) {
                    From::Start
                } else {
                    From::Seq(seq.next())
                }
            }
            None => From::Start,
        };
        self.attachment.submit(submit, body);
        let reader = self.open_reader(from, Some(invocation), Vec::new());
        let kind = Kind::Foreground {
            invocation,
            from: None,
            records: 0,
            completed: None,
            answered: false,
        };
        Task::new(at, kind, Some(reader))
    }

    fn open_reader(
        &mut self,
        from: From,
        only: Option<InvocationId>,
        skip: Vec<(InvocationId, Seq)>,
    ) -> ReaderId {
        self.attachment.open_reader(ReaderOpen {
            reader: ReaderId(0),
            source: Source::Log,
            from,
            only,
            skip,
            credit: self.credit,
            owed: 0,
        })
    }

    /// Whether an affair can go on, or its command line has said something or is gone.
    #[must_use]
    pub fn is_ready(&self, clis: &[Cli]) -> bool {
        let mut tasks = self.tasks.iter();
        let waits = |at: &usize| clis.get(*at).is_some_and(Cli::is_done);
        self.waiters.iter().any(waits)
            || tasks.any(|(at, task)| {
                clis.get(*at).is_some_and(|cli| {
                    cli.is_done() || !cli.to_mux.is_empty() || task.is_ready(cli)
                })
            })
    }

    /// Goes on with one affair: the `turn`th that can.
    pub fn go(&mut self, turn: usize, now: Duration, clis: &mut [Cli]) -> Result<(), Violation> {
        if self.give_up_waiting(clis, now) {
            return Ok(());
        }
        let mut ready = Vec::new();
        for (at, task) in &self.tasks {
            if let Some(cli) = clis.get(*at)
                && (cli.is_done() || !cli.to_mux.is_empty() || task.is_ready(cli))
            {
                ready.push(*at);
            }
        }
        let turn = turn.checked_rem(ready.len()).unwrap_or(0);
        let Some(at) = ready.get(turn).copied() else {
            return Ok(());
        };
        let (Some(mut task), Some(cli)) = (self.tasks.remove(&at), clis.get_mut(at)) else {
            return Ok(());
        };
        let mut save = false;
        let done = {
            let drop_ack = self.saboteur.drops_ack();
            let mut shared = self.shared(&mut save);
            if cli.is_done() {
                task.put_away(&mut shared);
                true
            } else {
                if let Some(message) = cli.to_mux.pop_front() {
                    if let ToMux::Consumed(_, written) = &message {
                        // The user's book learns what the mux has heard.
                        let receives = matches!(task.kind, Kind::Receive { .. });
                        for (seq, invocation) in written {
                            // A receiver does not speak for commands with their own readers.
                            if !receives || !shared.foreground.contains(invocation) {
                                shared.got.noted(*seq);
                            }
                        }
                    }
                    if !drop_ack || !matches!(message, ToMux::Consumed(..)) {
                        task.hear(message, cli, &mut shared);
                    }
                } else {
                    task.go(cli, &mut shared)?;
                }
                if task.done {
                    task.put_away(&mut shared);
                }
                task.done
            }
        };
        if !done {
            self.tasks.insert(at, task);
        }
        if save || done {
            self.save();
        }
        self.leave_what_is_over(now, clis);
        self.talk();
        Ok(())
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
        for task in self.tasks.values_mut() {
            task.over = Some(failure.clone());
            task.reader = None;
        }
        self.save();
        self.attempt(clis, now);
    }

    /// Puts what is to be said into the link, and from there into the outbox.
    fn talk(&mut self) {
        let up = matches!(self.hold, Hold::Up(_));
        let Self {
            hold, attachment, ..
        } = self;
        let (Hold::Opening(wire) | Hold::Up(wire) | Hold::Again(wire)) = hold else {
            return;
        };
        while let Some((message, body)) = up.then(|| attachment.poll_message()).flatten() {
            // Everything an attachment says fits: pieces are bounded.
            let _ = wire.link.send(&message, body);
        }
        while let Some(piece) = wire.link.poll_output() {
            wire.outbox.push_back(piece);
        }
    }

    /// What waits to be written to its channel.
    pub fn outbox(&mut self) -> Option<&mut VecDeque<Bytes>> {
        self.wire().map(|wire| &mut wire.outbox)
    }
}
