//! What can happen next, and doing it.

use std::time::Duration;

use outlast_protocol::frame::FrameDecoder;
use outlast_protocol::hello::MAGIC;
use outlast_protocol::limits::{HANDSHAKE_TIME, MAX_FRAME_BEFORE_ATTACH};
use outlast_protocol::link::connection::hello;
use outlast_protocol::link::refusal::{RefusalCode, Refused};
use outlast_protocol::link::to_client::ToClient;
use outlast_protocol::link::to_host::ToHost;

use crate::channel::{Channel, Remote};
use crate::cli::{Ask, Failure, State};
use crate::shell::Act;
use crate::violation::{Violation, ensure};
use crate::world::World;

/// Something that can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The shell does something.
    Shell(Act),
    /// Somebody on the computer kills a command that would run for ever.
    Kill,
    /// The host looks whether the session is over.
    Life,
    /// The host ends: nobody wants anything of it any more.
    Exit,
    /// A link of the host looks because the session changed.
    Look(u32),
    /// It reads.
    HostReads(u32),
    /// It writes.
    HostWrites(u32),
    /// Its time is up.
    HostTick(u32),
    /// The relay goes on.
    Relay(u32),
    /// The relay gives up.
    RelayTick(u32),
    /// The last bytes of a link that is over.
    Farewell(u32),
    /// A mux's channel is opened.
    Open(usize),
    /// It reads.
    MuxReads(usize),
    /// It writes.
    MuxWrites(usize),
    /// It writes to a link that is over.
    MuxFlushes(usize, u32),
    /// Its time is up.
    MuxTick(usize),
    /// It goes on with the affairs of command lines.
    MuxGoes(usize),
    /// It saves what was received.
    MuxSaves(usize),
    /// A command line asks.
    Asks(usize),
    /// It reads and writes out.
    Reads(usize),
    /// It reads its own standard input.
    Gives(usize),
    /// A user begins the next command line.
    Begins(usize),
    /// The disk works again.
    Mends,
}

impl Action {
    /// What tells it from others, for a hash.
    #[must_use]
    pub fn numbers(&self) -> [u64; 3] {
        let number = |at: usize| at as u64;
        match *self {
            Self::Shell(act) => match act {
                Act::Turn => [1, 0, 0],
                Act::Write(at) => [1, 1, number(at)],
                Act::Drain(at) => [1, 2, number(at)],
                Act::Late(at) => [1, 3, number(at)],
                Act::Feed => [1, 4, 0],
                Act::Read => [1, 5, 0],
                Act::End => [1, 6, 0],
                Act::Complete => [1, 7, 0],
                Act::TimeOut => [1, 8, 0],
            },
            Self::Kill => [2, 0, 0],
            Self::Life => [3, 0, 0],
            Self::Exit => [4, 0, 0],
            Self::Look(id) => [5, id.into(), 0],
            Self::HostReads(id) => [6, id.into(), 0],
            Self::HostWrites(id) => [7, id.into(), 0],
            Self::HostTick(id) => [8, id.into(), 0],
            Self::Relay(id) => [9, id.into(), 0],
            Self::RelayTick(id) => [10, id.into(), 0],
            Self::Farewell(id) => [11, id.into(), 0],
            Self::Open(user) => [12, number(user), 0],
            Self::MuxReads(user) => [13, number(user), 0],
            Self::MuxWrites(user) => [14, number(user), 0],
            Self::MuxFlushes(user, id) => [15, number(user), id.into()],
            Self::MuxTick(user) => [16, number(user), 0],
            Self::MuxGoes(user) => [17, number(user), 0],
            Self::MuxSaves(user) => [18, number(user), 0],
            Self::Asks(at) => [19, number(at), 0],
            Self::Reads(at) => [20, number(at), 0],
            Self::Gives(at) => [21, number(at), 0],
            Self::Begins(user) => [22, number(user), 0],
            Self::Mends => [23, 0, 0],
        }
    }
}

/// Bytes a process reads at once.
const READ: u64 = 64 * 1024;
/// Bytes a relay reads at once.
const RELAY_READ: usize = 4096;

fn unfit(error: impl std::fmt::Display) -> Violation {
    Violation(format!("a message does not fit: {error}"))
}

