//! Making, finding, taking, leaving and ending sessions.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::control::target::Target;
use outlast_protocol::control::to_cli::{FailureKind, Finished};
use outlast_protocol::control::to_mux::{
    Connect, Disconnect, Enumerate, New, Remove, Surroundings,
};
use outlast_protocol::id::{InstanceId, SessionName};
use outlast_protocol::link::AttachMode;
use outlast_protocol::link::refusal::RefusalCode;
use outlast_protocol::link::to_client::ToClient;
use outlast_protocol::link::to_host::{Create, List, Remove as RemoveOrder, ToHost};
use outlast_protocol::session::SessionInfo;

use super::Mux;
use super::failure::Failure;
use super::held::{Held, Over, Status};
use super::keeper::{attach, not_held};
use super::registry::Heard;
use super::request::{Caller, Stop};
use super::reserve::Reservation;
use crate::ssh::Prompt;
use tokio::sync::oneshot;

/// More than a host gives the shell's processes to end.
const ENDING: Duration = Duration::from_secs(20);
/// A host answers a detach at once; a link that does not is dead.
const LEAVING: Duration = Duration::from_secs(5);
/// Names tried for a session without one.
const NAMES: usize = 1000;

/// Lists a computer's sessions; each gets an Id of this client.
pub(super) async fn enumerate(
    mux: &Rc<Mux>,
    caller: &mut Caller,
    request: Enumerate,
) -> Result<(), Stop> {
    let Enumerate {
        target,
        surroundings,
    } = request;
    let worker = mux.clone();
    let place = target.clone();
    let found = caller
        .wait_for(async move |prompt, notice| {
            list(&worker, &place, &surroundings, &*prompt, &*notice).await
        })
        .await?;
    let instances: Vec<_> = found.iter().map(|info| info.instance).collect();
    {
        let mut registry = mux.registry.borrow_mut();
        for info in &found {
            registry.learn(&target, info);
        }
        // What that computer does not know any more is over.
        let gone: Vec<_> = registry
            .sessions()
            .iter()
            .filter(|known| known.target == target && !instances.contains(&known.instance))
            .filter(|known| known.heard == Heard::Live)
            .map(|known| known.instance)
            .collect();
        for instance in gone {
            if let Some(known) = registry.get_mut(instance) {
                known.heard = Heard::Closed("it is not on its computer any more".to_owned());
            }
        }
    }
    mux.save();
    caller.sessions(mux, &instances);
    Ok(())
}

async fn list(
    mux: &Mux,
    target: &Target,
    surroundings: &Surroundings,
    prompt: &dyn Prompt,
    notice: &dyn Fn(String),
) -> Result<Vec<SessionInfo>, Failure> {
    let (mut wire, _used) = mux.hosts.open(target, surroundings, prompt, notice).await?;
    let request = ToHost::List(List {
        extensions: Vec::new(),
    });
    let mut all = Vec::new();
    if let Err(error) = wire.send(&request, Bytes::new()) {
        return Err(wire.failure(error));
    }
    loop {
        match wire.next().await {
            Ok((ToClient::Listed(listed), _)) => {
                all.extend(listed.sessions);
                if !listed.more {
                    return Ok(all);
                }
            }
            Ok((ToClient::Refused(refused), _)) => return Err(Failure::from(&refused)),
            Ok(_) => {}
            Err(error) => return Err(wire.failure(error)),
        }
    }
}

/// Makes a session and holds it. The making is not given up with the command line: the host may
/// have the session already, and nobody would know of it.
pub(super) async fn new(mux: &Rc<Mux>, caller: &mut Caller, request: New) -> Result<(), Stop> {
    let temporary = request.temporary;
    let worker = mux.clone();
    let held = caller
        .wait_for(async move |prompt, notice| {
            let (tell, made) = oneshot::channel();
            tokio::task::spawn_local(async move {
                let made = create(&worker, request, &*prompt, &*notice).await;
                if let Err(Ok(unwanted)) = tell.send(made)
                    && temporary
                {
                    end_quietly(&worker, &unwanted).await;
                }
            });
            let stopped = |_| Err(Failure::internal("the session was not made"));
            made.await.unwrap_or_else(stopped)
        })
        .await?;
    caller.sessions(mux, &[held.instance]);
    if temporary {
        caller.send(&Finished.into(), Bytes::new());
        // It lives as long as the connection that made it.
        while caller.next().await.is_ok() {}
        end_quietly(mux, &held).await;
        return Err(Stop::Gone);
    }
    Ok(())
}

/// Ends a session that nobody waits for.
async fn end_quietly(mux: &Rc<Mux>, held: &Held) {
    let prompt = crate::ssh::NeverPrompt;
    if let Err(failure) = end(mux, held.instance, &held.surroundings(), &prompt).await {
        super::complain(&format!("a temporary session stays: {failure}"));
    }
}

