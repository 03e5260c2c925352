//! One proxied connection: one thread that owns both sockets, so that dropping them resets both.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;

use super::{End, Fate, Mode, Network, Way};

/// One direction of a connection.
struct Direction<'a> {
    from: &'a TcpStream,
    to: &'a TcpStream,
    counter: &'a AtomicU64,
    way: Way,
    pending: Vec<u8>,
    ended: bool,
}

/// The connection is over, by an error or by the test's will: what is to become of its ends.
struct Broken(Fate);

pub(super) fn run(
    network: &Network,
    client: TcpStream,
    server: TcpStream,
    fate: &Mutex<Fate>,
    wake: &OwnedFd,
) {
    for socket in [&client, &server] {
        let _ = socket.set_nonblocking(true);
        let _ = socket.set_nodelay(true);
    }
    let Err(Broken(fate)) = carry(network, &client, &server, fate, wake) else {
        return;
    };
    let half = |resetting: TcpStream, silent: TcpStream| {
        reset(&resetting);
        network.keep_silent(silent);
    };
    match fate {
        Fate::HalfOpen(End::Client) => half(client, server),
        Fate::HalfOpen(End::Server) => half(server, client),
        Fate::Lives | Fate::Cut => {
            reset(&client);
            reset(&server);
        }
    }
}

/// The close that follows sends RST instead of FIN.
pub(super) fn reset(socket: &TcpStream) {
    let _ = rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO));
}

fn carry(
    network: &Network,
    client: &TcpStream,
    server: &TcpStream,
    fate: &Mutex<Fate>,
    wake: &OwnedFd,
) -> Result<(), Broken> {
    let direction = |from, to, counter, way| Direction {
        from,
        to,
        counter,
        way,
        pending: Vec::new(),
        ended: false,
    };
    let mut directions = [
        direction(client, server, &network.up, Way::Up),
        direction(server, client, &network.down, Way::Down),
    ];
    let mut pause = None;
    while directions.iter().any(|direction| !direction.ended) {
        let mode = network.mode();
        let moving = pause.is_none();
        wait(
            &directions,
            wake,
            |way| moving && mode.passes(way),
            pause.take(),
        );
        match *fate.lock().unwrap() {
            Fate::Lives => {}
            ended => return Err(Broken(ended)),
        }
        let mode = network.mode.read().unwrap();
        if !moving {
            continue;
        }
        for direction in &mut directions {
            if mode.passes(direction.way) {
                direction.step(network, *mode)?;
            }
        }
        if let Mode::Trickle { every, .. } = *mode {
            pause = Some(every);
        }
    }
    Ok(())
}

/// Waits for whatever can go on. A socket nobody wants anything from is left out, or its hang-up
/// would wake this thread without end.
fn wait(
    directions: &[Direction<'_>; 2],
    wake: &OwnedFd,
    moves: impl Fn(Way) -> bool,
    pause: Option<Duration>,
) {
    let mut fds = vec![PollFd::new(wake, PollFlags::IN)];
    for direction in directions
        .iter()
        .filter(|direction| moves(direction.way) && !direction.ended)
    {
        if direction.pending.is_empty() {
            fds.push(PollFd::from_borrowed_fd(
                direction.from.as_fd(),
                PollFlags::IN,
            ));
        } else {
            fds.push(PollFd::from_borrowed_fd(
                direction.to.as_fd(),
                PollFlags::OUT,
            ));
        }
    }
    let timeout = pause.and_then(|pause| Timespec::try_from(pause).ok());
    let _ = poll(&mut fds, timeout.as_ref());
    let mut count = [0; 8];
    let _ = rustix::io::read(wake, &mut count);
}

impl Direction<'_> {
    fn step(&mut self, network: &Network, mode: Mode) -> Result<(), Broken> {
        if self.ended {
            return Ok(());
        }
        if self.pending.is_empty() {
            self.receive(mode)?;
        }
        self.send(network)
    }

    fn receive(&mut self, mode: Mode) -> Result<(), Broken> {
        let mut buffer = vec![0; 64 * 1024];
        if let Mode::Trickle { bytes, .. } = mode {
            buffer.truncate(bytes.max(1));
        }
        match self.from.read(&mut buffer) {
            Ok(0) => {
                self.ended = true;
                let _ = self.to.shutdown(Shutdown::Write);
            }
            Ok(count) => {
                buffer.truncate(count);
                self.pending = buffer;
            }
            Err(error) if is_transient(&error) => {}
            Err(_) => return Err(Broken(Fate::Cut)),
        }
        Ok(())
    }

    fn send(&mut self, network: &Network) -> Result<(), Broken> {
        let allowance = network.allowance(self.way);
        let limit = allowance.map_or(usize::MAX, |left| {
            usize::try_from(left).unwrap_or(usize::MAX)
        });
        let chunk = &self.pending[..self.pending.len().min(limit)];
        if !chunk.is_empty() {
            match self.to.write(chunk) {
                Ok(count) => {
                    self.pending.drain(..count);
                    network.count(self.counter, count);
                }
                Err(error) if is_transient(&error) => {}
                Err(_) => return Err(Broken(Fate::Cut)),
            }
        }
        if network.allowance(self.way) == Some(0) {
            *network.cut_at.lock().unwrap() = None;
            return Err(Broken(Fate::Cut));
        }
        Ok(())
    }
}

fn is_transient(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
