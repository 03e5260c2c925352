//! The mux: one background process a user, which owns the SSH connections and the links of all
//! attached sessions. Command lines come and go; it stays as long as it holds something.

mod asking;
mod askpass;
mod caller;
mod carrier;
mod configuration;
mod enter;
mod enumerate;
mod errand;
mod examination;
mod execute;
mod failure;
mod feeding;
mod held;
mod hold;
mod hosts;
mod invoke;
mod keeper;
mod lists;
mod logins;
mod new;
mod patience;
mod prompt;
mod receive;
mod registry;
mod remove;
mod request;
mod reserve;
mod terms;
mod transport;
mod turns;
mod waking;
mod wire;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::Write;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use outlast_protocol::id::InstanceId;
use outlast_rendezvous::listener::bind;
use outlast_rendezvous::peer::check_peer;
use outlast_rendezvous::{Newcomers, PrivateDirectory};
use rustix::fs::{Mode, OFlags};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, LocalSet};

use self::held::Held;
use self::hosts::Hosts;
use self::registry::Registry;
use self::turns::Turns;
use crate::place::{MUX_SOCKET, Place};
use crate::ssh::end_masters;

pub(crate) use self::transport::find as find_subsystem;

/// What the mux writes to its standard output once it listens.
pub const READY: u8 = b'+';

/// Environment variable with the seconds of holding nothing after which the mux leaves.
pub const IDLE_EXIT: &str = "OUTLAST_MUX_IDLE";
/// And without it.
pub const DEFAULT_IDLE_EXIT: Duration = Duration::from_secs(600);
/// Command lines that may have connected and not yet said what they want.
const UNFINISHED: usize = 256;

/// The mux's state. One thread owns it; no borrow lives across an await.
struct Mux {
    registry: RefCell<Registry>,
    held: RefCell<BTreeMap<InstanceId, Rc<Held>>>,
    /// Sessions this client looks at, whoever holds them.
    watched: RefCell<BTreeMap<InstanceId, Rc<Held>>>,
    /// One at a time attaches a session: the next finds it held.
    turns: Turns<InstanceId>,
    hosts: Rc<Hosts>,
    requests: Cell<usize>,
    newcomers: RefCell<Newcomers<AbortHandle>>,
    activity: Notify,
    stop: Notify,
    /// Whether the list of sessions has changes that are not written yet.
    unsaved: Cell<bool>,
    started_ms: u64,
    idle_exit: Duration,
}

/// Runs the mux until it has held nothing for long enough. Returns the process's exit code.
pub fn serve() -> u8 {
    match start() {
        Ok(()) => 0,
        Err(error) => {
            // Whoever started us reads this in place of READY.
            let _ = writeln!(std::io::stdout(), "{error}");
            1
        }
    }
}

fn start() -> Result<(), Box<dyn std::error::Error>> {
    // A new session, so that no terminal and no login of the starter can end us, and no ssh that
    // we start has a terminal to ask on. It fails where we lead one already, and would where we
    // led a group.
    let _ = rustix::process::setsid();
    rustix::process::umask(Mode::from_bits_truncate(0o077));
    let place = Place::of_environment()?;
    let directory = place.state()?;
    let registry = Registry::load(place.state()?)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let listener = bind(&directory, MUX_SOCKET)?;
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener)?;
        let mux = Mux::new(registry, &directory);
        release_standard_streams()?;
        let left = directory.names().unwrap_or_default();
        let sockets = directory.path().to_owned();
        tokio::task::spawn_local(async move { end_masters(&sockets, left).await });
        mux.run(&listener).await;
        mux.save();
        // Until here whoever comes finds us, goes away empty, and comes again: behind it the socket
        // is the next one's.
        let _ = directory.remove_file(MUX_SOCKET);
        drop(listener);
        mux.hosts.close().await;
        Ok::<(), Box<dyn std::error::Error>>(())
    })
}

/// Says that we listen, and holds nothing of the starter's.
fn release_standard_streams() -> std::io::Result<()> {
    std::io::stdout().write_all(&[READY])?;
    std::io::stdout().flush()?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    std::env::set_current_dir("/")
}

