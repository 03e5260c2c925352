//! Taking hold of sessions and keeping hold of them while links come and go.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::control::target::Target;
use outlast_protocol::control::to_cli::FailureKind;
use outlast_protocol::control::to_mux::Surroundings;
use outlast_protocol::id::{ClientId, InstanceId};
use outlast_protocol::link::AttachMode;
use outlast_protocol::link::refusal::RefusalCode;
use outlast_protocol::link::to_client::ToClient;
use outlast_protocol::link::to_host::{Attach, ToHost};
use outlast_protocol::session::{Holder, SessionInfo};
use outlast_rendezvous::failpoint;
use tokio::time::Instant;

use super::failure::Failure;
use super::held::{Held, Over};
use super::hosts::Use;
use super::registry::words;
use super::wire::Wire;
use super::{Mux, complain};
use crate::ssh::{NeverPrompt, Prompt};

/// First and longest pause between two tries to get a link back.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// A link that held this long starts the pauses from the beginning.
const STABLE: Duration = Duration::from_secs(1);

/// A link with a session attached to it.
pub(super) struct Attached {
    pub(super) wire: Wire,
    pub(super) used: Use,
    pub(super) info: SessionInfo,
}

/// Sends the first request of a fresh link and waits for the session to be attached.
pub(super) async fn attach(
    mut wire: Wire,
    used: Use,
    request: &ToHost,
) -> Result<Attached, Refusal> {
    let lost = |wire: &mut Wire, error| Refusal {
        code: None,
        failure: wire.failure(error),
    };
    if let Err(error) = wire.send(request, Bytes::new()) {
        return Err(lost(&mut wire, error));
    }
    loop {
        match wire.next().await {
            Ok((ToClient::Attached(attached), _)) => {
                failpoint::reach("mux.attached");
                return Ok(Attached {
                    wire,
                    used,
                    info: attached.info,
                });
            }
            Ok((ToClient::Refused(refused), _)) => {
                let failure = Failure::from(&refused);
                return Err(Refusal {
                    code: Some(refused.code),
                    failure,
                });
            }
            Ok(_) => {}
            Err(error) => return Err(lost(&mut wire, error)),
        }
    }
}

/// A session that was not attached, and why.
pub(super) struct Refusal {
    pub(super) code: Option<RefusalCode>,
    pub(super) failure: Failure,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self {
            code: None,
            failure,
        }
    }
}

/// The request to attach a session.
pub(super) fn attach_request(instance: InstanceId, client: ClientId, mode: AttachMode) -> ToHost {
    Attach {
        instance,
        client,
        mode,
        extensions: Vec::new(),
    }
    .into()
}

impl Mux {
    /// The session, held: as it is, or after connecting to it now.
    pub(super) async fn hold(
        self: &Rc<Self>,
        instance: InstanceId,
        mode: AttachMode,
        surroundings: &Surroundings,
        prompt: &dyn Prompt,
        notice: &dyn Fn(String),
    ) -> Result<Rc<Held>, Failure> {
        let _turn = self.turns.take(instance).await;
        if let Some(held) = self.held.borrow().get(&instance).cloned() {
            held.refresh(surroundings);
            return Ok(held);
        }
        let (target, client) = {
            let registry = self.registry.borrow();
            let known = registry.get(instance).ok_or_else(|| {
                Failure::usage(format!(
                    "there is no session {instance} in this client's list"
                ))
            })?;
            (known.target.clone(), registry.client())
        };
        let (wire, used) = self
            .hosts
            .open(&target, surroundings, prompt, notice)
            .await?;
        let request = attach_request(instance, client, mode);
        match attach(wire, used, &request).await {
            Ok(attached) => Ok(self.keep(target, surroundings.clone(), attached)),
            Err(refusal) => {
                self.note_refusal(instance, &refusal);
                Err(refusal.failure)
            }
        }
    }

    /// What a refusal says about the session goes on the list.
    fn note_refusal(&self, instance: InstanceId, refusal: &Refusal) {
        let mut registry = self.registry.borrow_mut();
        let Some(known) = registry.get_mut(instance) else {
            return;
        };
        let message = refusal.failure.message.clone();
        known.heard = match refusal.code {
            Some(RefusalCode::UNKNOWN_SESSION | RefusalCode::ENDED) => {
                super::registry::Heard::Closed(message)
            }
            Some(RefusalCode::BROKEN) => super::registry::Heard::Broken(message),
            _ => return,
        };
        drop(registry);
        self.save();
    }

    /// Keeps a session that was just attached, until it is let go or lost.
    pub(super) fn keep(
        self: &Rc<Self>,
        target: Target,
        surroundings: Surroundings,
        attached: Attached,
    ) -> Rc<Held> {
        self.registry.borrow_mut().learn(&target, &attached.info);
        self.save();
        let held = Held::new(target, surroundings, attached.info);
        self.held.borrow_mut().insert(held.instance, held.clone());
        let (mux, kept) = (self.clone(), held.clone());
        tokio::task::spawn_local(async move {
            let over = mux.drive(&kept, attached.wire, attached.used).await;
            mux.release(&kept, over);
        });
        held
    }

