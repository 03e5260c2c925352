//! How long a command line waits for a lost connection, and what it hears meanwhile.

use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::control::to_cli::{FailureKind, Interrupted, Resumed};
use tokio::time::Instant;

use super::Mux;
use super::caller::Caller;
use super::failure::Failure;
use super::held::{Held, Status};
use super::hold::name_of;

/// Records are taken from the link only while less than this waits for the command line.
pub(super) const ENOUGH: usize = 512 * 1024;

pub(super) fn patience(reconnect_for_ms: u64) -> Duration {
    Duration::from_millis(reconnect_for_ms)
}

/// The link did not come back in time.
pub(super) fn gave_up(mux: &Mux, held: &Held, reconnect_for_ms: u64) -> Failure {
    let name = name_of(mux, held.instance);
    let seconds = reconnect_for_ms / 1000;
    let reason = match &*held.status().borrow() {
        Status::Down(reason) => format!(": {reason}"),
        Status::Up | Status::Over(_) => String::new(),
    };
    let message =
        format!("the connection to session {name} did not come back within {seconds} s{reason}");
    Failure::new(FailureKind::Unreachable, message).hint(format!(
        "the session goes on; `outlast receive --follow {name}` gets the rest"
    ))
}

/// Tells the command line how its link is doing; returns until when it may stay down.
pub(super) fn link_changed(
    caller: &mut Caller,
    held: &Held,
    give_up: Option<Instant>,
    reconnect_for_ms: u64,
) -> Option<Instant> {
    match &*held.status().borrow() {
        Status::Up => {
            // There is nothing to go on with where only the rest can be read.
            if give_up.is_some() && !held.is_broken() {
                caller.send(&Resumed.into(), Bytes::new());
            }
            None
        }
        Status::Down(reason) => {
            if give_up.is_none() {
                caller.send(
                    &Interrupted {
                        reason: reason.clone(),
                    }
                    .into(),
                    Bytes::new(),
                );
            }
            give_up.or_else(|| Some(Instant::now() + patience(reconnect_for_ms)))
        }
        // Whoever reads the session hears of it when everything before is read.
        Status::Over(_) => None,
    }
}

pub(super) async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
