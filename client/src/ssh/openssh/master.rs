//! A control master: an `ssh` in the background that holds an authenticated connection.

use std::cell::Cell;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::ask::Asking;
use super::askpass::Desk;
use super::diagnosis::diagnose;
use super::leg::Leg;
use super::link::{MasterLink, Opened};
use super::plan::Plan;
use super::program::Program;
use super::words::{Listener, Words};
use crate::ssh::{ConnectError, ConnectErrorKind, Description, Environment, OpenError, Prompt};

/// The begin of the names of our sockets.
const SOCKET: &str = "ssh-";
/// A master that is lost with its mux leaves when it has had nothing to do for so long.
const PERSIST: &str = "ControlPersist=90";
/// Longest try to connect where the configuration does not say.
const CONNECT_TIMEOUT: u64 = 15;
/// What a local exchange with a master may take; one that is stopped never answers.
const EXCHANGE: Duration = Duration::from_secs(2);
/// How long to wait for the rest of what an ssh says that has connected, or has ended: a proxy
/// command that it left may keep its standard error open.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long the first byte of a link may take, where the connection may be dead.
const FIRST_BYTE: Duration = Duration::from_secs(10);

/// The options that make an ssh a master, and nothing else of it: what is forwarded, and what runs
/// at the other end, is not its affair. They come first, since the first value holds.
const OPTIONS: [&str; 6] = [
    PERSIST,
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "RequestTTY=no",
    "Tunnel=no",
];

/// A connection that an `ssh` holds.
pub struct Master {
    program: Program,
    socket: String,
    name: String,
    host: String,
    /// What `SendEnv` and `SetEnv` say.
    environment: Vec<String>,
    /// Whether it is ours to end.
    owned: bool,
    ended: Cell<bool>,
    /// It has just authenticated: it is not dead, whatever its first link does.
    fresh: Cell<bool>,
    listener: Listener,
}

impl Master {
    /// The master that the user's own configuration names, if it runs.
    pub async fn of_user(plan: &Plan) -> Option<Self> {
        let socket = plan.control_path.clone()?;
        let mut call = plan.program.call_master(&socket);
        call.args(["-O", "check", "--", &plan.name]);
        let status = tokio::time::timeout(EXCHANGE, call.status()).await;
        let runs = matches!(status, Ok(Ok(status)) if status.success());
        runs.then(|| Self::new(plan, socket, false, Listener::default()))
    }

    /// Connects and authenticates. `prompt` is asked where a person must decide, by way of `desk`.
    pub async fn connect(
        plan: &Plan,
        prompt: &dyn Prompt,
        desk: &Desk,
    ) -> Result<Self, ConnectError> {
        let failed = |detail: String| ConnectError {
            host: plan.host.clone(),
            port: plan.port,
            kind: ConnectErrorKind::Unreachable { detail },
        };
        let socket = format!("{SOCKET}{}", random());
        let mut counter = desk.open();
        let mut call = plan.program.call_to_listen(&socket);
        call.args(["-v", "-N", "-T", "-M"])
            .args(OPTIONS.iter().flat_map(|option| ["-o", option]));
        if plan.takes_new_keys {
            // A changed key is refused all the same.
            call.args(["-o", "StrictHostKeyChecking=accept-new"]);
        }
        if !plan.has_connect_timeout {
            call.args(["-o", &format!("ConnectTimeout={CONNECT_TIMEOUT}")]);
        }
        call.args(&plan.arguments)
            .envs(counter.variables(plan.program.environment().variable("DISPLAY")))
            .stderr(Stdio::piped());
        let mut child = call
            .spawn()
            .map_err(|error| failed(format!("ssh does not start: {error}")))?;
        let listener = child.stderr.take().map(Listener::to).unwrap_or_default();
        let mut asking = Asking::default();
        // It ends when it has authenticated, and goes on in the background.
        let status = loop {
            let asked = tokio::select! {
                status = child.wait() => break status,
                asked = counter.next() => asked,
            };
            tokio::select! {
                status = child.wait() => break status,
                () = asking.put(asked, prompt) => {}
            }
        };
        let words = tokio::time::timeout(LAST_WORDS, listener.all()).await;
        let words = words.unwrap_or_else(|_| listener.words().clone());
        match status {
            Ok(status) if status.success() => Ok(Self::new(plan, socket, true, listener)),
            _ => Err(diagnose(
                &words,
                asking,
                &plan.host,
                plan.port,
                CONNECT_TIMEOUT,
            )),
        }
    }

    fn new(plan: &Plan, socket: String, owned: bool, listener: Listener) -> Self {
        Self {
            program: plan.program.clone(),
            socket,
            name: plan.name.clone(),
            host: plan.host.clone(),
            environment: plan.environment.clone(),
            owned,
            ended: Cell::new(false),
            fresh: Cell::new(owned),
            listener,
        }
    }