    async fn drive(self: &Rc<Self>, held: &Rc<Held>, wire: Wire, used: Use) -> Over {
        let mut link = Some((wire, used));
        let mut pause = PAUSES.0;
        loop {
            if let Some((mut wire, used)) = link.take() {
                let since = Instant::now();
                let changed = |info: &SessionInfo| self.learn(held, info);
                let ended = held.converse(&mut wire, &changed).await;
                drop(used);
                match ended {
                    // A connection this client had given up arrived after this one: it has
                    // nobody at its other end, and is taken over again.
                    Ok(Over::Stolen(by)) if self.is_this(&by) => {
                        held.link_down("an older connection of this client came late".to_owned());
                    }
                    Ok(over) => return over,
                    Err(error) => held.link_down(error.to_string()),
                }
                if since.elapsed() >= STABLE {
                    pause = PAUSES.0;
                }
            }
            let again = async {
                tokio::time::sleep(jitter(pause)).await;
                self.reconnect(held).await
            };
            // A session that is let go while its link is down is let go at once.
            let again = tokio::select! {
                again = again => again,
                () = held.wants_out() => return Over::Detached,
            };
            pause = pause.saturating_mul(2).min(PAUSES.1);
            match again {
                Ok(attached) => {
                    held.link_up(attached.info.clone());
                    self.learn(held, &attached.info);
                    link = Some((attached.wire, attached.used));
                }
                Err(refusal) if refusal.code.is_none() && refusal.failure.passing => {
                    held.link_down(refusal.failure.message);
                }
                Err(refusal) => {
                    self.note_refusal(held.instance, &refusal);
                    return Over::Lost(refusal.failure);
                }
            }
        }
    }

    /// Whether a holder is this very client: a copy of its files on another computer is not.
    fn is_this(&self, holder: &Holder) -> bool {
        let host = outlast_rendezvous::machine::host_name();
        holder.client == self.registry.borrow().client() && holder.host == host
    }

    async fn reconnect(self: &Rc<Self>, held: &Held) -> Result<Attached, Refusal> {
        let client = self.registry.borrow().client();
        let surroundings = held.surroundings();
        let notice = |text: String| complain(&text);
        let opened = self
            .hosts
            .open(&held.target, &surroundings, &NeverPrompt, &notice)
            .await;
        let (wire, used) = opened.map_err(Refusal::from)?;
        attach(
            wire,
            used,
            &attach_request(held.instance, client, AttachMode::Connect),
        )
        .await
    }

    fn learn(&self, held: &Held, info: &SessionInfo) {
        self.registry.borrow_mut().learn(&held.target, info);
    }

    fn release(&self, held: &Rc<Held>, over: Over) {
        self.held.borrow_mut().remove(&held.instance);
        if let Some(known) = self.registry.borrow_mut().get_mut(held.instance) {
            known.left_at(super::now_ms());
            match &over {
                Over::Ended(end) => known.heard = super::registry::Heard::Closed(words(end)),
                Over::Broken(why) => known.heard = super::registry::Heard::Broken(why.clone()),
                Over::Stolen(by) => known.holder = Some(format!("{}@{}", by.user, by.host)),
                Over::Detached | Over::Lost(_) => {}
            }
        }
        held.over(over);
        self.save();
        self.activity.notify_one();
    }
}

/// Full jitter: many clients that lost one host do not all come back at once.
pub(super) fn jitter(most: Duration) -> Duration {
    let mut random = [0u8; 4];
    let _ = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty());
    let share = u32::from_ne_bytes(random);
    most.mul_f64(f64::from(share) / f64::from(u32::MAX))
}

/// The failure of a request whose session this client does not hold any more.
pub(super) fn not_held(name: &str, over: &Over) -> Failure {
    match over {
        Over::Detached => Failure::new(
            FailureKind::SessionLost,
            format!("session {name} was disconnected"),
        )
        .hint(format!(
            "what it runs goes on; `outlast receive --follow {name}` gets the rest"
        )),
        Over::Stolen(by) => Failure::new(
            FailureKind::SessionLost,
            format!(
                "session {name} was taken over by {}@{} {}",
                by.user, by.host, by.address
            )
            .trim_end()
            .to_owned(),
        )
        .hint(format!("`outlast connect --steal {name}` takes it back")),
        Over::Ended(end) => Failure::new(
            FailureKind::SessionLost,
            format!("session {name} is over: {}", words(end)),
        )
        .hint("`outlast new` starts a fresh one"),
        Over::Broken(reason) => Failure::new(
            FailureKind::SessionLost,
            format!("session {name} is broken: {reason}"),
        )
        .hint(format!(
            "`outlast receive --from start {name}` reads what there is of its output; `outlast \
             remove {name}` clears it away"
        )),
        Over::Lost(failure) => failure.clone(),
    }
}
