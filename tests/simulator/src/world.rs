//! One world: a remote computer, clients, channels between them, and a clock that goes on only
//! when something happens. Everything that can happen next is listed, one of it is drawn.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::time::Duration;

use crate::channel::{Channel, Remote};
use crate::cli::{Ask, Cli, Failure, State};
use crate::computer::Computer;
use crate::mux::Mux;
use crate::plan::Plan;
use crate::random::Random;
use crate::trace::Trace;
use crate::violation::Violation;

/// A client with its user.
pub struct User {
    /// Its mux.
    pub mux: Mux,
    /// What the user will ask for, and whether before the last thing is done.
    pub asks: VecDeque<(Ask, bool)>,
    /// The mux process is stopped until then.
    pub frozen: Duration,
}

/// A world.
pub struct World {
    /// Its laws.
    pub plan: Plan,
    /// What draws.
    pub random: Random,
    /// The time.
    pub now: Duration,
    /// Steps so far.
    pub step: u64,
    /// The remote computer.
    pub computer: Computer,
    /// The host process is stopped until then.
    pub host_frozen: Duration,
    /// Who uses the session.
    pub users: Vec<User>,
    /// Every command line there ever was.
    pub clis: Vec<Cli>,
    /// The channels.
    pub channels: BTreeMap<u32, Channel>,
    /// Bytes that came through, up and down.
    pub carried: [u64; 2],
    /// Channels opened so far.
    pub opened: u32,
    /// What happened.
    pub trace: Trace,
    /// How far the end has come; `None` while faults may happen.
    pub finale: Option<usize>,
    /// Faults that happened.
    pub faults: u64,
    /// When the disk works again.
    pub mend: Option<Duration>,
    /// The last record that survived the host's death.
    pub recovered: Option<outlast_protocol::id::Seq>,
    /// The last record there was when the present part of the finale began.
    pub due: outlast_protocol::id::Seq,
    /// Most bytes that were under way in both directions of a channel at once.
    pub both_full: u64,
    /// When the finale began.
    pub finale_since: Duration,
}

impl World {
    /// A world with these laws, whose files are in `root`.
    #[must_use]
    pub fn new(plan: Plan, root: &Path) -> Self {
        let mut random = Random::new(plan.seed);
        let users = plan.users(&mut random);
        let mut computer = Computer::new(root, plan.policy);
        for (at, user) in users.iter().enumerate() {
            for (ask, _) in &user.asks {
                if let Ask::Invoke(invoke) = ask {
                    let input = invoke.input.unwrap_or_default();
                    computer
                        .ledger
                        .asked(invoke.invocation, invoke.job.command, input);
                }
                if let Ask::Visit(visit) = ask {
                    computer.ledger.visits.asked(visit, at);
                }
            }
        }
        Self {
            random,
            now: Duration::ZERO,
            step: 0,
            computer,
            host_frozen: Duration::ZERO,
            users,
            clis: Vec::new(),
            channels: BTreeMap::new(),
            carried: [0, 0],
            opened: 0,
            trace: Trace::default(),
            finale: None,
            faults: 0,
            mend: None,
            recovered: None,
            due: outlast_protocol::id::Seq(0),
            both_full: 0,
            finale_since: Duration::ZERO,
            plan,
        }
    }

    /// Output bytes that command lines were told are lost.
    #[must_use]
    pub fn missing(&self) -> u64 {
        let missing = self.clis.iter().map(Cli::missing);
        missing.fold(0, u64::saturating_add)
    }

    /// Runs it to its end.
    pub fn run(&mut self) -> Result<(), Violation> {
        while self.advance()? {}
        Ok(())
    }

    /// Does one thing; returns whether there was one.
    pub fn advance(&mut self) -> Result<bool, Violation> {
        self.step = self.step.saturating_add(1);
        if self.step > self.plan.most_steps {
            return Err(Violation(format!("stuck: {}", self.state_in_words())));
        }
        for user in &mut self.users {
            let channel = user.mux.channel().and_then(|id| self.channels.get(&id));
            let heard =
                channel.is_some_and(|it| it.up.is_empty() && matches!(it.remote, Remote::Host(_)));
            // The host has heard everything: that there is a visitor.
            if heard && user.mux.outbox().is_some_and(|outbox| outbox.is_empty()) {
                for visit in user.mux.visits() {
                    self.computer.ledger.visits.seen(visit, self.now);
                }
            }
        }
        self.inject()?;
        let mut actions = Vec::new();
        self.list(&mut actions);
        if actions.is_empty() {
            if self.begin_finale()? {
                return Ok(!self.is_over());
            }
            let Some(next) = self.next_time() else {
                return Err(Violation(format!("stuck: {}", self.state_in_words())));
            };
            self.now = self.now.max(next);
            self.computer.set_time(self.now);
            return Ok(!self.is_over());
        }
        let drawn = self.random.index(actions.len());
        if let Some(action) = actions.get(drawn) {
            self.trace.note(self.step, self.now, action);
            self.perform(*action)?;
            self.computer.witness()?;
            self.drop_channels();
        }
        self.now = self
            .now
            .saturating_add(Duration::from_micros(self.random.below(self.plan.tick_us)));
        self.computer.set_time(self.now);
        Ok(!self.is_over())
    }

