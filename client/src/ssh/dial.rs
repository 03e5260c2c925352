//! Opens the TCP connection: every address, in turn, each with a head start on the next.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::config::{AddressFamily, HostConfig};
use super::error::{ConnectError, ConnectErrorKind};

/// How long an address may take before the next one is tried beside it (RFC 8305).
const HEAD_START: Duration = Duration::from_millis(250);

pub(super) async fn dial(
    config: &HostConfig,
) -> Result<(TcpStream, SocketAddr, Duration), ConnectErrorKind> {
    let mut failures = 0;
    loop {
        let start = Instant::now();
        let timed = tokio::time::timeout(config.connect_timeout, dial_once(config)).await;
        let failure = match timed {
            Ok(Ok((stream, address))) => return Ok((stream, address, start.elapsed())),
            Ok(Err(failure)) => failure,
            Err(_) => ConnectErrorKind::TimedOut {
                phase: "connecting",
                seconds: config.connect_timeout.as_secs(),
            },
        };
        failures += 1;
        if failures >= config.connection_attempts {
            return Err(failure);
        }
        // As ssh does between its ConnectionAttempts.
        sleep(Duration::from_secs(1)).await;
    }
}

async fn dial_once(config: &HostConfig) -> Result<(TcpStream, SocketAddr), ConnectErrorKind> {
    let mut addresses = addresses(config).await?.into_iter();
    let mut attempts = JoinSet::new();
    let mut last_failure = None;
    let mut next_at = Instant::now();
    let mut exhausted = false;
    loop {
        if attempts.is_empty() && exhausted {
            return Err(last_failure.unwrap_or_else(|| no_address(config)));
        }
        tokio::select! {
            Some(finished) = attempts.join_next() => match finished {
                Ok((Ok(stream), address)) => return Ok((stream, address)),
                Ok((Err(error), address)) => {
                    last_failure = Some(failure(&error, address));
                    next_at = Instant::now();
                }
                Err(join) => last_failure = Some(unreachable(join.to_string())),
            },
            () = sleep_until(next_at), if !exhausted => match addresses.next() {
                Some(address) => {
                    attempts.spawn(connect(address, config.bind_address));
                    next_at = Instant::now() + HEAD_START;
                }
                None => exhausted = true,
            },
        }
    }
}

async fn connect(
    address: SocketAddr,
    bind: Option<std::net::IpAddr>,
) -> (io::Result<TcpStream>, SocketAddr) {
    let open = async {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }?;
        if let Some(bind) = bind {
            socket.bind(SocketAddr::new(bind, 0))?;
        }
        socket.connect(address).await
    };
    (open.await, address)
}

/// What the host's name leads to.
pub async fn resolved(config: &HostConfig) -> Result<Vec<SocketAddr>, ConnectError> {
    addresses(config).await.map_err(|kind| ConnectError {
        host: config.host.clone(),
        port: config.port,
        kind,
    })
}

/// The addresses of the host, the two families alternating.
async fn addresses(config: &HostConfig) -> Result<Vec<SocketAddr>, ConnectErrorKind> {
    let found = tokio::net::lookup_host((config.host.as_str(), config.port))
        .await
        .map_err(|error| ConnectErrorKind::NameNotFound {
            detail: error.to_string(),
        })?;
    let wanted = |address: &SocketAddr| match config.address_family {
        AddressFamily::Any => true,
        AddressFamily::V4 => address.is_ipv4(),
        AddressFamily::V6 => address.is_ipv6(),
    };
    let addresses: Vec<SocketAddr> = found.filter(wanted).collect();
    let Some(first) = addresses.first() else {
        return Err(no_address(config));
    };
    let first_is_v4 = first.is_ipv4();
    let (preferred, others): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv4() == first_is_v4);
    let mut others = others.into_iter();
    let mut ordered = Vec::new();
    for address in preferred {
        ordered.push(address);
        ordered.extend(others.next());
    }
    ordered.extend(others);
    Ok(ordered)
}

fn no_address(config: &HostConfig) -> ConnectErrorKind {
    let family = match config.address_family {
        AddressFamily::Any => "any address",
        AddressFamily::V4 => "an IPv4 address",
        AddressFamily::V6 => "an IPv6 address",
    };
    ConnectErrorKind::NameNotFound {
        detail: format!("the name does not lead to {family}"),
    }
}

fn failure(error: &io::Error, address: SocketAddr) -> ConnectErrorKind {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ConnectErrorKind::Refused {
            address: address.ip().to_string(),
        },
        io::ErrorKind::TimedOut => unreachable(format!("{}: no answer", address.ip())),
        _ => unreachable(format!("{}: {error}", address.ip())),
    }
}

fn unreachable(detail: String) -> ConnectErrorKind {
    ConnectErrorKind::Unreachable { detail }
}