async fn create(
    mux: &Rc<Mux>,
    request: New,
    prompt: &dyn Prompt,
    notice: &dyn Fn(String),
) -> Result<Rc<Held>, Failure> {
    let client = mux.registry.borrow().client();
    let reservation = Reservation::new(mux, request.instance);
    let mut taken = Vec::new();
    while taken.len() < NAMES {
        let name = if request.name.is_empty() {
            reservation.free_name(&taken)
        } else {
            request.name.clone()
        };
        let create = ToHost::Create(Create {
            instance: request.instance,
            client,
            name: SessionName::new(&name).map_err(|error| Failure::usage(error.to_string()))?,
            configuration: request.configuration.clone(),
            idle_timeout: request.idle_timeout,
            buffering: request.buffering,
            environment: request.environment.clone(),
            open_timeout_ms: request.open_timeout_ms,
            extensions: Vec::new(),
        });
        let (wire, used) = mux
            .hosts
            .open(&request.target, &request.surroundings, prompt, notice)
            .await?;
        match attach(wire, used, &create).await {
            Ok(attached) => return Ok(mux.keep(request.target, request.surroundings, attached)),
            // Somebody else made a Session1 there: the next number, then.
            Err(refusal)
                if refusal.code == Some(RefusalCode::NAME_TAKEN) && request.name.is_empty() =>
            {
                taken.push(name);
            }
            Err(refusal) => return Err(refusal.failure),
        }
    }
    Err(Failure::usage("no free name was found").hint("give one with -n NAME"))
}

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
    caller.sessions(mux, &[held.instance]);
    Ok(())
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

/// Ends a session and takes it off the list.
pub(super) async fn remove(
    mux: &Rc<Mux>,
    caller: &mut Caller,
    request: Remove,
) -> Result<(), Stop> {
    let Remove {
        instance,
        surroundings,
    } = request;
    let mut last = {
        let registry = mux.registry.borrow();
        registry.get(instance).map(|known| mux.view(known))
    };
    let worker = mux.clone();
    caller
        .wait_for(async move |prompt, _notice| {
            end(&worker, instance, &surroundings, &*prompt).await
        })
        .await?;
    if let Some(session) = &mut last {
        session.state = outlast_protocol::control::session::State::Closed;
        session.availability = outlast_protocol::control::session::Availability::None;
        session.running = None;
        session.expires_ms = None;
    }
    let sessions = last.into_iter().collect();
    let message = outlast_protocol::control::to_cli::Sessions {
        sessions,
        more: false,
    };
    caller.send(&message.into(), Bytes::new());
    Ok(())
}

/// Ends a session wherever it is; one that is gone already counts as ended.
async fn end(
    mux: &Rc<Mux>,
    instance: InstanceId,
    surroundings: &Surroundings,
    prompt: &dyn Prompt,
) -> Result<(), Failure> {
    let held = mux.held.borrow().get(&instance).cloned();
    let ended = match held {
        Some(held) => end_held(&held).await,
        None => false,
    };
    if !ended {
        order_end(mux, instance, surroundings, prompt).await?;
    }
    mux.registry.borrow_mut().remove(instance);
    mux.save();
    Ok(())
}

/// Ends a session over its own link. Says whether that worked.
async fn end_held(held: &Held) -> bool {
    let mut status = held.status();
    if *status.borrow() != Status::Up {
        drop(held.detach(None));
        return false;
    }
    held.end();
    let over = status.wait_for(|status| !matches!(status, Status::Up));
    let ended = match tokio::time::timeout(ENDING, over).await {
        Ok(Ok(status)) => matches!(&*status, Status::Over(Over::Ended(_))),
        _ => false,
    };
    if !ended {
        drop(held.detach(None));
    }
    ended
}

/// Ends a session over a channel of its own.
async fn order_end(
    mux: &Rc<Mux>,
    instance: InstanceId,
    surroundings: &Surroundings,
    prompt: &dyn Prompt,
) -> Result<(), Failure> {
    let target = mux
        .registry
        .borrow()
        .get(instance)
        .map(|known| known.target.clone());
    let Some(target) = target else {
        return Err(Failure::usage(format!(
            "there is no session {instance} in this client's list"
        )));
    };
    let (mut wire, _used) = mux
        .hosts
        .open(&target, surroundings, prompt, &|_| {})
        .await?;
    let order = RemoveOrder {
        instance,
        extensions: Vec::new(),
    };
    if let Err(error) = wire.send(&order.into(), Bytes::new()) {
        return Err(wire.failure(error));
    }
    loop {
        match wire.next().await {
            Ok((ToClient::Removed(_), _)) => return Ok(()),
            Ok((ToClient::Refused(refused), _)) => {
                if refused.code == RefusalCode::UNKNOWN_SESSION {
                    return Ok(());
                }
                return Err(Failure::from(&refused));
            }
            Ok(_) => {}
            Err(error) => return Err(wire.failure(error)),
        }
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
    match super::keeper::over(&held.status().borrow()) {
        Some(over) => not_held(&name, &over),
        None => Failure::new(FailureKind::Unreachable, format!("lost session {name}")),
    }
}
