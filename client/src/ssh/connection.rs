//! An authenticated connection to one host.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use russh::client::Handle;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use super::authenticate::{Accepted, authenticate};
use super::config::{HostConfig, Proxy};
use super::dial::dial;
use super::error::{ConnectError, ConnectErrorKind, OpenError};
use super::handler::{ConnectionHandler, SharedFacts};
use super::handshake::{Handshaken, shake_hands};
use super::link::Link;
use super::prompt::Prompt;
use super::proxy_command::ProxyCommandStream;
use super::quick_ack::QuickAckStream;
use super::{jump, open};

/// What was agreed with the server.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Description {
    pub kex: String,
    pub cipher: String,
    /// Empty where the cipher does it itself.
    pub mac: String,
    /// The type of the host key, and its fingerprint.
    pub host_key: String,
    /// How what we send is compressed; `none` mostly.
    pub compression: String,
    /// How often keys were agreed on so far.
    pub key_exchanges: u32,
    /// Whether both sides keep to the strict key exchange.
    pub strict_kex: bool,
    /// In which way a recent ssh would have done better; empty for none.
    pub weaker: String,
    /// What was accepted.
    pub accepted: Accepted,
    /// The server's identification, such as `SSH-2.0-OpenSSH_9.2p1`.
    pub server: String,
}

/// Links opened on a connection keep its session alive even after it is dropped; without any, the
/// drop ends it.
pub struct Connection {
    handle: Arc<Handle<ConnectionHandler>>,
    host: String,
    port: u16,
    user: String,
    facts: SharedFacts,
    ended: watch::Receiver<Option<String>>,
    warnings: Vec<String>,
    open_timeout: Duration,
    /// The jump host's connection, through which this one goes.
    via: Option<Box<Self>>,
}

type Establishing<'a> = Pin<Box<dyn Future<Output = Result<Connection, ConnectError>> + Send + 'a>>;

impl Connection {
    /// Connects, checks the host key, authenticates. `prompt` is asked where a person must decide.
    pub async fn connect(config: &HostConfig, prompt: &dyn Prompt) -> Result<Self, ConnectError> {
        Self::establish(config, prompt).await
    }

