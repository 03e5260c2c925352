//! Listing the sessions of a computer; each gets an Id of this client.

use std::collections::BTreeMap;
use std::rc::Rc;

use outlast_protocol::control::target::Target;
use outlast_protocol::control::to_mux::{Enumerate, Surroundings};
use outlast_protocol::link::to_client::ToClient;
use outlast_protocol::link::to_host::List;
use outlast_protocol::session::SessionInfo;

use super::Mux;
use super::caller::{Caller, Stop};
use super::errand::Errand;
use super::failure::Failure;
use super::registry::Heard;
use crate::ssh::Prompt;

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
    let request = List {
        extensions: Vec::new(),
    };
    let errand = Errand {
        target,
        surroundings,
        prompt,
        notice,
        request: request.into(),
    };
    // By instance ID: a list that had to be asked for twice has everything once.
    let mut all = BTreeMap::new();
    errand
        .run(mux, |message| match message {
            ToClient::Listed(listed) => {
                let more = listed.more;
                all.extend(
                    listed
                        .sessions
                        .into_iter()
                        .map(|info| (info.instance, info)),
                );
                (!more).then_some(Ok(()))
            }
            ToClient::Refused(refused) => Some(Err(Failure::from(&refused))),
            _ => None,
        })
        .await?;
    let mut all: Vec<_> = all.into_values().collect();
    all.sort_by_key(|info| (info.created_ms, info.instance));
    Ok(all)
}