impl World {
    /// Lists what can happen now.
    pub fn list(&mut self, actions: &mut Vec<Action>) {
        let now = self.now;
        if self.host_frozen <= now {
            self.list_host(actions);
        }
        let channels = &mut self.channels;
        for (id, channel) in channels.iter_mut() {
            match &mut channel.remote {
                Remote::Starting | Remote::Passing(_) => actions.push(Action::Relay(*id)),
                Remote::Relay(_) => {
                    if channel.up.is_readable(now) {
                        actions.push(Action::Relay(*id));
                    }
                    if channel.patience <= now {
                        actions.push(Action::RelayTick(*id));
                    }
                }
                Remote::Farewell(_) if channel.down.room() > 0 || channel.down.broken => {
                    actions.push(Action::Farewell(*id));
                }
                _ => {}
            }
        }
        for at in 0..self.users.len() {
            self.list_user(at, actions);
        }
        for (at, cli) in self.clis.iter().enumerate() {
            if cli.frozen > now || cli.is_done() {
                continue;
            }
            match cli.state {
                // What a dead mux had said is read before another one is asked.
                _ if !cli.from_mux.is_empty() => actions.push(Action::Reads(at)),
                State::Asks(when) if when <= now => actions.push(Action::Asks(at)),
                _ => {}
            }
            if cli.can_give() {
                actions.push(Action::Gives(at));
            }
        }
        if self.mend.is_some_and(|mend| mend <= now) {
            actions.push(Action::Mends);
        }
    }

    fn list_host(&mut self, actions: &mut Vec<Action>) {
        let now = self.now;
        if let Some(process) = &mut self.computer.process {
            let mut acts = Vec::new();
            process.shell.acts(&process.host, now, &mut acts);
            actions.extend(acts.into_iter().map(Action::Shell));
            if process.host.life_rung() {
                process.look = Some(Duration::ZERO);
            }
            if process.look.is_some_and(|look| look <= now) {
                actions.push(Action::Life);
            }
            if process.host.is_settled() {
                actions.push(Action::Exit);
            }
            if self.finale.is_some() && process.shell.starves().is_some() {
                actions.push(Action::Kill);
            }
        }
        for (id, channel) in &mut self.channels {
            let Remote::Host(link) = &mut channel.remote else {
                continue;
            };
            channel.bell |= link.rung();
            if channel.bell {
                actions.push(Action::Look(*id));
            }
            if channel.up.is_readable(now) {
                actions.push(Action::HostReads(*id));
            }
            if link.waiting() > 0 && (channel.down.room() > 0 || channel.down.broken) {
                actions.push(Action::HostWrites(*id));
            }
            if link.poll_timeout() <= now {
                actions.push(Action::HostTick(*id));
            }
        }
    }

    fn list_user(&mut self, at: usize, actions: &mut Vec<Action>) {
        let now = self.now;
        let quiet = self.is_quiet(at);
        let born = self.computer.opened > 0;
        let process = self.computer.process.as_ref();
        let busy = self.plan.patient && process.is_some_and(|it| it.host.active() > 0);
        let Some(user) = self.users.get_mut(at) else {
            return;
        };
        if let Some((ask, parallel)) = user.asks.front()
            && (at == 0 || born)
            && !(busy && matches!(ask, Ask::Receive { .. }))
            && (quiet || *parallel)
        {
            actions.push(Action::Begins(at));
        }
        if !user.mux.alive || user.frozen > now {
            return;
        }
        if user.mux.wants_channel() {
            actions.push(Action::Open(at));
        }
        let channel = user.mux.channel().and_then(|id| self.channels.get(&id));
        if let Some(channel) = channel {
            if channel.down.is_readable(now) {
                actions.push(Action::MuxReads(at));
            }
            let waits = user.mux.outbox().is_some_and(|outbox| !outbox.is_empty());
            if waits && (channel.up.room() > 0 || channel.up.broken) {
                actions.push(Action::MuxWrites(at));
            }
        }
        let flushing = user.mux.flushing.keys();
        actions.extend(flushing.map(|id| Action::MuxFlushes(at, *id)));
        if user.mux.until().is_some_and(|until| until <= now) {
            actions.push(Action::MuxTick(at));
        }
        if user.mux.is_ready(&self.clis) {
            actions.push(Action::MuxGoes(at));
        }
        if self.plan.saves && user.mux.is_unsaved() {
            actions.push(Action::MuxSaves(at));
        }
    }