    /// Boxed, since a jump host may itself lie behind jump hosts.
    pub(super) fn establish<'a>(
        config: &'a HostConfig,
        prompt: &'a dyn Prompt,
    ) -> Establishing<'a> {
        Box::pin(async move {
            match &config.proxy {
                Proxy::None => {
                    let (stream, address, spent) =
                        dial(config).await.map_err(|kind| failed(config, kind))?;
                    let (stream, address) = (QuickAckStream::new(stream), Some(address.ip()));
                    Self::over(config, stream, address, spent, prompt, None).await
                }
                Proxy::Command(command) => {
                    let stream = ProxyCommandStream::start(config, command).map_err(|error| {
                        let detail = format!("the proxy command does not start: {error}");
                        failed(config, ConnectErrorKind::Unreachable { detail })
                    })?;
                    Self::over(config, stream, None, Duration::ZERO, prompt, None).await
                }
                Proxy::Jump(chain) => match jump::connect_chain(chain, prompt).await? {
                    Some(via) => Self::establish_through(config, via, prompt).await,
                    None => {
                        let detail = "the list of jump hosts is empty".to_owned();
                        Err(failed(config, ConnectErrorKind::Unreachable { detail }))
                    }
                },
            }
        })
    }

    pub(super) async fn establish_through(
        config: &HostConfig,
        via: Self,
        prompt: &dyn Prompt,
    ) -> Result<Self, ConnectError> {
        let stream = jump::tunnel(&via, config).await?;
        let via = Some(Box::new(via));
        Self::over(config, stream, None, Duration::ZERO, prompt, via).await
    }

    async fn over<S>(
        config: &HostConfig,
        stream: S,
        address: Option<IpAddr>,
        spent: Duration,
        prompt: &dyn Prompt,
        via: Option<Box<Self>>,
    ) -> Result<Self, ConnectError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Handshaken {
            mut handle,
            ends,
            mut warnings,
        } = shake_hands(config, stream, address, spent, prompt)
            .await
            .map_err(|kind| failed(config, kind))?;
        let authenticated = authenticate(&mut handle, config, prompt).await;
        let (accepted, notes) = authenticated.map_err(|refused| {
            let ending = ends.ended.borrow().clone();
            failed(config, with_ending(refused, handle.is_closed(), ending))
        })?;
        warnings.extend(notes);
        let mut facts = ends.facts.lock().unwrap_or_else(PoisonError::into_inner);
        facts.description.accepted = accepted;
        drop(facts);
        Ok(Self {
            handle: Arc::new(handle),
            host: config.host.clone(),
            port: config.port,
            user: config.user.clone(),
            facts: ends.facts,
            ended: ends.ended,
            warnings,
            open_timeout: config.connect_timeout,
            via,
        })
    }

    /// Opens a channel and asks for the subsystem; where there is none, runs the command instead.
    pub async fn open_link(
        &self,
        subsystem: &str,
        fallback_command: &str,
    ) -> Result<Link, OpenError> {
        let opening = open::open_link(self, subsystem, fallback_command);
        self.in_time(opening).await
    }

    /// Opens a channel and runs a command on it.
    pub async fn open_command(&self, command: &str) -> Result<Link, OpenError> {
        self.in_time(open::open_command(self, command)).await
    }

    async fn in_time(
        &self,
        opening: impl Future<Output = Result<Link, OpenError>>,
    ) -> Result<Link, OpenError> {
        match tokio::time::timeout(self.open_timeout, opening).await {
            Ok(opened) => opened,
            Err(_) => Err(OpenError::TimedOut {
                host: self.host.clone(),
            }),
        }
    }

    pub fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// Waits for the end and says why it came.
    pub async fn closed(&self) -> String {
        let mut ended = self.ended.clone();
        // An error means that the session is gone without having said why.
        let _ = ended.wait_for(Option::is_some).await;
        self.ending()
            .unwrap_or_else(|| "the connection ended".into())
    }

    /// Says goodbye: every link on this connection ends.
    pub async fn disconnect(&self) {
        let goodbye = self
            .handle
            .disconnect(russh::Disconnect::ByApplication, "", "");
        // An error means that it is gone already.
        let _ = goodbye.await;
    }

    pub fn description(&self) -> Description {
        self.facts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .description
            .clone()
    }

    /// What the server asked to show before the authentication. It is the server's text: to be
    /// stripped of control characters before it reaches a terminal.
    pub fn banner(&self) -> String {
        self.facts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .banner
            .clone()
    }

    /// What did not go well though the connection stands.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn user(&self) -> &str {
        &self.user
    }

    /// The jump host's connection, if this one goes through one.
    pub fn via(&self) -> Option<&Self> {
        self.via.as_deref()
    }

    pub(super) fn handle(&self) -> &Arc<Handle<ConnectionHandler>> {
        &self.handle
    }

    /// Why the connection ended, if it has.
    pub(super) fn ending(&self) -> Option<String> {
        self.ended.borrow().clone()
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("host", &self.host)
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

fn failed(config: &HostConfig, kind: ConnectErrorKind) -> ConnectError {
    ConnectError {
        host: config.host.clone(),
        port: config.port,
        kind,
    }
}

/// A connection that broke during the authentication was refused only if the server had begun to
/// answer; otherwise it may be tried again.
fn with_ending(
    kind: ConnectErrorKind,
    is_closed: bool,
    ending: Option<String>,
) -> ConnectErrorKind {
    match kind {
        ConnectErrorKind::AuthenticationRefused {
            tried,
            accepted,
            allowed,
            no_terminal,
            detail,
        } if is_closed => {
            let detail = ending.or(detail);
            let spoke = detail
                .as_deref()
                .is_some_and(|text| text.contains("authentication"));
            if allowed.is_empty() && !spoke {
                let reason = detail.unwrap_or_else(|| "the other end closed it".into());
                return ConnectErrorKind::Disconnected { reason };
            }
            ConnectErrorKind::AuthenticationRefused {
                tried,
                accepted,
                allowed,
                detail,
                no_terminal,
            }
        }
        other => other,
    }
}