    fn is_over(&self) -> bool {
        self.finale.is_some_and(|at| at > 2 * self.users.len())
    }

    /// The clients let go of channels; what is under way may still come through.
    pub fn drop_channels(&mut self) {
        for user in 0..self.users.len() {
            let Some(them) = self.users.get_mut(user) else {
                continue;
            };
            for id in std::mem::take(&mut them.mux.dropped) {
                if let Some(channel) = self.channels.get_mut(&id) {
                    let under_way = channel.up.len() as u64;
                    let arrives = if self.random.chance(1, 2) {
                        under_way
                    } else {
                        self.random.between(0, under_way)
                    };
                    channel.up.cut(usize::try_from(arrives).unwrap_or_default());
                    channel.down.hang_up();
                }
            }
        }
        self.channels.retain(|_, channel| !channel.is_over());
    }

    /// The earliest time at which something may happen.
    fn next_time(&self) -> Option<Duration> {
        let mut times: Vec<Duration> = Vec::new();
        for channel in self.channels.values() {
            times.extend([channel.up.stalled, channel.down.stalled]);
            match &channel.remote {
                Remote::Host(link) => times.push(link.poll_timeout()),
                Remote::Relay(_) => times.push(channel.patience),
                _ => {}
            }
        }
        for user in &self.users {
            times.push(user.frozen);
            times.extend(user.mux.until());
        }
        for cli in &self.clis {
            times.push(cli.frozen);
            if let State::Asks(at) = cli.state {
                times.push(at);
            }
        }
        times.push(self.host_frozen);
        times.extend(self.mend);
        if let Some(process) = &self.computer.process {
            times.extend(process.look);
            times.extend(process.shell.until());
        }
        times.into_iter().filter(|time| *time > self.now).min()
    }

    /// What everybody waits for.
    #[must_use]
    pub fn state_in_words(&self) -> String {
        let clis: Vec<String> = self
            .clis
            .iter()
            .enumerate()
            .filter(|(_, cli)| !cli.is_done())
            .map(|(at, cli)| {
                format!(
                    "command line {at} of user {} ({}) {:?}, consumed {:?}",
                    cli.user,
                    words(&cli.ask),
                    cli.state,
                    cli.consumed
                )
            })
            .collect();
        let ups: Vec<bool> = self.users.iter().map(|user| user.mux.is_up()).collect();
        let ledger = &self.computer.ledger;
        format!(
            "after {} steps and {:?}; finale {:?}; links up {ups:?}; last record {:?}; active {:?}; \
             waiting: {}",
            self.step,
            self.now,
            self.finale,
            ledger.last(),
            self.computer.process.as_ref().map(|it| it.host.active()),
            clis.join("; ")
        )
    }

    /// A command line begins.
    pub fn begin(&mut self, user: usize, ask: Ask) {
        if ask.disturbs() || self.users.len() > 1 {
            let visits = &mut self.computer.ledger.visits;
            visits.disturbances = visits.disturbances.saturating_add(1);
        }
        self.clis.push(Cli::new(user, ask, self.now));
    }

    /// Whether all command lines of a user have ended.
    #[must_use]
    pub fn is_quiet(&self, user: usize) -> bool {
        let mut clis = self.clis.iter();
        clis.all(|cli| cli.user != user || cli.is_done())
    }

    /// How the last command line of a user ended.
    #[must_use]
    pub fn last_of(&self, user: usize) -> Option<&Result<(), Failure>> {
        let mut clis = self.clis.iter().rev();
        match &clis.find(|cli| cli.user == user)?.state {
            State::Done(result) => Some(result),
            _ => None,
        }
    }
}

/// An ask, for people.
#[must_use]
pub fn words(ask: &Ask) -> String {
    match ask {
        Ask::New(_) => "new".to_owned(),
        Ask::Invoke(invoke) => format!(
            "invoke {}{}",
            invoke.job.script(),
            if invoke.detached {
                " in the background"
            } else {
                ""
            }
        ),
        Ask::Visit(visit) => format!("visit {} of {} keys", visit.number, visit.keys),
        Ask::Receive { follow, from_start } => {
            format!("receive follow={follow} from_start={from_start}")
        }
        Ask::Connect(mode) => format!("connect {mode:?}"),
        Ask::Disconnect => "disconnect".to_owned(),
        Ask::Remove => "remove".to_owned(),
    }
}
