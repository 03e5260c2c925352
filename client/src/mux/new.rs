//! Making sessions.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::control::to_cli::{FailureKind, Finished};
use outlast_protocol::control::to_mux::New;
use outlast_protocol::durability::{DURABILITY, Durability};
use outlast_protocol::hello::Extension;
use outlast_protocol::id::SessionName;
use outlast_protocol::link::AttachMode;
use outlast_protocol::link::refusal::RefusalCode;
use outlast_protocol::link::to_host::{Create, TEMPORARY, ToHost};
use tokio::sync::oneshot;

use super::Mux;
use super::caller::{Caller, Stop};
use super::failure::Failure;
use super::held::Held;
use super::hold::live;
use super::keeper::{Attached, Refusal, attach, jitter};
use super::registry::Heard;
use super::remove::end;
use super::reserve::Reservation;
use super::wire::Wire;
use crate::ssh::Prompt;

/// Before each further try to get an answer when the link was lost.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
];
/// Names tried for a session without one.
const NAMES: usize = 1000;

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
    live(mux, &held)?;
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
    if let Err(failure) = end(mux, held.instance, &held.surroundings(), &prompt, &|_| {}).await {
        super::complain(&format!("a temporary session stays: {failure}"));
    }
}

async fn create(
    mux: &Rc<Mux>,
    request: New,
    prompt: &dyn Prompt,
    notice: &dyn Fn(String),
) -> Result<Rc<Held>, Failure> {
    // Two who ask for the same session get the same.
    let _turn = mux.turns.take(request.instance).await;
    if let Some(held) = made_before(mux, &request)? {
        return Ok(held);
    }
    let client = mux.registry.borrow().client();
    let reservation = Reservation::new(mux, request.instance);
    let wanted = wanted(&request)?;
    let mut taken = Vec::new();
    while taken.len() < NAMES {
        let name = if request.name.is_empty() {
            reservation.free_name(&taken)
        } else {
            request.name.clone()
        };
        let create = Create {
            instance: request.instance,
            client,
            name: SessionName::new(&name).map_err(|error| Failure::usage(error.to_string()))?,
            configuration: request.configuration.clone(),
            idle_timeout: request.idle_timeout,
            buffering: request.buffering,
            environment: request.environment.clone(),
            open_timeout_ms: request.open_timeout_ms,
            extensions: extensions(&request, wanted),
        };
        match make(mux, &request, &create, prompt, notice).await {
            Ok(attached) => {
                let (target, surroundings) = (request.target, request.surroundings);
                return Ok(mux.keep(target, surroundings, attached, AttachMode::Connect));
            }
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

fn extensions(request: &New, durability: Option<Durability>) -> Vec<Extension> {
    let temporary = request.temporary.then(|| Extension {
        name: TEMPORARY.to_owned(),
        value: Vec::new(),
    });
    let durability = durability.map(Durability::extension);
    temporary.into_iter().chain(durability).collect()
}

/// The session, if an earlier request with the same instance ID made it.
fn made_before(mux: &Mux, request: &New) -> Result<Option<Rc<Held>>, Failure> {
    if let Some(known) = mux.registry.borrow().get(request.instance) {
        let name = &known.name;
        if known.target != request.target {
            let there = &known.target.destination;
            let message = format!("session {name} has that instance ID, on {there}");
            return Err(Failure::usage(message).hint("leave --instance-id out to make another"));
        }
        if let Heard::Closed(how) | Heard::Broken(how) = &known.heard {
            let message = format!("session {name} is over: {how}");
            return Err(Failure::new(FailureKind::SessionLost, message)
                .hint("leave --instance-id out to make another"));
        }
    }
    Ok(mux.held.borrow().get(&request.instance).cloned())
}

/// What the session is to outlive at least.
fn wanted(request: &New) -> Result<Option<Durability>, Failure> {
    if request.durability.is_empty() {
        return Ok(None);
    }
    let wanted = Durability::named(&request.durability);
    let unknown = || {
        Failure::usage(format!(
            "`{}` is no class of durability",
            request.durability
        ))
    };
    wanted.map(Some).ok_or_else(unknown)
}

/// A remote end that does not know how long sessions live there would make one all the same.
fn can_promise(wire: &Wire, create: &Create) -> Result<(), Failure> {
    let is_needed = Durability::said(&create.extensions).is_some();
    let peer = wire.peer();
    let knows = peer.is_some_and(|peer| peer.features.iter().any(|it| it.name == DURABILITY));
    if knows || !is_needed {
        return Ok(());
    }
    let program = peer.map_or("the remote end", |peer| peer.program.as_str());
    let message = format!("{program} cannot tell how long a session lives there");
    Err(Failure::new(FailureKind::Protocol, message)
        .hint("install a newer outlast-subsystem, or leave --require-durability out"))
}

/// Asks for the session until there is an answer: what is asked for has its instance ID, so the
/// host knows it again.
async fn make(
    mux: &Mux,
    request: &New,
    create: &Create,
    prompt: &dyn Prompt,
    notice: &dyn Fn(String),
) -> Result<Attached, Refusal> {
    let mut asked = false;
    let mut pauses = PAUSES.iter();
    loop {
        let opened = mux
            .hosts
            .open(&request.target, &request.surroundings, prompt, notice)
            .await;
        let refusal = match opened {
            Ok((wire, used)) => {
                can_promise(&wire, create)?;
                asked = true;
                let mut create = create.clone();
                let terms = used.terms();
                terms.extend(&mut create.environment, &request.surroundings);
                match attach(wire, used, &ToHost::Create(create)).await {
                    Ok(attached) => return Ok(attached),
                    Err(refusal) => refusal,
                }
            }
            Err(failure) => Refusal::from(failure),
        };
        // A host that cannot be reached to begin with is not waited for.
        let lost = asked && refusal.code.is_none() && refusal.failure.passing;
        let Some(pause) = pauses.next().filter(|_| lost) else {
            return Err(if lost {
                perhaps_made(request, refusal)
            } else {
                refusal
            });
        };
        notice(format!("{}; asking again", refusal.failure.message));
        tokio::time::sleep(jitter(*pause)).await;
    }
}

/// The connection was lost behind the request for good: it may have been carried out.
fn perhaps_made(request: &New, refusal: Refusal) -> Refusal {
    let hint = format!(
        "the same with `--instance-id {}` asks for that session again and makes no second one",
        request.instance
    );
    Refusal {
        failure: refusal.failure.hint(hint),
        ..refusal
    }
}
