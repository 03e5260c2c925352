//! SSH connections, one or more a computer, shared by all its sessions.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use outlast_protocol::control::session::Hop;
use outlast_protocol::control::target::{Target, Transport};
use outlast_protocol::control::to_mux::Surroundings;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::Instant;

use super::carrier::{Carrier, Purpose, Words, route};
use super::configuration;
use super::failure::Failure;
use super::logins::Logins;
use super::terms::Terms;
use super::transport::{self, Stream};
use super::turns::Turns;
use super::waking::Waking;
use super::wire::Wire;
use crate::ssh::{Connection, Desk, HostConfig, LogLevel, Master, OpenError, Plan, Prompt, Proxy};

/// Handshakes with one sshd at the same time: MaxStartups drops more at random.
const HANDSHAKES: usize = 8;
/// How long a connection without links is kept for the next one.
const LINGER: Duration = Duration::from_secs(60);

/// How long one command waits in silence for another that connects to the same computer.
const PATIENCE: Duration = Duration::from_secs(2);

/// One SSH connection and how many links use it.
struct Shared {
    carrier: Carrier,
    terms: Rc<Terms>,
    links: Cell<u32>,
    unused_since: Cell<Option<Instant>>,
}

impl Shared {
    fn is_overdue(&self) -> bool {
        let since = self.unused_since.get();
        since.is_some_and(|since| since.elapsed() >= LINGER)
    }
}

#[derive(Default)]
struct Host {
    connections: Vec<Rc<Shared>>,
}

/// All SSH connections of the mux.
pub(super) struct Hosts {
    hosts: RefCell<BTreeMap<Target, Host>>,
    /// One at a time connects to a target: the next finds the connection there.
    turns: Turns<Target>,
    handshakes: Turns<(String, u16)>,
    /// Rung when a connection has lost its last link.
    unused: Notify,
    waking: Waking,
    logins: Logins,
    /// Hosts whose weaker key exchange somebody was told of.
    told: RefCell<BTreeSet<(String, u16)>>,
    /// Where the control sockets of `ssh` are.
    directory: PathBuf,
    /// Where the questions of `ssh` arrive.
    desk: Desk,
}

impl Hosts {
    /// Those of `ssh` have their sockets in that directory.
    pub(super) fn new(directory: &Path) -> Rc<Self> {
        Rc::new(Self {
            hosts: RefCell::default(),
            turns: Turns::new(1),
            handshakes: Turns::new(HANDSHAKES),
            unused: Notify::new(),
            waking: Waking::listen(),
            logins: Logins::new(),
            told: RefCell::default(),
            directory: directory.to_owned(),
            desk: Desk::default(),
        })
    }

    /// Where the questions of `ssh` arrive.
    pub(super) fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Rings when this computer has slept.
    pub(super) fn waking(&self) -> &Waking {
        &self.waking
    }

    /// Opens a link to a computer, over a connection that is there or a new one.
    /// `notice` hears of options that are ignored and the like.
    pub(super) async fn open(
        self: &Rc<Self>,
        target: &Target,
        surroundings: &Surroundings,
        prompt: &dyn Prompt,
        notice: &dyn Fn(String),
    ) -> Result<(Wire, Use), Failure> {
        let waking = self.waking.clone();
        if target.is_local() {
            let (stream, diagnose) = transport::local()?;
            let wire = Wire::greet(stream, diagnose, "this computer", waking).await?;
            return Ok((wire, Use::none()));
        }
        let (stream, words, used) = self
            .channel(target, surroundings, prompt, notice, Purpose::Link)
            .await?;
        let wire = Wire::greet(stream, words.into(), &target.destination, waking).await?;
        Ok((wire, used))
    }

    /// Opens a channel to another computer, over a connection that is there or a new one.
    pub(super) async fn channel(
        self: &Rc<Self>,
        target: &Target,
        surroundings: &Surroundings,
        prompt: &dyn Prompt,
        notice: &dyn Fn(String),
        purpose: Purpose<'_>,
    ) -> Result<(Stream, Words, Use), Failure> {
        if let Some(opened) = self.over_existing(target, purpose).await? {
            return Ok(opened);
        }
        let _turn = self.turn(target, notice).await;
        // Whoever had the turn before may have connected, with room for us.
        if let Some(opened) = self.over_existing(target, purpose).await? {
            return Ok(opened);
        }
        loop {
            let (carrier, terms) = match target.transport {
                Transport::Native => self.native(target, surroundings, prompt, notice).await?,
                Transport::OpenSsh => {
                    let carrier = self.openssh(target, surroundings, prompt, notice).await?;
                    // What the configuration says of sessions is done by each link's own ssh.
                    (carrier, Terms::default())
                }
            };
            let (shared, used) = self.share(target, carrier, terms);
            match shared.carrier.open(purpose).await {
                // The user's own master has no room for us: one of our own, then.
                Err(OpenError::ChannelRefused { .. }) if shared.carrier.is_of_user() => {}
                link => {
                    let (stream, words) = link?;
                    return Ok((stream, words, used));
                }
            }
        }
    }

