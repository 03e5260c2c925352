//! A network to be broken: a TCP proxy on loopback that a test cuts, stalls, slows and counts.

mod pump;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::OwnedFd;

use crate::deadline::Deadline;

/// What happens to bytes, and to new connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Forward,
    /// Nothing passes either way and nothing is closed: a dead router, a suspended laptop.
    Stall,
    /// Nothing passes in this direction alone, and nothing is closed.
    StallOne(Way),
    /// At most `bytes` at a time, and then none for `every`.
    Trickle {
        bytes: usize,
        every: Duration,
    },
    /// New connections are reset at once; old ones go on.
    Refuse,
}

/// A direction through the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From clients to the server.
    Up,
    /// From the server to clients.
    Down,
}

/// One end of a proxied connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Client,
    Server,
}

pub struct Proxy {
    address: SocketAddr,
    network: Arc<Network>,
    accepting: Option<JoinHandle<()>>,
}

/// What the test's thread and the connections' threads share.
struct Network {
    target: SocketAddr,
    /// Held for reading while bytes move: once a new mode is set, nothing moves by the old one.
    mode: RwLock<Mode>,
    /// Bytes that way after which the connection carrying them is cut, once.
    cut_at: Mutex<Option<(Way, u64)>>,
    connections: Mutex<Vec<Connection>>,
    /// Halves of connections whose other half is gone, open and silent until the proxy goes.
    silent: Mutex<Vec<TcpStream>>,
    up: AtomicU64,
    down: AtomicU64,
    refused: AtomicU64,
    progress: (Mutex<()>, Condvar),
    closing: AtomicBool,
}

/// What is to become of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Lives,
    /// Both ends are reset.
    Cut,
    /// This end is reset; the other is never told.
    HalfOpen(End),
}

struct Connection {
    fate: Arc<Mutex<Fate>>,
    wake: Arc<OwnedFd>,
    thread: JoinHandle<()>,
}

