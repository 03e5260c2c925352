//! What goes wrong, at random or exactly where a plan wants it.

use std::time::Duration;

use crate::channel::Remote;
use crate::cli::State;
use crate::violation::Violation;
use crate::world::World;

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A connection ends; what was under way is lost from some byte on.
    Cut,
    /// The client's side of a connection ends at once; what the client had said arrives at the
    /// host much later, when another connection may be up.
    Late,
    /// Nothing comes through any more, and nobody is told.
    Silence,
    /// Nothing comes through for a while.
    Stall,
    /// The relay of a connection is killed.
    KillRelay,
    /// A mux is killed.
    CrashMux,
    /// A command line is killed.
    CrashCli,
    /// A mux is killed with all of its command lines.
    CrashClient,
    /// The host is killed.
    CrashHost,
    /// The computer loses power: not all that was written reached its disk.
    PowerCut,
    /// The host process is stopped for a while.
    FreezeHost,
    /// A mux process is stopped for a while.
    FreezeMux,
    /// A command line is stopped for a while.
    FreezeCli,
    /// The wall clock of the computer is set wrong.
    SetClock,
    /// Somebody deletes the log's files.
    LoseSpool,
    /// The disk takes nothing for a while.
    BreakDisk,
}

impl World {
    /// Lets something go wrong, if it is time.
    pub fn inject(&mut self) -> Result<(), Violation> {
        let planned = self.plan.fault_at.filter(|(step, _)| *step == self.step);
        if let Some((_, fault)) = planned.filter(|_| !self.is_calm()) {
            return self.fault(fault);
        }
        if !self.is_calm() {
            if let Some(stall) = self.plan.stall {
                self.stall_new_links(stall);
            }
            if let Some(life) = self.plan.link_life {
                self.end_old_links(life);
            }
        }
        if self.finale.is_some() || self.plan.faults.is_empty() {
            return Ok(());
        }
        if self.random.chance(self.plan.fault_chance, 10_000)
            && let Some(fault) = self.random.pick(&self.plan.faults)
        {
            self.fault(fault)?;
        }
        Ok(())
    }