    /// Has a connection serve whoever comes, for as long as somebody uses it, and a while longer.
    fn share(
        self: &Rc<Self>,
        target: &Target,
        carrier: Carrier,
        terms: Terms,
    ) -> (Rc<Shared>, Use) {
        let shared = Rc::new(Shared {
            carrier,
            terms: Rc::new(terms),
            links: Cell::new(0),
            unused_since: Cell::new(None),
        });
        let mut hosts = self.hosts.borrow_mut();
        let host = hosts.entry(target.clone()).or_default();
        host.connections.push(shared.clone());
        drop(hosts);
        let used = Use::new(self, &shared);
        (shared, used)
    }

    async fn native(
        &self,
        target: &Target,
        surroundings: &Surroundings,
        prompt: &dyn Prompt,
        notice: &dyn Fn(String),
    ) -> Result<(Carrier, Terms), Failure> {
        let config = configuration::of(target, surroundings).await?;
        let is_loud = config.log_level >= LogLevel::Info;
        let ignored = configuration::ignored(&config).map(ToString::to_string);
        let notes = config.notes.iter().cloned().chain(ignored);
        notes.filter(|_| is_loud).for_each(notice);
        let connection = self.connect(&config, surroundings, prompt).await?;
        let warnings = connection.warnings().iter().cloned();
        warnings.filter(|_| is_loud).for_each(notice);
        if config.log_level >= LogLevel::Verbose {
            notice(connected(&connection));
        }
        if surroundings.interactive && is_loud && config.warn_weak_crypto {
            self.tell_weaker(&connection, notice);
        }
        Ok((Carrier::Native(connection), Terms::of(&config)))
    }

    async fn openssh(
        &self,
        target: &Target,
        surroundings: &Surroundings,
        prompt: &dyn Prompt,
        notice: &dyn Fn(String),
    ) -> Result<Carrier, Failure> {
        let plan = self.plan(target, surroundings).await?;
        let full = self.connections(target);
        // The user's own is used as it is, for as long as it has room.
        if full.iter().all(|shared| !shared.carrier.is_of_user())
            && let Some(master) = Master::of_user(&plan).await
        {
            return Ok(Carrier::OpenSsh(master));
        }
        let trying = self.logins.begin_by_ssh(&plan, surroundings).await?;
        let _permit = self.handshakes.take((plan.host.clone(), plan.port)).await;
        match Master::connect(&plan, prompt, &self.desk).await {
            Ok(master) => {
                trying.worked();
                master.warnings().into_iter().for_each(notice);
                Ok(Carrier::OpenSsh(master))
            }
            Err(error) => {
                let failure = Failure::from(error);
                trying.failed(&plan.host, plan.port, &failure);
                Err(failure)
            }
        }
    }

    /// How `ssh` reaches a computer.
    pub(super) async fn plan(
        &self,
        target: &Target,
        surroundings: &Surroundings,
    ) -> Result<Plan, Failure> {
        configuration::plan(target, surroundings, &self.directory).await
    }

    /// Waits for the command line that connects just now, and says so if it takes its time: somebody
    /// may be typing a password there.
    async fn turn(&self, target: &Target, notice: &dyn Fn(String)) -> Option<OwnedSemaphorePermit> {
        let turn = self.turns.take(target.clone());
        tokio::pin!(turn);
        tokio::select! {
            turn = &mut turn => return turn,
            () = tokio::time::sleep(PATIENCE) => {
                let host = &target.destination;
                notice(format!("another command is connecting to {host}: waiting for it"));
            }
        }
        turn.await
    }

    /// Connects, unless the same was refused before.
    async fn connect(
        &self,
        config: &HostConfig,
        surroundings: &Surroundings,
        prompt: &dyn Prompt,
    ) -> Result<Connection, Failure> {
        let trying = self.logins.begin(config, surroundings.run).await?;
        // The sshd that sees us first is the one that counts our handshakes.
        let first = match &config.proxy {
            Proxy::Jump(chain) => chain.first().unwrap_or(config),
            Proxy::None | Proxy::Command(_) => config,
        };
        let _permit = self.handshakes.take((first.host.clone(), first.port)).await;
        match Connection::connect(config, prompt).await {
            Ok(connection) => {
                trying.worked();
                Ok(connection)
            }
            Err(error) => {
                let (host, port) = (error.host.clone(), error.port);
                let failure = Failure::from(error);
                trying.failed(&host, port, &failure);
                Err(failure)
            }
        }
    }

