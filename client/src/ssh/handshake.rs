//! From a stream to a server whose host key is believed.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use russh::Limits;
use russh::client::{self, Handle};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};

use super::abortable::AbortableStream;
use super::algorithms::{preferred, weaker};
use super::config::{HostConfig, Rekey};
use super::error::ConnectErrorKind;
use super::handler::{ConnectionHandler, HandlerEnds, ending};
use super::host_key::HostKeyPolicy;
use super::overheard::Ear;
use super::prompt::Prompt;

/// 2 MiB, russh's default, gives 24 MiB/s at 40 ms of delay; this gives 120 and more.
const WINDOW_SIZE: u32 = 16 * 1024 * 1024;
/// More than 65535 is an error in russh.
const PACKET_SIZE: u32 = 65535;
/// ssh takes 16 bytes for a limit and then exchanges keys for every packet; a key exchange itself
/// is bigger.
const LEAST_REKEY: usize = 64 * 1024;

/// How a server says that it does not let messages be dropped during the handshake; we always do.
const STRICT_KEX: &str = "kex-strict-s-v00@openssh.com";

pub(super) struct Handshaken {
    pub(super) handle: Handle<ConnectionHandler>,
    pub(super) ends: HandlerEnds,
    pub(super) warnings: Vec<String>,
}

/// `spent` of the connect timeout is gone already; the time a person takes to answer is not counted.
pub(super) async fn shake_hands<S>(
    config: &HostConfig,
    stream: S,
    address: Option<IpAddr>,
    spent: Duration,
    prompt: &dyn Prompt,
) -> Result<Handshaken, ConnectErrorKind>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut policy = HostKeyPolicy::read(config, address)
        .await
        .map_err(ConnectErrorKind::HostKey)?;
    let preferred = preferred(config, policy.known()).map_err(|none| {
        let detail = format!(
            "none of {} `{}` is supported here",
            none.option, none.configured
        );
        ConnectErrorKind::Negotiation { detail }
    })?;
    let (handler, mut ends) = ConnectionHandler::new();
    let (ear, offer) = Ear::new();
    let (stream, settle) = AbortableStream::new(stream, ear);
    let connecting = client::connect_stream(client_config(config, preferred), stream, handler);
    tokio::pin!(connecting);
    let mut deadline = Instant::now() + config.connect_timeout.saturating_sub(spent);
    let mut refusal = None;
    let mut warnings = Vec::new();
    let handle = loop {
        tokio::select! {
            biased;
            Some(question) = ends.questions.recv() => {
                let asked = Instant::now();
                let verdict = policy.check(&question.presented, prompt).await;
                deadline += asked.elapsed();
                let is_accepted = verdict.is_ok();
                match verdict {
                    Ok(notes) => warnings.extend(notes),
                    Err(error) => refusal = Some(error),
                }
                // The other end is gone if the connection broke meanwhile: `connecting` says so.
                let _ = question.answer.send(is_accepted);
            }
            connected = &mut connecting => match connected {
                Ok(handle) => break handle,
                Err(error) => {
                    return Err(refusal.map_or_else(|| failure(error), ConnectErrorKind::HostKey));
                }
            },
            () = sleep_until(deadline) => {
                let seconds = config.connect_timeout.as_secs();
                return Err(ConnectErrorKind::TimedOut { phase: "key exchange", seconds });
            }
        }
    };
    let _ = settle.send(());
    let mut facts = ends.facts.lock().unwrap_or_else(PoisonError::into_inner);
    let about = &mut facts.description;
    about.strict_kex = offer.has(STRICT_KEX);
    about.weaker = weaker(config, &about.kex, &offer);
    drop(facts);
    Ok(Handshaken {
        handle,
        ends,
        warnings,
    })
}

fn client_config(config: &HostConfig, preferred: russh::Preferred) -> Arc<client::Config> {
    Arc::new(client::Config {
        window_size: WINDOW_SIZE,
        maximum_packet_size: PACKET_SIZE,
        preferred,
        keepalive_interval: config.keepalive.map(|keepalive| keepalive.interval),
        keepalive_max: config
            .keepalive
            .and_then(|keepalive| usize::try_from(keepalive.count_max).ok())
            .unwrap_or(3),
        nodelay: true,
        limits: limits(config.rekey),
        ..client::Config::default()
    })
}

/// More than 1 GiB between two key exchanges is not to be had: earlier ones are no harm.
fn limits(rekey: Rekey) -> Limits {
    let most = Limits::default();
    let bytes = rekey.bytes.and_then(|bytes| usize::try_from(bytes).ok());
    let bytes = bytes.unwrap_or(usize::MAX).max(LEAST_REKEY);
    Limits {
        rekey_write_limit: bytes.min(most.rekey_write_limit),
        rekey_read_limit: bytes.min(most.rekey_read_limit),
        rekey_time_limit: rekey.interval.unwrap_or(most.rekey_time_limit),
    }
}

fn failure(error: russh::Error) -> ConnectErrorKind {
    match error {
        russh::Error::NoCommonAlgo { kind, ours, theirs } => ConnectErrorKind::Negotiation {
            detail: format!(
                "{kind:?}: we offer {}, it offers {}",
                ours.join(","),
                theirs.join(",")
            ),
        },
        other => ConnectErrorKind::Disconnected {
            reason: ending(&other),
        },
    }
}
