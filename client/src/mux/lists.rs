//! Sessions as the command line is told of them.

use outlast_protocol::control::session::{Availability, Session, State};
use outlast_protocol::id::InvocationId;
use outlast_protocol::session::Life;

use super::Mux;
use super::held::{Held, Over, Status};
use super::registry::{Heard, Known, words};
use crate::ssh::Destination;

/// What a session does.
#[derive(Default)]
struct Now {
    running: Option<InvocationId>,
    since_ms: Option<u64>,
    queued: u32,
    activity: String,
    asks: Option<String>,
}

impl Mux {
    /// A session of the list as it is for this client now.
    pub(super) fn view(&self, known: &Known) -> Session {
        let held = self.held.borrow().get(&known.instance).cloned();
        let held = held.or_else(|| self.watched(known.instance));
        let (state, availability, note) = match &held {
            Some(watch) if watch.is_watch() => of_watch(watch, known),
            Some(held) => of_held(held, known),
            None => of_known(known),
        };
        let gone = matches!(state, State::Closed | State::Broken);
        let attached = held.as_ref().is_some_and(|held| !held.is_watch());
        let now = match held.filter(|_| !gone).map(|held| held.info()) {
            Some(info) => Now {
                running: info.running,
                since_ms: info.running_since_ms,
                queued: info.queued,
                activity: info.activity,
                asks: info.asks,
            },
            None if gone => Now::default(),
            None => Now {
                running: known.running,
                since_ms: known.running_since_ms,
                queued: known.queued,
                activity: known.activity.clone(),
                asks: known.asks.clone(),
            },
        };
        Session {
            id: known.id,
            name: known.name.clone(),
            computer_name: computer_name(&known.target.destination),
            state,
            availability,
            configuration: known.configuration.clone(),
            instance: known.instance,
            idle_timeout_s: known.idle_timeout_s,
            created_ms: known.created_ms,
            disconnected_ms: known.disconnected_ms.filter(|_| !attached),
            expires_ms: known.expires_ms.filter(|_| !attached && !gone),
            running: now.running,
            running_since_ms: now.since_ms,
            queued: now.queued,
            activity: now.activity,
            asks: now.asks,
            note,
            route: match state {
                State::Opened | State::Disconnecting => self.hosts.route(&known.target),
                _ => Vec::new(),
            },
            durability: known.durability.clone(),
        }
    }
}

fn of_held(held: &Held, known: &Known) -> (State, Availability, String) {
    if let Some(Over::Ended(end)) = held.is_over() {
        return (State::Closed, Availability::None, words(&end));
    }
    match &*held.status().borrow() {
        Status::Up => {
            let info = held.info();
            if let Life::Broken(reason) = info.life {
                return (State::Broken, Availability::None, reason);
            }
            let busy = info.running.is_some() || info.queued > 0 || !info.activity.is_empty();
            let availability = if busy {
                Availability::Busy
            } else {
                Availability::Available
            };
            (State::Opened, availability, String::new())
        }
        // Its computer, asked by another way, knew already.
        Status::Down(_) if matches!(known.heard, Heard::Broken(_)) => of_known(known),
        Status::Down(reason) => (
            State::Connecting,
            Availability::None,
            format!("reconnecting: {reason}"),
        ),
        Status::Over(_) => (State::Disconnecting, Availability::None, String::new()),
    }
}

/// Attached, but commands cannot be run: another client holds it, or it has to be connected first.
fn of_watch(watch: &Held, known: &Known) -> (State, Availability, String) {
    let (state, availability, note) = of_held(watch, known);
    if state != State::Opened {
        return (state, availability, note);
    }
    match &known.holder {
        Some(holder) => {
            let note = format!("attached read-only; held by {holder}");
            (State::Opened, Availability::Busy, note)
        }
        None => {
            let note = "attached read-only".to_owned();
            (State::Opened, Availability::None, note)
        }
    }
}

fn of_known(known: &Known) -> (State, Availability, String) {
    match (&known.heard, &known.holder) {
        (Heard::Closed(how), _) => (State::Closed, Availability::None, how.clone()),
        (Heard::Broken(why), _) => (State::Broken, Availability::None, why.clone()),
        (Heard::Live, Some(holder)) => (
            State::Disconnected,
            Availability::Busy,
            format!("held by {holder}"),
        ),
        (Heard::Live, None) => {
            let refused = known.refused.as_ref();
            let note = refused.map_or_else(String::new, |why| {
                format!(
                    "not reconnected: {why}; `outlast connect {}` tries again",
                    known.name
                )
            });
            (State::Disconnected, Availability::None, note)
        }
    }
}

/// The computer's name as the user gave it, without user and port.
pub(super) fn computer_name(destination: &str) -> String {
    destination
        .parse::<Destination>()
        .map_or_else(|_| destination.to_owned(), |destination| destination.host)
}