    /// Once for each host: what ssh would have done better.
    fn tell_weaker(&self, connection: &Connection, notice: &dyn Fn(String)) {
        for hop in route(connection) {
            let is_news = !hop.weaker.is_empty()
                && self.told.borrow_mut().insert((hop.host.clone(), hop.port));
            if is_news {
                notice(format!("{}: {}", hop.host, hop.weaker));
            }
        }
    }

    /// The SSH connections to a computer; none without one.
    pub(super) fn route(&self, target: &Target) -> Vec<Hop> {
        let connections = self.connections(target);
        connections
            .first()
            .map_or_else(Vec::new, |shared| shared.carrier.route())
    }

    async fn over_existing(
        self: &Rc<Self>,
        target: &Target,
        purpose: Purpose<'_>,
    ) -> Result<Option<(Stream, Words, Use)>, Failure> {
        for shared in self.connections(target) {
            let used = Use::new(self, &shared);
            match shared.carrier.open(purpose).await {
                Ok((stream, words)) => return Ok(Some((stream, words, used))),
                // MaxSessions, or a connection that just broke: another may serve.
                Err(OpenError::ChannelRefused { .. }) => {}
                Err(OpenError::Disconnected { .. } | OpenError::TimedOut { .. }) => {
                    self.forget(target, &shared);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    fn connections(&self, target: &Target) -> Vec<Rc<Shared>> {
        let mut hosts = self.hosts.borrow_mut();
        let Some(host) = hosts.get_mut(target) else {
            return Vec::new();
        };
        host.connections
            .retain(|shared| !shared.carrier.is_closed());
        host.connections.clone()
    }

    fn forget(&self, target: &Target, shared: &Rc<Shared>) {
        if let Some(host) = self.hosts.borrow_mut().get_mut(target) {
            host.connections.retain(|other| !Rc::ptr_eq(other, shared));
        }
    }

    /// Ends what would go on without this process.
    pub(super) async fn close(&self) {
        let hosts = std::mem::take(&mut *self.hosts.borrow_mut());
        for shared in hosts.into_values().flat_map(|host| host.connections) {
            shared.carrier.end().await;
        }
    }

    /// Closes connections that nobody has used for a while, for as long as the mux lives.
    pub(super) async fn sweep(&self) {
        loop {
            self.unused.notified().await;
            tokio::time::sleep(LINGER).await;
            for host in self.hosts.borrow_mut().values_mut() {
                host.connections
                    .retain(|shared| shared.links.get() > 0 || !shared.is_overdue());
            }
        }
    }

    /// Every connection, for people: the computer, and what was negotiated.
    pub(super) fn report(&self) -> Vec<(String, String)> {
        let hosts = self.hosts.borrow();
        let mut report = Vec::new();
        for (target, host) in hosts.iter() {
            let open = host.connections.iter();
            for shared in open.filter(|shared| !shared.carrier.is_closed()) {
                let (how, links) = (shared.carrier.words(), shared.links.get());
                report.push((target.destination.clone(), format!("{how}, {links} links")));
            }
        }
        report
    }
}

/// Counts a link on its connection as long as it is kept.
pub(super) struct Use {
    of: Option<(Rc<Hosts>, Rc<Shared>)>,
}

impl Use {
    fn none() -> Self {
        Self { of: None }
    }

    /// What the host's configuration says about sessions there.
    pub(super) fn terms(&self) -> Rc<Terms> {
        let of = self.of.as_ref();
        of.map_or_else(Rc::default, |(_, shared)| shared.terms.clone())
    }

    fn new(hosts: &Rc<Hosts>, shared: &Rc<Shared>) -> Self {
        shared.links.set(shared.links.get().saturating_add(1));
        Self {
            of: Some((hosts.clone(), shared.clone())),
        }
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        let Some((hosts, shared)) = self.of.take() else {
            return;
        };
        shared.links.set(shared.links.get().saturating_sub(1));
        if shared.links.get() == 0 {
            shared.unused_since.set(Some(Instant::now()));
            hosts.unused.notify_one();
        }
    }
}

/// What `LogLevel VERBOSE` is told.
fn connected(connection: &Connection) -> String {
    let about = connection.description();
    let compressed = match about.compression.as_str() {
        "none" => String::new(),
        name => format!(" {name}"),
    };
    format!(
        "connected to {}: {} {} {} {}{compressed}",
        connection.host(),
        about.server,
        about.kex,
        about.cipher,
        about.host_key
    )
}