impl Proxy {
    pub fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback");
        let address = listener.local_addr().expect("bound above");
        let network = Arc::new(Network {
            target,
            mode: RwLock::new(Mode::Forward),
            cut_at: Mutex::new(None),
            connections: Mutex::default(),
            silent: Mutex::default(),
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            progress: (Mutex::new(()), Condvar::new()),
            closing: AtomicBool::new(false),
        });
        let accepting = std::thread::spawn({
            let network = Arc::clone(&network);
            move || network.accept(&listener)
        });
        Self {
            address,
            network,
            accepting: Some(accepting),
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resets all connections, on both sides, with whatever they still hold. Done when it returns.
    pub fn cut(&self) {
        self.network.end_all(Fate::Cut);
    }

    /// Resets one end of all connections; the other end stays open and hears nothing any more.
    /// Done when it returns.
    pub fn half_open(&self, reset: End) {
        self.network.end_all(Fate::HalfOpen(reset));
    }

    /// Cuts the connection as soon as the server has sent `count` more bytes through the proxy.
    pub fn cut_after(&self, count: u64) {
        *self.network.cut_at.lock().unwrap() = Some((Way::Down, self.bytes_down() + count));
    }

    /// Cuts the connection as soon as it has carried `count` more bytes to the server.
    pub fn cut_after_up(&self, count: u64) {
        *self.network.cut_at.lock().unwrap() = Some((Way::Up, self.bytes_up() + count));
    }

    pub fn stall(&self) {
        self.set(Mode::Stall);
    }

    pub fn stall_one(&self, way: Way) {
        self.set(Mode::StallOne(way));
    }

    pub fn trickle(&self, bytes: usize, every: Duration) {
        self.set(Mode::Trickle { bytes, every });
    }

    pub fn refuse(&self) {
        self.set(Mode::Refuse);
    }

    pub fn resume(&self) {
        self.set(Mode::Forward);
    }

    /// Bytes that have gone from clients to the server.
    pub fn bytes_up(&self) -> u64 {
        self.network.up.load(Ordering::SeqCst)
    }

    /// Bytes that have gone from the server to clients.
    pub fn bytes_down(&self) -> u64 {
        self.network.down.load(Ordering::SeqCst)
    }

    /// Waits until the server has sent `count` bytes in all.
    #[track_caller]
    pub fn wait_bytes_down(&self, count: u64) {
        self.wait_count(&self.network.down, count, "bytes");
    }

    /// Waits until the proxy has refused `count` connections in all.
    #[track_caller]
    pub fn wait_refused(&self, count: u64) {
        self.wait_count(&self.network.refused, count, "connections to refuse");
    }

    #[track_caller]
    fn wait_count(&self, counter: &AtomicU64, count: u64, what: &str) {
        let deadline = Deadline::usual();
        let (mutex, changed) = &self.network.progress;
        let mut guard = mutex.lock().unwrap();
        loop {
            let now = counter.load(Ordering::SeqCst);
            if now >= count {
                return;
            }
            assert!(
                !deadline.has_passed(),
                "only {now} of {count} {what} came in time"
            );
            guard = changed.wait_timeout(guard, deadline.remaining()).unwrap().0;
        }
    }

    /// Connections that are still up.
    pub fn connections(&self) -> usize {
        self.network.live_connections()
    }

    fn set(&self, mode: Mode) {
        *self.network.mode.write().unwrap() = mode;
        for connection in self.network.connections.lock().unwrap().iter() {
            connection.wake();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.network.closing.store(true, Ordering::SeqCst);
        self.network.end_all(Fate::Cut);
        // The accepting thread wakes by what it waits for.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

impl Network {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        while let Ok((client, _)) = listener.accept() {
            if self.closing.load(Ordering::SeqCst) {
                return;
            }
            // Refused by the mode, or by a server that is not there: both are a reset.
            let server = match self.mode() {
                Mode::Refuse => None,
                _ => TcpStream::connect(self.target).ok(),
            };
            match server {
                Some(server) => self.carry(client, server),
                None => {
                    pump::reset(&client);
                    drop(client);
                    self.count(&self.refused, 1);
                }
            }
        }
    }

    fn carry(self: &Arc<Self>, client: TcpStream, server: TcpStream) {
        let fate = Arc::new(Mutex::new(Fate::Lives));
        let wake = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).expect("eventfd");
        let wake = Arc::new(wake);
        let thread = std::thread::spawn({
            let (network, fate, wake) = (Arc::clone(self), Arc::clone(&fate), Arc::clone(&wake));
            move || pump::run(&network, client, server, &fate, &wake)
        });
        self.connections
            .lock()
            .unwrap()
            .push(Connection { fate, wake, thread });
    }

    fn end_all(&self, fate: Fate) {
        let connections = std::mem::take(&mut *self.connections.lock().unwrap());
        for connection in &connections {
            *connection.fate.lock().unwrap() = fate;
            connection.wake();
        }
        for connection in connections {
            let _ = connection.thread.join();
        }
    }

    fn live_connections(&self) -> usize {
        let mut connections = self.connections.lock().unwrap();
        connections.retain(|connection| !connection.thread.is_finished());
        connections.len()
    }

    fn keep_silent(&self, half: TcpStream) {
        self.silent.lock().unwrap().push(half);
    }

    fn mode(&self) -> Mode {
        *self.mode.read().unwrap()
    }

    /// How many bytes may still go that way before the cut.
    fn allowance(&self, way: Way) -> Option<u64> {
        let (cut_way, cut_at) = (*self.cut_at.lock().unwrap())?;
        let counter = match way {
            Way::Up => &self.up,
            Way::Down => &self.down,
        };
        (cut_way == way).then(|| cut_at.saturating_sub(counter.load(Ordering::SeqCst)))
    }

    fn count(&self, counter: &AtomicU64, bytes: usize) {
        counter.fetch_add(bytes as u64, Ordering::SeqCst);
        let _guard = self.progress.0.lock().unwrap();
        self.progress.1.notify_all();
    }
}

impl Mode {
    fn passes(self, way: Way) -> bool {
        self != Self::Stall && self != Self::StallOne(way)
    }
}

impl Connection {
    fn wake(&self) {
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }
}
