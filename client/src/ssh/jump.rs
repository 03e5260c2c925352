//! The way through jump hosts: each is a connection of its own, tunnelled through the one before.

use russh::Error;

use super::config::HostConfig;
use super::connection::Connection;
use super::error::{ConnectError, ConnectErrorKind};
use super::link::Link;
use super::prompt::Prompt;

/// Connects to the hosts of `chain` one through the other; the last one's connection is returned.
pub(super) async fn connect_chain(
    chain: &[HostConfig],
    prompt: &dyn Prompt,
) -> Result<Option<Connection>, ConnectError> {
    let mut reached: Option<Connection> = None;
    for hop in chain {
        reached = Some(match reached {
            None => Connection::establish(hop, prompt).await?,
            Some(via) => Connection::establish_through(hop, via, prompt).await?,
        });
    }
    Ok(reached)
}

/// A stream from `via` to the host and port of `config`.
pub(super) async fn tunnel(via: &Connection, config: &HostConfig) -> Result<Link, ConnectError> {
    let opened = via
        .handle()
        .channel_open_direct_tcpip(&config.host, config.port.into(), "127.0.0.1", 0)
        .await;
    let failed = |kind| ConnectError {
        host: config.host.clone(),
        port: config.port,
        kind,
    };
    match opened {
        // The tunnelled connection always reads, so the queue in a link stays short here too.
        Ok(channel) => Ok(Link::start(channel)),
        Err(Error::ChannelOpenFailure(reason)) => Err(failed(ConnectErrorKind::JumpRefused {
            jump: via.host().to_owned(),
            detail: format!("{reason:?}"),
        })),
        Err(error) => Err(failed(ConnectErrorKind::JumpRefused {
            jump: via.host().to_owned(),
            detail: via.ending().unwrap_or_else(|| error.to_string()),
        })),
    }
}
