//! `outlast new`.

use std::sync::Arc;

use outlast_protocol::control::target::Target;
use outlast_protocol::control::to_mux::New;
use outlast_protocol::durability::Durability;
use outlast_protocol::id::{InstanceId, SessionName};
use outlast_protocol::limits::DEFAULT_IDLE_TIMEOUT;
use outlast_protocol::session::{Buffering, IdleTimeout};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::Client;
use super::args::NewArgs;
use super::error::Error;
use super::parallel::{each, throttle};
use super::request::{conclude, hold};
use super::target::{environment, surroundings, targets};

/// Milliseconds a shell may take to start where nobody says.
const OPEN_TIMEOUT_MS: u32 = 60_000;

/// Makes a session on every host.
pub(super) async fn new(client: &Client, args: NewArgs) -> Result<u8, Error> {
    let name = match &args.name {
        Some(name) => SessionName::new(name)?.to_string(),
        None => String::new(),
    };
    let here = [Target::LOCAL.to_owned()];
    let hosts = if args.hosts.is_empty() {
        &here[..]
    } else {
        &args.hosts
    };
    if args.instance_id.is_some() && hosts.len() > 1 {
        return Err(Error::usage(
            format!("--instance-id names one session, not {}", hosts.len()),
            "give one host",
        ));
    }
    let durability = args
        .require_durability
        .map_or("", |wanted| Durability::from(wanted).name());
    let durability = durability.to_owned();
    let open_timeout = args.open_timeout.milliseconds();
    let messages = targets(client, hosts, &args.ssh)?
        .into_iter()
        .map(|target| New {
            instance: args
                .instance_id
                .unwrap_or_else(|| InstanceId(Uuid::new_v4())),
            name: name.clone(),
            configuration: args.configuration.clone(),
            idle_timeout: args
                .idle_timeout
                .unwrap_or(IdleTimeout::Seconds(DEFAULT_IDLE_TIMEOUT)),
            buffering: args.buffering.into(),
            durability: durability.clone(),
            open_timeout_ms: open_timeout
                .and_then(|ms| u32::try_from(ms).ok())
                .unwrap_or(u32::MAX),
            ..blank(target)
        });
    // Ids and names are given in the order of the hosts.
    let turn = Arc::new(Mutex::default());
    let replies = each(messages.collect(), throttle(args.throttle), |message| {
        let (client, turn) = (client.clone(), Arc::clone(&turn));
        async move {
            let computer = message.target.destination.clone();
            let instance = message.instance;
            let made = hold(&client, &computer, message, &turn).await;
            let again = || {
                format!(
                    "the same with `--instance-id {instance}` asks for that session again and \
                     makes no second one"
                )
            };
            let made = made.map_err(|error| error.uncertain(again));
            (computer, made.map(|(sessions, _)| sessions))
        }
    });
    conclude(client, replies.await, !client.output.is_quiet())
}

/// A session with nothing said about it.
#[must_use]
pub(super) fn blank(target: Target) -> New {
    New {
        target,
        surroundings: surroundings(),
        instance: InstanceId(Uuid::new_v4()),
        name: String::new(),
        configuration: String::new(),
        idle_timeout: IdleTimeout::Seconds(DEFAULT_IDLE_TIMEOUT),
        buffering: Buffering::Spool,
        environment: environment(),
        open_timeout_ms: OPEN_TIMEOUT_MS,
        temporary: false,
        durability: String::new(),
    }
}
