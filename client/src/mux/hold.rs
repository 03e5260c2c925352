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
    let held = hold(
        mux,
        caller,
        request.instance,
        request.mode,
        request.surroundings,
    )
    .await?;
    live(mux, &held)?;
    caller.sessions(mux, &[held.instance]);
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
    let already = mux.held.borrow().get(&instance).cloned();
    if let Some(held) = already {
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
    let held = match held {
        Some(held) => held,
        // Nothing to leave, and nothing to change.
        None if idle_timeout.is_none() => {
            caller.sessions(mux, &[instance]);
            return Ok(());
        }
        None => hold(mux, caller, instance, AttachMode::Connect, surroundings).await?,
    };
    if idle_timeout.is_some() {
        live(mux, &held)?;
    }
    leave(&held, idle_timeout).await?;
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
