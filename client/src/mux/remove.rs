//! Ending sessions.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::control::to_mux::{Remove, Surroundings};
use outlast_protocol::id::InstanceId;
use outlast_protocol::link::refusal::RefusalCode;
use outlast_protocol::link::to_client::ToClient;
use outlast_protocol::link::to_host::Remove as RemoveOrder;
use outlast_protocol::session::{ENDED_PROCESSES, SessionInfo};

use super::Mux;
use super::caller::{Caller, Stop};
use super::errand::Errand;
use super::failure::Failure;
use super::held::{Held, Over, Status};
use crate::ssh::Prompt;

/// More than a host gives the shell's processes to end.
const ENDING: Duration = Duration::from_secs(20);

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
        .wait_for(async move |prompt, notice| {
            end(&worker, instance, &surroundings, &*prompt, &*notice).await
        })
        .await?;
    if let Some(session) = &mut last {
        session.state = outlast_protocol::control::session::State::Closed;
        session.availability = outlast_protocol::control::session::Availability::None;
        session.running = None;
        session.running_since_ms = None;
        session.activity.clear();
        session.asks = None;
        session.queued = 0;
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
pub(super) async fn end(
    mux: &Rc<Mux>,
    instance: InstanceId,
    surroundings: &Surroundings,
    prompt: &dyn Prompt,
    notice: &dyn Fn(String),
) -> Result<(), Failure> {
    let held = mux.held.borrow().get(&instance).cloned();
    let ended = match held {
        Some(held) if !held.is_broken() => end_held(&held).await,
        _ => false,
    };
    if !ended {
        order_end(mux, instance, surroundings, prompt, notice).await?;
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
    notice: &dyn Fn(String),
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
    let order = RemoveOrder {
        instance,
        extensions: Vec::new(),
    };
    let errand = Errand {
        target: &target,
        surroundings,
        prompt,
        notice,
        request: order.into(),
    };
    errand
        .run(mux, |message| match message {
            ToClient::Removed(_) => Some(Ok(())),
            ToClient::Changed(left) => {
                tell_ended(&left.info, notice);
                None
            }
            // Ended already, perhaps by the first try of this very order.
            ToClient::Refused(refused) if refused.code == RefusalCode::UNKNOWN_SESSION => {
                Some(Ok(()))
            }
            ToClient::Refused(refused) => Some(Err(Failure::from(&refused))),
            _ => None,
        })
        .await
}

/// Says which processes of a dead session were ended with it.
fn tell_ended(info: &SessionInfo, notice: &dyn Fn(String)) {
    let mut extensions = info.extensions.iter();
    if let Some(ended) = extensions.find(|extension| extension.name == ENDED_PROCESSES) {
        let names = String::from_utf8_lossy(&ended.value);
        notice(format!(
            "ended what session {} had left running: {names}",
            info.name
        ));
    }
}