    /// Whether everybody has finished: from here on nothing goes wrong, and all must be there.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        self.finale.is_some_and(|part| part > 0)
    }

    fn some_channel(&mut self) -> Option<u32> {
        let ids: Vec<u32> = self.channels.keys().copied().collect();
        self.random.pick(&ids)
    }

    fn moment(&mut self) -> Duration {
        let most = self.random.pick(&[100, 3_000, 25_000]).unwrap_or(100);
        let ms = self.random.between(1, most);
        self.now.saturating_add(Duration::from_millis(ms))
    }

    /// Lets this go wrong.
    pub fn fault(&mut self, fault: Fault) -> Result<(), Violation> {
        self.faults = self.faults.saturating_add(1);
        self.trace
            .say(self.step, self.now, format!("fault: {fault:?}"));
        match fault {
            Fault::Cut | Fault::Late | Fault::Silence | Fault::Stall => {
                if let Some(id) = self.some_channel() {
                    self.cut(id, fault);
                }
            }
            Fault::KillRelay => {
                let Some(id) = self.some_channel() else {
                    return Ok(());
                };
                if let Some(channel) = self.channels.get_mut(&id) {
                    let relay = matches!(
                        channel.remote,
                        Remote::Starting | Remote::Relay(_) | Remote::Passing(_)
                    );
                    if relay {
                        channel.leave();
                    }
                }
            }
            Fault::CrashMux => {
                let user = self.random.index(self.users.len());
                self.crash_mux(user);
            }
            Fault::CrashCli => {
                let mut alive = Vec::new();
                for (at, cli) in self.clis.iter().enumerate() {
                    if !cli.is_done() && !matches!(cli.ask, crate::cli::Ask::New(_)) {
                        alive.push(at);
                    }
                }
                let killed = self.random.pick(&alive);
                if let Some(cli) = killed.and_then(|at| self.clis.get_mut(at)) {
                    let disturbances = &mut self.computer.ledger.visits.disturbances;
                    *disturbances = disturbances.saturating_add(1);
                    cli.kill();
                }
            }
            Fault::CrashClient => {
                let user = self.random.index(self.users.len());
                self.crash_client(user);
            }
            Fault::CrashHost => self.crash_host(0)?,
            Fault::PowerCut => {
                let torn = self.random.size(4096);
                self.crash_host(torn)?;
            }
            Fault::FreezeHost => self.host_frozen = self.moment(),
            Fault::FreezeMux => {
                let until = self.moment();
                let user = self.random.index(self.users.len());
                if let Some(user) = self.users.get_mut(user) {
                    user.frozen = until;
                }
            }
            Fault::FreezeCli => {
                let until = self.moment();
                let at = self.random.index(self.clis.len());
                if let Some(cli) = self.clis.get_mut(at) {
                    cli.frozen = until;
                }
            }
            Fault::SetClock => {
                let day = 24 * 3600 * 1000;
                let offset = self.random.below(2 * day);
                self.computer.wall_offset = i64::try_from(offset)
                    .unwrap_or_default()
                    .saturating_sub(i64::try_from(day).unwrap_or_default());
            }
            Fault::LoseSpool => self.computer.lose_spool()?,
            Fault::BreakDisk => {
                self.computer.break_disk()?;
                self.mend = Some(self.moment());
            }
        }
        Ok(())
    }

    /// A mux dies, and its command lines notice.
    fn crash_mux(&mut self, at: usize) {
        let Some(user) = self.users.get_mut(at) else {
            return;
        };
        if !user.mux.alive {
            return;
        }
        user.mux.crash();
        user.frozen = Duration::ZERO;
        for cli in &mut self.clis {
            if cli.user == at && cli.state == State::Talks {
                let arrived = self.random.index(cli.from_mux.len().saturating_add(1));
                cli.mux_gone(arrived);
                let pause = Duration::from_millis(self.random.between(1, 5_000));
                cli.state = State::Asks(self.now.saturating_add(pause));
            }
        }
        self.drop_channels();
    }

    /// A mux and all that talk to it die at once, and nobody is left to notice.
    fn crash_client(&mut self, at: usize) {
        for cli in self.clis.iter_mut().filter(|cli| cli.user == at) {
            if !cli.is_done() && !matches!(cli.ask, crate::cli::Ask::New(_)) {
                let disturbances = &mut self.computer.ledger.visits.disturbances;
                *disturbances = disturbances.saturating_add(1);
                cli.kill();
            }
        }
        self.crash_mux(at);
    }

    fn crash_host(&mut self, torn: u64) -> Result<(), Violation> {
        self.computer.witness()?;
        if self.computer.process.is_none() {
            return Ok(());
        }
        // Its descriptors are closed: whatever was written still arrives.
        for channel in self.channels.values_mut() {
            if matches!(channel.remote, Remote::Host(_) | Remote::Farewell(_)) {
                channel.leave();
            }
        }
        self.host_frozen = Duration::ZERO;
        let recovered = self.computer.crash(torn)?;
        self.recovered = recovered.filter(|_| torn == 0 && !self.computer.disk_failed);
        Ok(())
    }

    /// A connection breaks.
    pub fn cut(&mut self, id: u32, fault: Fault) {
        let moment = self.moment();
        let later = self.moment();
        let Some(channel) = self.channels.get_mut(&id) else {
            return;
        };
        let up = self.random.between(0, channel.up.len() as u64);
        let down = self.random.between(0, channel.down.len() as u64);
        let (up, down) = (
            usize::try_from(up).unwrap_or_default(),
            usize::try_from(down).unwrap_or_default(),
        );
        match fault {
            Fault::Late => {
                channel.down.cut(0);
                let all = channel.up.len();
                channel.up.cut(all);
                channel.up.stalled = moment;
            }
            Fault::Silence => {
                let dead = self.now.saturating_add(Duration::from_secs(60));
                channel.up.stalled = dead;
                channel.down.stalled = dead;
            }
            Fault::Stall => {
                channel.up.stalled = moment;
                channel.down.stalled = later;
            }
            _ => {
                channel.up.cut(up);
                channel.down.cut(down);
                if self.random.chance(1, 3) {
                    channel.up.stalled = moment;
                }
                if self.random.chance(1, 3) {
                    channel.down.stalled = later;
                }
            }
        }
        let channel = self.channels.get(&id);
        if let Some(user) = channel.map(|channel| channel.mux) {
            self.trace.say(
                self.step,
                self.now,
                format!("channel {id} of user {user}: {fault:?}"),
            );
        }
    }

    /// Lets new links fill up in both directions before anything comes through.
    fn stall_new_links(&mut self, stall: Duration) {
        for (id, channel) in &mut self.channels {
            // The first one gets commands going; on each later one the host has to hear of the
            // readers before it can fill its direction.
            let asked = *id > 1 && channel.up.carried > 600;
            if asked && !channel.stalled && matches!(channel.remote, Remote::Host(_)) {
                channel.stalled = true;
                channel.up.stalled = self.now.saturating_add(stall);
                channel.down.stalled = self.now.saturating_add(stall);
            }
            let both = channel.up.len().min(channel.down.len());
            self.both_full = self.both_full.max(both as u64);
        }
    }

    /// Cuts links that have lived for so long.
    fn end_old_links(&mut self, life: Duration) {
        let now = self.now;
        let mut old = Vec::new();
        for (id, channel) in &self.channels {
            if !channel.up.closed && channel.opened.saturating_add(life) <= now {
                old.push(*id);
            }
        }
        for id in old {
            self.cut(id, Fault::Cut);
        }
    }

    /// How much may be read without passing the byte at which the plan cuts.
    pub fn up_to_cut(&self, direction: usize, most: usize) -> usize {
        let carried = self.carried.get(direction).copied().unwrap_or_default();
        match self.plan.cut_at {
            Some((at, byte, _)) if at == direction && carried < byte => {
                let left = usize::try_from(byte.saturating_sub(carried)).unwrap_or(usize::MAX);
                most.min(left)
            }
            _ => most,
        }
    }

    /// Bytes came through; perhaps that was the one at which the plan cuts.
    pub fn passed(&mut self, direction: usize, count: u64, id: u32) {
        if count == 0 {
            return;
        }
        if let Some(per_ms) = self.plan.bytes_per_ms {
            let us = count.saturating_mul(1000).checked_div(per_ms).unwrap_or(0);
            self.now = self.now.saturating_add(Duration::from_micros(us));
            self.computer.set_time(self.now);
        }
        let Some(carried) = self.carried.get_mut(direction) else {
            return;
        };
        *carried = carried.saturating_add(count);
        let (carried, at) = (*carried, self.plan.cut_at);
        if let Some((cut, byte, fault)) = at
            && cut == direction
            && byte == carried
            && !self.is_calm()
        {
            self.faults = self.faults.saturating_add(1);
            self.cut(id, fault);
        }
    }
}