    /// Does it.
    pub fn perform(&mut self, action: Action) -> Result<(), Violation> {
        match action {
            Action::Shell(act) => self.shell(act),
            Action::Kill => {
                if let Some(process) = &mut self.computer.process {
                    process.shell.kill();
                }
                Ok(())
            }
            Action::Life => {
                if let Some(process) = &mut self.computer.process {
                    process.look = process.host.look_at_life();
                }
                Ok(())
            }
            Action::Exit => self.exit(),
            Action::Look(id)
            | Action::HostReads(id)
            | Action::HostWrites(id)
            | Action::HostTick(id) => self.host(action, id),
            Action::Relay(id) => self.relay(id),
            Action::RelayTick(id) => {
                if let Some(channel) = self.channels.get_mut(&id) {
                    channel.leave();
                }
                Ok(())
            }
            Action::Farewell(id) => {
                self.farewell(id);
                Ok(())
            }
            Action::Begins(user) => {
                let ask = self.users.get_mut(user).and_then(|it| it.asks.pop_front());
                if let Some((ask, _)) = ask {
                    self.trace.say(
                        self.step,
                        self.now,
                        format!("user {user}: {}", crate::world::words(&ask)),
                    );
                    self.begin(user, ask);
                }
                Ok(())
            }
            Action::Mends => {
                self.mend = None;
                self.computer.mend_disk()
            }
            Action::Asks(at) | Action::Reads(at) | Action::Gives(at) => self.cli(action, at),
            Action::Open(at)
            | Action::MuxReads(at)
            | Action::MuxWrites(at)
            | Action::MuxFlushes(at, _)
            | Action::MuxTick(at)
            | Action::MuxGoes(at)
            | Action::MuxSaves(at) => self.mux(action, at),
        }
    }

    fn shell(&mut self, act: Act) -> Result<(), Violation> {
        let now = self.now;
        let (random, computer) = (&mut self.random, &mut self.computer);
        match &mut computer.process {
            Some(process) => {
                let ledger = &mut computer.ledger;
                process.shell.act(act, &process.host, now, random, ledger)
            }
            None => Ok(()),
        }
    }

    /// The session's files go, then its links.
    fn exit(&mut self) -> Result<(), Violation> {
        for channel in self.channels.values_mut() {
            if let Remote::Host(link) = &mut channel.remote {
                link.fill();
                end_link(channel);
            }
        }
        self.trace
            .say(self.step, self.now, "the host ends".to_owned());
        self.computer.remove()
    }

    fn host(&mut self, action: Action, id: u32) -> Result<(), Violation> {
        let now = self.now;
        let most = self.random.size(self.plan.chunk.min(READ));
        let most = usize::try_from(most).unwrap_or_default();
        let most = self.up_to_cut(0, most);
        let Some(channel) = self.channels.get_mut(&id) else {
            return Ok(());
        };
        let readable = channel.up.is_readable(now) && !channel.up.is_empty();
        let Remote::Host(link) = &mut channel.remote else {
            return Ok(());
        };
        let before = self.computer.process.as_ref().map(|it| it.host.active());
        let mut over = false;
        let mut carried = [0, 0];
        match action {
            Action::HostReads(_) => {
                let bytes = channel.up.read(most);
                carried[0] = bytes.len() as u64;
                if bytes.is_empty() {
                    over = channel.up.is_ended();
                } else {
                    link.handle_input(&bytes);
                }
            }
            Action::HostWrites(_) => {
                let mut bytes = Vec::new();
                link.write(channel.down.room().min(most.max(1)), &mut bytes);
                channel.down.write(&bytes);
                over = channel.down.broken;
            }
            Action::HostTick(_) => over = link.handle_timeout(readable),
            _ => channel.bell = false,
        }
        if !over {
            link.fill();
            ensure(link.waiting() <= 2 * 1024 * 1024, || {
                format!("a link's outbox holds {} bytes", link.waiting())
            })?;
        }
        if over || link.is_over() {
            end_link(channel);
        }
        let user = channel.mux;
        self.passed(0, carried[0], id);
        self.fenced(before, user)
    }

    /// Only the client that holds the session can have got a command accepted.
    fn fenced(&self, before: Option<u32>, user: usize) -> Result<(), Violation> {
        let Some(process) = &self.computer.process else {
            return Ok(());
        };
        if before.is_none_or(|before| process.host.active() <= before) {
            return Ok(());
        }
        let holder = process.host.info().holder.map(|holder| holder.client);
        let client = self.users.get(user).map(|user| user.mux.client);
        // A link that said both a command and its farewell at once leaves nobody as holder.
        ensure(holder.is_none() || holder == client, || {
            format!("fencing: a command of user {user} was accepted while {holder:?} holds it")
        })
    }

