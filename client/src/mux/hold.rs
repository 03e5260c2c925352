//! Taking hold of sessions and letting go of them.

use std::rc::Rc;
use std::time::Duration;

use outlast_protocol::control::to_cli::FailureKind;
use outlast_protocol::control::to_mux::{Connect, Disconnect, Surroundings};
use outlast_protocol::id::InstanceId;
use outlast_protocol::link::AttachMode;

use super::Mux;
use super::caller::{Caller, Stop};
use super::failure::Failure;
use super::held::{Held, Status};
use super::keeper::not_held;

/// A host answers a detach at once; a link that does not is dead.
const LEAVING: Duration = Duration::from_secs(5);

/// Takes hold of a session.
pub(super) async fn connect(
    mux: &Rc<Mux>,
    caller: &mut Caller,
    request: Connect,
) -> Result<(), Stop> {
    let Connect {
        instance,
        mode,
        surroundings,
    } = request;
    let held = hold(mux, caller, instance, mode, surroundings).await?;
    held.kept.set(true);
    live(mux, &held)?;
    caller.sessions(mux, &[instance]);
    Ok(())
}

/// Nothing but reading can be done with a session that is over.
pub(super) fn live(mux: &Mux, held: &Held) -> Result<(), Failure> {
    match held.is_over() {
        Some(over) => Err(not_held(&name_of(mux, held.instance), &over)),
        None => Ok(()),
    }
}

/// The session, held; the user may be asked.
pub(super) async fn hold(
    mux: &Rc<Mux>,
    caller: &mut Caller,
    instance: InstanceId,
    mode: AttachMode,
    surroundings: Surroundings,
) -> Result<Rc<Held>, Stop> {
    // One that is to be stolen may not be ours any more.
    let already = mux.table(mode).borrow().get(&instance).cloned();
    if let Some(held) = already.filter(|_| mode != AttachMode::Steal) {
        held.refresh(&surroundings);
        return Ok(held);
    }
    let worker = mux.clone();
    caller
        .wait_for(async move |prompt, notice| {
            worker
                .hold(instance, mode, &surroundings, &*prompt, &*notice)
                .await
        })
        .await
}

/// The session, held by who asks for something that changes it. One that the user connected to
/// only to look is not taken hold of on the quiet.
pub(super) async fn hold_to_write(
    mux: &Rc<Mux>,
    caller: &mut Caller,
    instance: InstanceId,
    surroundings: Surroundings,
) -> Result<Rc<Held>, Stop> {
    let held = hold_for_now(mux, caller, instance, surroundings).await?;
    held.kept.set(true);
    Ok(held)
}

/// The same, without a say in whether it stays held afterwards.
pub(super) async fn hold_for_now(
    mux: &Rc<Mux>,
    caller: &mut Caller,
    instance: InstanceId,
    surroundings: Surroundings,
) -> Result<Rc<Held>, Stop> {
    let held = mux.held.borrow().contains_key(&instance);
    if !held && mux.watched(instance).is_some() {
        return Err(only_watched(mux, instance).into());
    }
    hold(mux, caller, instance, AttachMode::Connect, surroundings).await
}

fn only_watched(mux: &Mux, instance: InstanceId) -> Failure {
    let name = name_of(mux, instance);
    let registry = mux.registry.borrow();
    let holder = registry
        .get(instance)
        .and_then(|known| known.holder.as_ref());
    let hint = match holder {
        Some(holder) => format!("`outlast connect --steal {name}` takes it over from {holder}"),
        None => format!("`outlast connect {name}` takes hold of it"),
    };
    Failure::usage(format!("session {name} is attached read-only")).hint(hint)
}

/// Leaves a session running.
pub(super) async fn disconnect(
    mux: &Rc<Mux>,
    caller: &mut Caller,
    request: Disconnect,
) -> Result<(), Stop> {
    let Disconnect {
        instance,
        idle_timeout,
        surroundings,
    } = request;
    let held = mux.held.borrow().get(&instance).cloned();
    let watch = mux.watched(instance);
    let held = match held {
        Some(held) => Some(held),
        // Nothing to leave, and nothing to change.
        None if idle_timeout.is_none() => None,
        None => Some(hold_to_write(mux, caller, instance, surroundings).await?),
    };
    if let Some(held) = held {
        if idle_timeout.is_some() {
            live(mux, &held)?;
        }
        leave(&held, idle_timeout).await?;
    }
    if let Some(watch) = watch {
        leave(&watch, None).await?;
    }
    caller.sessions(mux, &[instance]);
    Ok(())
}

/// Lets go of a held session and waits until that is so.
pub(super) async fn leave(
    held: &Held,
    idle_timeout: Option<outlast_protocol::session::IdleTimeout>,
) -> Result<(), Failure> {
    let mut status = held.status();
    if idle_timeout.is_some() && matches!(*status.borrow(), Status::Down(_)) {
        return Err(Failure::unreachable(
            "the connection is lost: the idle timeout stays as it is",
        ));
    }
    let refused = held.detach(idle_timeout);
    let over = status.wait_for(|status| matches!(status, Status::Over(_)));
    tokio::select! {
        over = tokio::time::timeout(LEAVING, over) => match over {
            Ok(_) => Ok(()),
            Err(_) => Err(Failure::unreachable("the host did not answer; the session goes on there")),
        },
        Ok(refused) = refused => Err(Failure::from(&refused)),
    }
}

/// The name people know a session by.
pub(super) fn name_of(mux: &Mux, instance: InstanceId) -> String {
    let registry = mux.registry.borrow();
    registry
        .get(instance)
        .map_or_else(|| instance.to_string(), |known| known.name.to_string())
}

/// The failure of a request whose session was let go or lost under it.
pub(super) fn lost(mux: &Mux, held: &Held) -> Failure {
    let name = name_of(mux, held.instance);
    match held.is_over() {
        Some(over) => not_held(&name, &over),
        None => Failure::new(FailureKind::Unreachable, format!("lost session {name}")),
    }
}
