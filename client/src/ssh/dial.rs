//! Opens the TCP connection: every address, in turn, each with a head start on the next.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
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
    let near_end = Arc::new(NearEnd::of(config).await?);
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
                    attempts.spawn(connect(address, near_end.clone()));
                    next_at = Instant::now() + HEAD_START;
                }
                None => exhausted = true,
            },
        }
    }
}

/// What is decided about our end of the connection.
struct NearEnd {
    /// Addresses to connect from; none for the system's choice.
    addresses: Option<Vec<IpAddr>>,
    interface: Option<String>,
    keepalive: bool,
    class: Option<u8>,
}

impl NearEnd {
    async fn of(config: &HostConfig) -> Result<Self, ConnectErrorKind> {
        let addresses = match &config.bind_address {
            None => None,
            Some(name) => {
                let found = tokio::net::lookup_host((name.as_str(), 0)).await;
                let found = found.map_err(|error| {
                    unreachable(format!("BindAddress {name} is no address here: {error}"))
                })?;
                Some(found.map(|address| address.ip()).collect())
            }
        };
        Ok(Self {
            // As in ssh, an address says more than an interface.
            interface: config
                .bind_interface
                .clone()
                .filter(|_| addresses.is_none()),
            addresses,
            keepalive: config.tcp_keepalive,
            class: config.ip_qos,
        })
    }

    fn prepare(&self, socket: &TcpSocket, to: SocketAddr) -> io::Result<()> {
        socket.set_keepalive(self.keepalive)?;
        if let Some(class) = self.class {
            // A wish: as in ssh, the connection does not fail for it.
            let _ = match to {
                SocketAddr::V4(_) => rustix::net::sockopt::set_ip_tos(socket, class),
                SocketAddr::V6(_) => rustix::net::sockopt::set_ipv6_tclass(socket, class.into()),
            };
        }
        if let Some(interface) = &self.interface {
            let bound = socket.bind_device(Some(interface.as_bytes()));
            bound.map_err(|error| named(error, &format!("BindInterface {interface}")))?;
        }
        let Some(addresses) = &self.addresses else {
            return Ok(());
        };
        let fitting = addresses.iter().find(|it| it.is_ipv4() == to.is_ipv4());
        let from = *fitting
            .ok_or_else(|| io::Error::other("BindAddress leads to no address of that family"))?;
        let bound = socket.bind(SocketAddr::new(from, 0));
        bound.map_err(|error| named(error, &format!("BindAddress {from}")))
    }
}

fn named(error: io::Error, what: &str) -> io::Error {
    io::Error::other(format!("{what}: {error}"))
}

async fn connect(
    address: SocketAddr,
    near_end: Arc<NearEnd>,
) -> (io::Result<TcpStream>, SocketAddr) {
    let open = async {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }?;
        near_end.prepare(&socket, address)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::sockopt;

    fn near_end() -> NearEnd {
        NearEnd {
            addresses: None,
            interface: None,
            keepalive: true,
            class: None,
        }
    }

    #[test]
    fn a_socket_is_as_the_configuration_says() {
        let to: SocketAddr = "127.0.0.1:22".parse().unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        near_end().prepare(&socket, to).unwrap();
        assert!(socket.keepalive().unwrap());
        let near_end = NearEnd {
            addresses: Some(vec!["::1".parse().unwrap(), "127.0.0.9".parse().unwrap()]),
            keepalive: false,
            class: Some(0x48),
            interface: Some("lo".to_owned()),
        };
        let socket = TcpSocket::new_v4().unwrap();
        near_end.prepare(&socket, to).unwrap();
        assert!(!socket.keepalive().unwrap());
        assert_eq!(sockopt::ip_tos(&socket).unwrap(), 0x48);
        let bound = socket.local_addr().unwrap().ip();
        assert_eq!(bound, IpAddr::from([127, 0, 0, 9]));
        let device = socket.device().unwrap();
        assert_eq!(device.as_deref(), Some(&b"lo"[..]));
        let socket = TcpSocket::new_v6().unwrap();
        let to = "[::1]:22".parse().unwrap();
        near_end.prepare(&socket, to).unwrap();
        assert_eq!(sockopt::ipv6_tclass(&socket).unwrap(), 0x48);
    }

    #[test]
    fn what_cannot_be_bound_is_named() {
        let to: SocketAddr = "127.0.0.1:22".parse().unwrap();
        let refused = |near_end: NearEnd| {
            let socket = TcpSocket::new_v4().unwrap();
            near_end.prepare(&socket, to).unwrap_err().to_string()
        };
        let interface = refused(NearEnd {
            interface: Some("nonesuch".to_owned()),
            ..near_end()
        });
        assert!(
            interface.starts_with("BindInterface nonesuch: "),
            "{interface}"
        );
        let family = refused(NearEnd {
            addresses: Some(vec!["::1".parse().unwrap()]),
            ..near_end()
        });
        assert!(family.contains("no address of that family"), "{family}");
        let foreign = refused(NearEnd {
            addresses: Some(vec!["192.0.2.1".parse().unwrap()]),
            ..near_end()
        });
        assert!(foreign.starts_with("BindAddress 192.0.2.1: "), "{foreign}");
    }
}