    fn relay(&mut self, id: u32) -> Result<(), Violation> {
        let now = self.now;
        let Some(channel) = self.channels.get_mut(&id) else {
            return Ok(());
        };
        match &mut channel.remote {
            Remote::Starting => {
                let mut bytes = MAGIC.to_vec();
                let greeting = ToClient::Hello(hello("outlast-subsystem/0", "u", "db1"));
                bytes.extend(greeting.head(0).map_err(unfit)?);
                channel.down.write(&bytes);
                channel.remote = Remote::Relay(Vec::new());
                channel.patience = now.saturating_add(HANDSHAKE_TIME);
            }
            Remote::Relay(received) => {
                let bytes = channel.up.read(RELAY_READ);
                let count = bytes.len() as u64;
                if bytes.is_empty() {
                    channel.leave();
                    return Ok(());
                }
                received.extend_from_slice(&bytes);
                if request(received)?.is_some() {
                    channel.remote = Remote::Passing(std::mem::take(received));
                }
                self.passed(0, count, id);
            }
            Remote::Passing(received) => {
                let received = std::mem::take(received);
                self.pass_on(id, &received)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn pass_on(&mut self, id: u32, received: &[u8]) -> Result<(), Violation> {
        if let Some(ToHost::Create(create)) = request(received)?
            && self.computer.opened == 0
        {
            self.computer.open(&create)?;
        }
        let refusal = match &self.computer.process {
            Some(_) => None,
            None if self.computer.is_broken() => Some(RefusalCode::BROKEN),
            None => Some(RefusalCode::UNKNOWN_SESSION),
        };
        let Some(channel) = self.channels.get_mut(&id) else {
            return Ok(());
        };
        if let Some(code) = refusal {
            let refused = Refused {
                request: 0x04,
                about: None,
                code,
                message: String::new(),
                hint: String::new(),
            };
            let bytes = ToClient::Refused(refused).head(0).map_err(unfit)?;
            channel.down.write(&bytes);
            channel.leave();
        } else if let Some(process) = &self.computer.process {
            let before = process.host.active();
            let mut link = process.host.take_over(received);
            link.fill();
            let over = link.is_over();
            channel.remote = Remote::Host(Box::new(link));
            if over {
                end_link(channel);
            }
            let user = channel.mux;
            self.fenced(Some(before), user)?;
        }
        Ok(())
    }

    fn farewell(&mut self, id: u32) {
        let Some(channel) = self.channels.get_mut(&id) else {
            return;
        };
        if let Remote::Farewell(left) = &mut channel.remote {
            let count = channel.down.room().min(left.len());
            let bytes: Vec<u8> = left.drain(..count).collect();
            channel.down.write(&bytes);
            if left.is_empty() || channel.down.broken {
                channel.leave();
            }
        }
    }

    fn mux(&mut self, action: Action, at: usize) -> Result<(), Violation> {
        let now = self.now;
        let share = f64::from(u32::try_from(self.random.below(1 << 20)).unwrap_or_default())
            / f64::from(1 << 20);
        let turn = self.random.index(64);
        let most = self.random.size(self.plan.chunk.min(READ));
        let most = usize::try_from(most).unwrap_or_default();
        let most = self.up_to_cut(1, most);
        let (Some(user), clis) = (self.users.get_mut(at), &mut self.clis) else {
            return Ok(());
        };
        match action {
            Action::Open(_) => {
                self.opened = self.opened.saturating_add(1);
                let id = self.opened;
                let capacity = self.plan.capacity;
                self.channels.insert(id, Channel::new(at, capacity, now));
                user.mux.opened(id, now);
                self.trace
                    .say(self.step, now, format!("user {at}: channel {id}"));
                Ok(())
            }
            Action::MuxReads(_) => {
                let Some(id) = user.mux.channel() else {
                    return Ok(());
                };
                let Some(channel) = self.channels.get_mut(&id) else {
                    return Ok(());
                };
                let bytes = channel.down.read(most);
                let count = bytes.len() as u64;
                if bytes.is_empty() && !channel.down.is_ended() {
                    return Ok(());
                }
                user.mux.input(&bytes, now, share, clis)?;
                self.passed(1, count, id);
                Ok(())
            }
            Action::MuxWrites(_) => {
                let channel = user.mux.channel().and_then(|id| self.channels.get_mut(&id));
                let Some(channel) = channel else {
                    return Ok(());
                };
                if channel.up.broken {
                    return user.mux.lost(None, now, share, clis);
                }
                if let Some(outbox) = user.mux.outbox() {
                    write(outbox, &mut channel.up);
                }
                Ok(())
            }
            Action::MuxFlushes(_, id) => {
                let channel = self.channels.get_mut(&id);
                let Some(outbox) = user.mux.flushing.get_mut(&id) else {
                    return Ok(());
                };
                let gone = channel.is_none_or(|channel| {
                    write(outbox, &mut channel.up);
                    channel.up.broken
                });
                if outbox.is_empty() || gone {
                    user.mux.flushing.remove(&id);
                    user.mux.dropped.push(id);
                }
                Ok(())
            }
            Action::MuxTick(_) => user.mux.tick(now, share, clis),
            Action::MuxGoes(_) => user.mux.go(turn, now, clis),
            _ => {
                user.mux.save();
                Ok(())
            }
        }
    }

    fn cli(&mut self, action: Action, at: usize) -> Result<(), Violation> {
        let now = self.now;
        let losses = self.computer.losses();
        let Some(cli) = self.clis.get_mut(at) else {
            return Ok(());
        };
        let index = cli.user;
        let Some(user) = self.users.get_mut(index) else {
            return Ok(());
        };
        match action {
            Action::Asks(_) => {
                if !cli.begin() {
                    return Ok(());
                }
                if !user.mux.alive {
                    user.mux.start();
                }
                user.mux.ask(at, &mut self.clis, now);
                Ok(())
            }
            Action::Reads(_) => {
                let most = self.random.index(8).saturating_add(1);
                let ledger = &mut self.computer.ledger;
                cli.read(most, ledger, losses, &mut user.mux.got)?;
                if let State::Done(result) = &cli.state {
                    self.trace
                        .say(self.step, now, format!("command line {at}: {result:?}"));
                    self.lawful(at)?;
                }
                Ok(())
            }
            _ => {
                cli.give(&mut self.random);
                Ok(())
            }
        }
    }

    /// Whether a command line had a reason to fail.
    fn lawful(&mut self, at: usize) -> Result<(), Violation> {
        let Some(cli) = self.clis.get(at) else {
            return Ok(());
        };
        let State::Done(Err(failure)) = &cli.state else {
            return Ok(());
        };
        // A session that has ended and was received is gone, also for those who come later.
        ensure(!self.is_calm() || self.computer.removed, || {
            format!("command line {at} failed in a calm world: {failure:?}")
        })?;
        if *failure == Failure::Stolen {
            ensure(self.users.len() > 1, || "stolen by nobody".to_owned())?;
        }
        // A session must be had: the user tries again, with the same ID.
        if let (Ask::New(_), Failure::Unreachable) = (&cli.ask, failure) {
            let (ask, user) = (cli.ask.clone(), cli.user);
            if let Some(user) = self.users.get_mut(user) {
                user.asks.push_front((ask, false));
            }
        }
        Ok(())
    }
}

/// Writes what fits.
fn write(outbox: &mut std::collections::VecDeque<bytes::Bytes>, pipe: &mut crate::channel::Pipe) {
    while let Some(front) = outbox.front_mut() {
        let count = pipe.room().min(front.len());
        let piece = front.split_to(count);
        pipe.write(&piece);
        if !front.is_empty() {
            return;
        }
        outbox.pop_front();
    }
}

/// The host lets go of a channel.
pub fn end_link(channel: &mut Channel) {
    if let Remote::Host(link) = std::mem::replace(&mut channel.remote, Remote::Gone) {
        let left = link.end();
        channel.up.hang_up();
        if left.is_empty() || channel.down.broken {
            channel.leave();
        } else {
            channel.remote = Remote::Farewell(left.into());
        }
    }
}

/// The request in what a relay has read, once it is whole.
fn request(received: &[u8]) -> Result<Option<ToHost>, Violation> {
    let mut decoder = FrameDecoder::new(MAX_FRAME_BEFORE_ATTACH);
    decoder.push(received);
    let mut next = || decoder.next_frame().map_err(unfit);
    let (Some(_), Some(request)) = (next()?, next()?) else {
        return Ok(None);
    };
    let (message, _) = ToHost::decode(&request).map_err(unfit)?;
    Ok(Some(message))
}
