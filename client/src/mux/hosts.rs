//! SSH connections, one or more a computer, shared by all its sessions.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use outlast_protocol::control::session::Hop;
use outlast_protocol::control::target::Target;
use outlast_protocol::control::to_mux::Surroundings;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::Instant;

use super::failure::Failure;
use super::logins::Logins;
use super::terms::Terms;
use super::transport::{self, Diagnose, Stream};
use super::turns::Turns;
use super::waking::Waking;
use super::wire::Wire;
use crate::ssh::{
    Connection, Destination, Environment, HostConfig, IgnoredOption, LogLevel, OpenError, Prompt,
    Proxy, SshOptions, resolve,
};

pub(super) const SUBSYSTEM: &str = "outlast";
pub(super) const FALLBACK: &str = "outlast-subsystem";
/// Handshakes with one sshd at the same time: MaxStartups drops more at random.
const HANDSHAKES: usize = 8;
/// How long a connection without links is kept for the next one.
const LINGER: Duration = Duration::from_secs(60);

/// How long one command waits in silence for another that connects to the same computer.
const PATIENCE: Duration = Duration::from_secs(2);

/// One SSH connection and how many links use it.
struct Shared {
    connection: Connection,
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
}

impl Hosts {
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self {
            hosts: RefCell::default(),
            turns: Turns::new(1),
            handshakes: Turns::new(HANDSHAKES),
            unused: Notify::new(),
            waking: Waking::listen(),
            logins: Logins::new(),
            told: RefCell::default(),
        })
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
        let (stream, diagnose, used) = self.channel(target, surroundings, prompt, notice).await?;
        let wire = Wire::greet(stream, diagnose, &target.destination, waking).await?;
        Ok((wire, used))
    }

    async fn channel(
        self: &Rc<Self>,
        target: &Target,
        surroundings: &Surroundings,
        prompt: &dyn Prompt,
        notice: &dyn Fn(String),
    ) -> Result<(Stream, Diagnose, Use), Failure> {
        if let Some(opened) = self.over_existing(target).await? {
            return Ok(opened);
        }
        let _turn = self.turn(target, notice).await;
        // Whoever had the turn before may have connected, with room for us.
        if let Some(opened) = self.over_existing(target).await? {
            return Ok(opened);
        }
        let config = configuration(target, surroundings).await?;
        let is_loud = config.log_level >= LogLevel::Info;
        let ignored = ignored(&config).map(ToString::to_string);
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
        let shared = Rc::new(Shared {
            connection,
            terms: Rc::new(Terms::of(&config)),
            links: Cell::new(0),
            unused_since: Cell::new(None),
        });
        self.hosts
            .borrow_mut()
            .entry(target.clone())
            .or_default()
            .connections
            .push(shared.clone());
        let link = shared.connection.open_link(SUBSYSTEM, FALLBACK).await?;
        Ok(self.used(shared, link))
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
            .map_or_else(Vec::new, |shared| route(&shared.connection))
    }

    async fn over_existing(
        self: &Rc<Self>,
        target: &Target,
    ) -> Result<Option<(Stream, Diagnose, Use)>, Failure> {
        for shared in self.connections(target) {
            match shared.connection.open_link(SUBSYSTEM, FALLBACK).await {
                Ok(link) => return Ok(Some(self.used(shared, link))),
                // MaxSessions, or a connection that just broke: another may serve.
                Err(OpenError::ChannelRefused { .. } | OpenError::Disconnected { .. }) => {}
                Err(OpenError::TimedOut { .. }) => self.forget(target, &shared),
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
            .retain(|shared| !shared.connection.is_closed());
        host.connections.clone()
    }

    fn forget(&self, target: &Target, shared: &Rc<Shared>) {
        if let Some(host) = self.hosts.borrow_mut().get_mut(target) {
            host.connections.retain(|other| !Rc::ptr_eq(other, shared));
        }
    }

    fn used(
        self: &Rc<Self>,
        shared: Rc<Shared>,
        link: crate::ssh::Link,
    ) -> (Stream, Diagnose, Use) {
        shared.links.set(shared.links.get().saturating_add(1));
        let words = link.last_words();
        let diagnose: Diagnose = Box::new(move || words.text());
        let used = Use {
            of: Some((self.clone(), shared)),
        };
        (Box::new(link), diagnose, used)
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
            for shared in host
                .connections
                .iter()
                .filter(|shared| !shared.connection.is_closed())
            {
                let about = shared.connection.description();
                let links = shared.links.get();
                report.push((
                    target.destination.clone(),
                    format!(
                        "{} {} {}, {links} links",
                        about.server, about.kex, about.cipher
                    ),
                ));
            }
        }
        report
    }
}

/// The connection and those it goes through, the nearest first.
fn route(connection: &Connection) -> Vec<Hop> {
    let mut hops = Vec::new();
    let mut next = Some(connection);
    while let Some(connection) = next {
        let about = connection.description();
        hops.push(Hop {
            host: connection.host().to_owned(),
            port: connection.port(),
            user: connection.user().to_owned(),
            server: about.server,
            kex: about.kex,
            cipher: about.cipher,
            mac: about.mac,
            host_key: about.host_key,
            strict_kex: about.strict_kex,
            authentication: about.accepted.methods,
            key: about.accepted.key,
            weaker: about.weaker,
        });
        next = connection.via();
    }
    hops.reverse();
    hops
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

/// Options of the configuration that have no effect here, as far as that is news: what a
/// distribution writes into the system's file is none.
pub(super) fn ignored(config: &HostConfig) -> impl Iterator<Item = &IgnoredOption> {
    let ignored = config.ignored.iter();
    ignored.filter(|option| !option.file.starts_with("/etc/"))
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

/// Files are read, programs run and name servers asked for it: not on the thread of the mux.
pub(super) async fn configuration(
    target: &Target,
    surroundings: &Surroundings,
) -> Result<HostConfig, Failure> {
    let destination: Destination = target
        .destination
        .parse()
        .map_err(|error: crate::ssh::DestinationError| Failure::usage(error.to_string()))?;
    let options = SshOptions {
        port: target.port,
        login: target.login.clone(),
        identities: target.identity_files.iter().map(Into::into).collect(),
        config_file: target.config_file.as_ref().map(Into::into),
        options: target.options.clone(),
    };
    let mut environment = match surroundings.environment.is_empty() {
        true => Environment::of_process(),
        false => Environment::of_caller(
            surroundings.environment.iter().cloned().collect(),
            match surroundings.directory.as_str() {
                "" => "/".into(),
                directory => directory.into(),
            },
        ),
    };
    // The agent is the caller's: the mux may have been started where there was another.
    match &surroundings.agent_socket {
        Some(socket) => environment
            .variables
            .insert("SSH_AUTH_SOCK".to_owned(), socket.clone()),
        None => environment.variables.remove("SSH_AUTH_SOCK"),
    };
    let resolving = move || resolve(&destination, &options, &environment);
    match tokio::task::spawn_blocking(resolving).await {
        Ok(resolved) => resolved.map_err(|error| Failure::usage(error.to_string())),
        Err(_) => Err(Failure::internal("the ssh configuration was not read")),
    }
}
