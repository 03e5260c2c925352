//! Taking hold of sessions and keeping hold of them while links come and go.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::control::target::Target;
use outlast_protocol::control::to_cli::FailureKind;
use outlast_protocol::control::to_mux::Surroundings;
use outlast_protocol::hello::Extension;
use outlast_protocol::id::{ClientId, InstanceId};
use outlast_protocol::link::AttachMode;
use outlast_protocol::link::refusal::RefusalCode;
use outlast_protocol::link::to_client::ToClient;
use outlast_protocol::link::to_host::{Attach, CONFIRMS, Ping, ToHost};
use outlast_protocol::session::{Holder, SessionInfo};
use outlast_rendezvous::failpoint;
use tokio::time::Instant;

use super::failure::Failure;
use super::held::{Held, Over, Status};
use super::hold::name_of;
use super::hosts::Use;
use super::logins::BACKGROUND;
use super::registry::{holder_words, words};
use super::wire::Wire;
use super::{Mux, complain};
use crate::output::session::time;
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
    let thief = thief(request);
    let attached = |wire, used, info| Attached { wire, used, info };
    loop {
        match wire.next().await {
            Ok((ToClient::Attached(told), _)) => {
                failpoint::reach("mux.attached");
                if thief.is_none_or(|thief| !holds(&told.info, Some(thief), false)) {
                    return Ok(attached(wire, used, told.info));
                }
                // Whoever has the session keeps it until the host hears us again.
                if let Err(error) = wire.send(&Ping { number: 0 }.into(), Bytes::new()) {
                    return Err(lost(&mut wire, error));
                }
            }
            Ok((ToClient::Changed(news), _)) if holds(&news.info, thief, true) => {
                return Ok(attached(wire, used, news.info));
            }
            Ok((ToClient::Stolen(stolen), _)) => {
                return Err(Refusal {
                    code: Some(RefusalCode::HELD),
                    failure: taken_over("the session", &stolen.by),
                });
            }
            Ok((ToClient::Ended(ended), _)) => {
                let failure = format!("the session is over: {}", words(&ended.end));
                return Err(Refusal {
                    code: Some(RefusalCode::ENDED),
                    failure: Failure::new(FailureKind::SessionLost, failure),
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

/// The client that takes a session from another by this request.
fn thief(request: &ToHost) -> Option<ClientId> {
    match request {
        ToHost::Attach(attach) if attach.mode == AttachMode::Steal => Some(attach.client),
        _ => None,
    }
}

/// Whether a session is held by that client, or by another one.
fn holds(info: &SessionInfo, client: Option<ClientId>, own: bool) -> bool {
    let holder = info.holder.as_ref().map(|holder| holder.client);
    holder.is_some() && (holder == client) == own
}

/// A session that was not attached, and why.
pub(super) struct Refusal {
    pub(super) code: Option<RefusalCode>,
    pub(super) failure: Failure,
}

impl Refusal {
    /// Whether a session that was attached before may be had back later. A host that does not
    /// answer may be stopped, with the computer it is on.
    fn is_passing(&self) -> bool {
        match self.code {
            None => self.failure.passing,
            Some(code) => code == RefusalCode::INTERNAL,
        }
    }
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
    let confirms = Extension {
        name: CONFIRMS.to_owned(),
        value: Vec::new(),
    };
    Attach {
        instance,
        client,
        mode,
        extensions: (mode == AttachMode::Steal)
            .then_some(confirms)
            .into_iter()
            .collect(),
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
        let already = self.table(mode).borrow().get(&instance).cloned();
        if let Some(held) = already {
            held.refresh(surroundings);
            if mode == AttachMode::Steal {
                self.steal_back(&held).await?;
            }
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
            Ok(attached) => Ok(self.keep(target, surroundings.clone(), attached, mode)),
            Err(refusal) => {
                self.note_refusal(instance, &refusal);
                let name = name_of(self, instance);
                let failure = refusal.failure;
                Err(match refusal.code {
                    Some(RefusalCode::HELD) => failure.hint(format!(
                        "`outlast connect --steal {name}` takes it over; its holder is told"
                    )),
                    _ => failure,
                })
            }
        }
    }

    /// Sessions held, or those only looked at.
    pub(super) fn table(&self, mode: AttachMode) -> &RefCell<BTreeMap<InstanceId, Rc<Held>>> {
        match mode {
            AttachMode::ReadOnly => &self.watched,
            AttachMode::Connect | AttachMode::Steal => &self.held,
        }
    }

    /// The session, if the user connected to it only to look.
    pub(super) fn watched(&self, instance: InstanceId) -> Option<Rc<Held>> {
        let watch = self.watched.borrow().get(&instance).cloned();
        watch.filter(|watch| watch.kept.get())
    }

    /// A session whose link is lost may be another client's by now: it is taken back.
    async fn steal_back(&self, held: &Held) -> Result<(), Failure> {
        let mut status = held.status();
        if *status.borrow() == Status::Up {
            return Ok(());
        }
        held.steal_back();
        let done = status.wait_for(|status| !matches!(status, Status::Down(_)));
        match done.await.as_deref() {
            Ok(Status::Up | Status::Down(_)) => Ok(()),
            Ok(Status::Over(over)) => Err(not_held(&name_of(self, held.instance), over)),
            Err(_) => Err(Failure::internal("the session was let go")),
        }
    }

    /// Lets go of a session that nobody wants any more, without waiting for it.
    pub(super) fn let_go_of(&self, held: &Rc<Held>) {
        self.forget(held);
        drop(held.detach(None));
    }

    /// Takes it off the table, unless another has its place already.
    fn forget(&self, held: &Rc<Held>) {
        let mut table = self.table(held.next_mode()).borrow_mut();
        if table
            .get(&held.instance)
            .is_some_and(|there| Rc::ptr_eq(there, held))
        {
            table.remove(&held.instance);
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
        mode: AttachMode,
    ) -> Rc<Held> {
        self.registry.borrow_mut().learn(&target, &attached.info);
        self.save();
        let held = Held::new(target, surroundings, attached.info, mode);
        held.under(attached.used.terms());
        let mut table = self.table(mode).borrow_mut();
        table.insert(held.instance, held.clone());
        drop(table);
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
                self.pause(held, jitter(pause)).await;
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
                    held.under(attached.used.terms());
                    link = Some((attached.wire, attached.used));
                }
                Err(refusal) if refusal.is_passing() => {
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

    /// What ends the pause before the next try.
    async fn pause(&self, held: &Held, pause: Duration) {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = held.hurried() => {}
            // The computer slept: the network that was away may be another one by now.
            () = self.hosts.waking().rung() => {}
        }
    }

    async fn reconnect(self: &Rc<Self>, held: &Held) -> Result<Attached, Refusal> {
        let client = self.registry.borrow().client();
        // Nobody asked for it: what was refused to anybody is not tried.
        let surroundings = Surroundings {
            run: BACKGROUND,
            interactive: false,
            ..held.surroundings()
        };
        let notice = |text: String| complain(&text);
        let opened = self
            .hosts
            .open(&held.target, &surroundings, &NeverPrompt, &notice)
            .await;
        let (wire, used) = opened.map_err(Refusal::from)?;
        attach(
            wire,
            used,
            &attach_request(held.instance, client, held.next_mode()),
        )
        .await
    }

    fn learn(&self, held: &Held, info: &SessionInfo) {
        self.registry.borrow_mut().learn(&held.target, info);
    }

    fn release(&self, held: &Rc<Held>, over: Over) {
        self.forget(held);
        if let Some(known) = self.registry.borrow_mut().get_mut(held.instance) {
            if !held.is_watch() {
                known.left_at(super::now_ms());
            }
            match &over {
                Over::Ended(end) => known.heard = super::registry::Heard::Closed(words(end)),
                Over::Broken(why) => known.heard = super::registry::Heard::Broken(why.clone()),
                Over::Stolen(by) => known.holder = Some(holder_words(by)),
                Over::Lost(failure) => known.refused = Some(failure.message.clone()),
                Over::Detached => {}
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

/// The failure of everything that wanted a session which now another client has.
fn taken_over(session: &str, by: &Holder) -> Failure {
    let who = holder_words(by);
    let when = time(by.since_ms).map_or(String::new(), |when| format!(" at {when}"));
    let message = format!("{session} was taken over by {who}{when}");
    Failure::new(FailureKind::SessionLost, message)
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
        Over::Stolen(by) => taken_over(&format!("session {name}"), by)
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