    /// Opens a channel and asks for the subsystem; where there is none, runs the command instead.
    pub async fn open_link(&self, subsystem: &str, command: &str) -> Result<MasterLink, OpenError> {
        let host = || self.host.clone();
        for (in_place, words) in [(false, &["-s", subsystem][..]), (true, &[command])] {
            match self.start(words).await? {
                Opened::Link(link) => {
                    self.fresh.set(false);
                    return Ok(link.with(in_place));
                }
                Opened::Refused => {}
                Opened::Silent(link) if self.fresh.get() => {
                    return Ok(link.with(in_place));
                }
                Opened::Silent(_) => return Err(OpenError::TimedOut { host: host() }),
                Opened::ChannelRefused(reason) => {
                    let host = host();
                    return Err(OpenError::ChannelRefused { host, reason });
                }
                Opened::Lost(reason) => {
                    let host = host();
                    return Err(OpenError::Disconnected { host, reason });
                }
            }
        }
        Err(OpenError::RequestRefused {
            host: host(),
            subsystem: subsystem.to_owned(),
            command: command.to_owned(),
        })
    }

    /// Opens a channel and runs a command on it, which has to say something at once.
    pub async fn open_command(&self, command: &str) -> Result<MasterLink, OpenError> {
        let host = self.host.clone();
        match self.start(&[command]).await? {
            Opened::Link(link) => {
                self.fresh.set(false);
                Ok(link)
            }
            Opened::Silent(link) if self.fresh.get() => Ok(link),
            Opened::Silent(_) => Err(OpenError::TimedOut { host }),
            Opened::Refused => Err(OpenError::CommandRefused { host }),
            Opened::ChannelRefused(reason) => Err(OpenError::ChannelRefused { host, reason }),
            Opened::Lost(reason) => Err(OpenError::Disconnected { host, reason }),
        }
    }

    async fn start(&self, words: &[&str]) -> Result<Opened, OpenError> {
        let (flags, command) = match words {
            ["-s", subsystem] => (&["-s"][..], *subsystem),
            words => (&[][..], words.first().copied().unwrap_or_default()),
        };
        let mut call = self.program.call_master(&self.socket);
        call.args(self.environment.iter().flat_map(|value| ["-o", value]))
            .args(flags)
            .args(["--", &self.name, command]);
        let opened = MasterLink::open(call, FIRST_BYTE).await;
        opened.map_err(|error| OpenError::Disconnected {
            host: self.host.clone(),
            reason: format!("ssh does not start: {error}"),
        })
    }

    /// Whether it is known to be gone. One that was killed shows when it is used.
    pub fn is_closed(&self) -> bool {
        self.ended.get() || !self.program.directory().join(&self.socket).exists()
    }

    /// Whether it is the user's own.
    pub fn is_of_user(&self) -> bool {
        !self.owned
    }

    /// What was agreed with the server, if it is ours.
    pub fn description(&self) -> Description {
        self.route()
            .pop()
            .map_or_else(Description::default, |leg| leg.description)
    }

    /// The connections on the way, the nearest first; none if it is not ours. What goes through a
    /// master of the user's own is not told.
    pub fn route(&self) -> Vec<Leg> {
        self.words().legs.clone()
    }

    /// What did not go well though the connection stands.
    pub fn warnings(&self) -> Vec<String> {
        self.words().warnings()
    }

    fn words(&self) -> std::sync::MutexGuard<'_, Words> {
        self.listener.words()
    }

    /// Ends it, with every link on it, unless it is the user's own.
    pub async fn end(&self) {
        if self.owned && !self.ended.replace(true) {
            end(&self.program, &self.socket, &self.name).await;
        }
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        let due = self.owned && !self.ended.replace(true);
        if let (true, Ok(runtime)) = (due, tokio::runtime::Handle::try_current()) {
            let (program, socket) = (self.program.clone(), self.socket.clone());
            let name = self.name.clone();
            runtime.spawn(async move { end(&program, &socket, &name).await });
        }
    }
}

async fn end(program: &Program, socket: &str, name: &str) {
    let mut call = program.call_master(socket);
    call.args(["-O", "exit", "--", name]);
    // One that does not hear us leaves when it has been unused for long enough.
    let _ = tokio::time::timeout(EXCHANGE, call.status()).await;
    // A master that was killed has left it.
    let _ = std::fs::remove_file(program.directory().join(socket));
}

/// Ends the masters that an earlier mux left in that directory.
pub async fn end_masters(directory: &Path, names: Vec<String>) {
    let mut left = names
        .into_iter()
        .filter(|name| name.starts_with(SOCKET))
        .peekable();
    if left.peek().is_none() {
        return;
    }
    let program = Program::find(&Environment::of_process(), directory);
    for socket in left {
        if let Some(program) = &program {
            end(program, &socket, "left").await;
        }
    }
}

/// Short enough for a socket's name, long enough for no other to have it.
fn random() -> String {
    let mut text = uuid::Uuid::new_v4().simple().to_string();
    text.truncate(12);
    text
}
