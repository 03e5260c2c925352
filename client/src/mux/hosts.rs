//! SSH connections, one or more a computer, shared by all its sessions.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use outlast_protocol::control::target::{Target, Transport};
use outlast_protocol::control::to_mux::Surroundings;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::carrier::Carrier;
use super::failure::Failure;
use super::transport::{self, Diagnose, Stream};
use super::turns::Turns;
use super::waking::Waking;
use super::wire::Wire;
use crate::ssh::{
    ConfigError, Connection, Desk, Destination, Environment, HostConfig, Master, OpenError, Plan,
    Prompt, SshOptions, resolve,
};

/// Handshakes with one sshd at the same time: MaxStartups drops more at random.
const HANDSHAKES: usize = 8;
/// How long a connection without links is kept for the next one.
const LINGER: Duration = Duration::from_secs(60);

/// One SSH connection and how many links use it.
struct Shared {
    carrier: Carrier,
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
        let _turn = self.turns.take(target.clone()).await;
        // Whoever had the turn before may have connected, with room for us.
        if let Some(opened) = self.over_existing(target).await? {
            return Ok(opened);
        }
        loop {
            let carrier = match target.transport {
                Transport::Native => self.native(target, surroundings, prompt, notice).await?,
                Transport::OpenSsh => self.openssh(target, surroundings, prompt).await?,
            };
            for warning in carrier.warnings() {
                notice(warning);
            }
            let (shared, used) = self.share(target, carrier);
            match shared.carrier.open_link().await {
                // The user's own master has no room for us: one of our own, then.
                Err(OpenError::ChannelRefused { .. }) if shared.carrier.is_of_user() => {}
                link => {
                    let (stream, diagnose) = link?;
                    return Ok((stream, diagnose, used));
                }
            }
        }
    }

    /// Has a connection serve whoever comes, for as long as somebody uses it, and a while longer.
    fn share(self: &Rc<Self>, target: &Target, carrier: Carrier) -> (Rc<Shared>, Use) {
        let shared = Rc::new(Shared {
            carrier,
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
    ) -> Result<Carrier, Failure> {
        let config = configuration(target, surroundings)?;
        // What a distribution writes into the system's file is no news to anybody.
        for option in config
            .ignored
            .iter()
            .filter(|option| !option.file.starts_with("/etc/"))
        {
            notice(option.to_string());
        }
        let permit = self
            .handshakes
            .take((config.host.clone(), config.port))
            .await;
        let connection = Connection::connect(&config, prompt).await?;
        drop(permit);
        Ok(Carrier::Native(connection))
    }

    async fn openssh(
        &self,
        target: &Target,
        surroundings: &Surroundings,
        prompt: &dyn Prompt,
    ) -> Result<Carrier, Failure> {
        let (destination, options) = destination(target)?;
        let environment = environment(surroundings);
        let plan = Plan::make(&destination, &options, &environment, &self.directory)
            .await
            .map_err(|error| {
                let hint = match error {
                    ConfigError::NoOpenSsh => "install OpenSSH's client, or use --transport native",
                    _ => "",
                };
                Failure::usage(error.to_string()).hint(hint)
            })?;
        let full = self.connections(target);
        // The user's own is used as it is, for as long as it has room.
        if full.iter().all(|shared| !shared.carrier.is_of_user())
            && let Some(master) = Master::of_user(&plan).await
        {
            return Ok(Carrier::OpenSsh(master));
        }
        let permit = self.handshakes.take((plan.host.clone(), plan.port)).await;
        let master = Master::connect(&plan, prompt, &self.desk).await?;
        drop(permit);
        Ok(Carrier::OpenSsh(master))
    }

    async fn over_existing(
        self: &Rc<Self>,
        target: &Target,
    ) -> Result<Option<(Stream, Diagnose, Use)>, Failure> {
        for shared in self.connections(target) {
            let used = Use::new(self, &shared);
            match shared.carrier.open_link().await {
                Ok((stream, diagnose)) => return Ok(Some((stream, diagnose, used))),
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

fn configuration(target: &Target, surroundings: &Surroundings) -> Result<HostConfig, Failure> {
    let (destination, options) = destination(target)?;
    resolve(&destination, &options, &environment(surroundings))
        .map_err(|error| Failure::usage(error.to_string()))
}

fn destination(target: &Target) -> Result<(Destination, SshOptions), Failure> {
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
    Ok((destination, options))
}

fn environment(surroundings: &Surroundings) -> Environment {
    let mut environment = Environment::of_process();
    // They are the caller's: the mux may have been started where there were others.
    for (name, value) in [
        ("SSH_AUTH_SOCK", &surroundings.agent_socket),
        ("KRB5CCNAME", &surroundings.kerberos_cache),
    ] {
        match value {
            Some(value) => environment.variables.insert(name.to_owned(), value.clone()),
            None => environment.variables.remove(name),
        };
    }
    environment
}