/// Writes a line into `mux.log`.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A command line is being served. It is not any more when this is dropped, however that came.
struct Busy(Rc<Mux>);

impl Busy {
    fn new(mux: &Rc<Mux>) -> Self {
        mux.requests.set(mux.requests.get().saturating_add(1));
        Self(mux.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let requests = &self.0.requests;
        requests.set(requests.get().saturating_sub(1));
        self.0.activity.notify_one();
    }
}

impl Mux {
    fn new(registry: Registry, directory: &PrivateDirectory) -> Rc<Self> {
        let named = std::env::var(IDLE_EXIT)
            .ok()
            .and_then(|seconds| seconds.parse().ok());
        Rc::new(Self {
            registry: RefCell::new(registry),
            held: RefCell::default(),
            watched: RefCell::default(),
            turns: Turns::new(1),
            hosts: Hosts::new(directory.path()),
            requests: Cell::new(0),
            newcomers: RefCell::new(Newcomers::new(UNFINISHED)),
            activity: Notify::new(),
            stop: Notify::new(),
            unsaved: Cell::new(false),
            started_ms: now_ms(),
            idle_exit: named.map_or(DEFAULT_IDLE_EXIT, Duration::from_secs),
        })
    }

    async fn run(self: &Rc<Self>, listener: &UnixListener) {
        let hosts = self.hosts.clone();
        tokio::task::spawn_local(async move { hosts.sweep().await });
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).ok();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        self.accept(stream);
                        // Each is heard before the next can push it out.
                        tokio::task::yield_now().await;
                    }
                    Err(error) => {
                        complain(&format!("cannot accept a command line: {error}"));
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
                () = self.idle() => return,
                () = self.stop.notified() => break,
                () = async {
                    match &mut terminate {
                        Some(signal) => { signal.recv().await; }
                        None => std::future::pending().await,
                    }
                } => break,
            }
        }
        self.let_go().await;
    }

    fn accept(self: &Rc<Self>, stream: UnixStream) {
        let checked = stream.into_std().and_then(|stream| {
            check_peer(&stream).map_err(std::io::Error::other)?;
            UnixStream::from_std(stream)
        });
        match checked {
            Ok(stream) => {
                let number = self.newcomers.borrow().next();
                let busy = Busy::new(self);
                let task = tokio::task::spawn_local(async move {
                    request::serve(&busy.0, stream, number).await;
                    drop(busy);
                });
                let pushed_out = self.newcomers.borrow_mut().admit(task.abort_handle());
                if let Some(oldest) = pushed_out {
                    oldest.abort();
                }
            }
            Err(error) => complain(&format!("a peer was turned away: {error}")),
        }
    }

    /// Ends when nothing has been held for the configured time.
    async fn idle(&self) {
        loop {
            let holds = self.attached() > 0 || self.requests.get() > 0;
            if holds {
                self.activity.notified().await;
                continue;
            }
            let quiet = tokio::time::timeout(self.idle_exit, self.activity.notified()).await;
            let holds = self.attached() > 0 || self.requests.get() > 0;
            if quiet.is_err() && !holds {
                return;
            }
        }
    }

    /// How many attachments there are.
    fn attached(&self) -> usize {
        let held = self.held.borrow().len();
        held.saturating_add(self.watched.borrow().len())
    }

    /// Leaves every session running, disconnected.
    async fn let_go(&self) {
        let mut all: Vec<_> = self.held.borrow().values().cloned().collect();
        all.extend(self.watched.borrow().values().cloned());
        for held in &all {
            drop(held.detach(None));
        }
        let gone = async {
            while self.attached() > 0 {
                self.activity.notified().await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(2), gone).await;
    }

    /// Writes the list of sessions if what was received has changed.
    fn save_received(&self) {
        if self.unsaved.take() {
            self.save();
        }
    }

    /// Writes the list of sessions. A full disk must not stop anything that runs.
    fn save(&self) {
        if let Err(error) = self.registry.borrow().save() {
            complain(&format!("cannot save the list of sessions: {error}"));
        }
    }
}

/// Now, in Unix milliseconds.
fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
