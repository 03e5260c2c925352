//! Receiving what was said while nobody listened, and following what is still being said.

use std::collections::BTreeSet;
use std::rc::Rc;

use outlast_protocol::control::to_cli::{FailureKind, Record as Told};
use outlast_protocol::control::to_mux::{Receive, ToMux};
use outlast_protocol::id::{InvocationId, Seq};
use outlast_protocol::link::cursor::Cursor;
use outlast_protocol::link::{AttachMode, From};
use outlast_protocol::record::RecordKind;
use tokio::time::Instant;

use super::Mux;
use super::asking::Asking;
use super::caller::{Caller, Stop};
use super::failure::Failure;
use super::held::{Heard, Held, Reader};
use super::hold::{hold, lost, name_of};
use super::patience::{ENOUGH, at, gave_up, link_changed};

/// Delivers a session's output to a command line, which may only want to look.
pub(super) async fn run(
    mux: &Rc<Mux>,
    caller: &mut Caller,
    request: Receive,
    read_only: bool,
) -> Result<(), Stop> {
    let held = attach(mux, caller, &request, read_only).await?;
    let mut done = deliver(mux, caller, &request, &held).await;
    if done.is_ok() && held.is_broken() {
        // All that is left was delivered; that there may have been more is no success.
        done = Err(lost(mux, &held).into());
    }
    if !held.kept.get() && !held.has_readers() {
        mux.let_go_of(&held);
    }
    mux.save();
    done
}

/// The session as the user connected to it; connected to now if he has not.
async fn attach(
    mux: &Rc<Mux>,
    caller: &mut Caller,
    request: &Receive,
    read_only: bool,
) -> Result<Rc<Held>, Stop> {
    let instance = request.instance;
    let held = mux.held.borrow().contains_key(&instance);
    let mode = if read_only || (!held && mux.watched(instance).is_some()) {
        AttachMode::ReadOnly
    } else {
        AttachMode::Connect
    };
    let attached = hold(mux, caller, instance, mode, request.surroundings.clone()).await;
    attached.map_err(|stop| match stop {
        Stop::Failed(failure) if failure.kind == FailureKind::Busy => {
            let name = name_of(mux, instance);
            let hint = format!(
                "`outlast receive --read-only {name}` reads along and takes nothing from anybody; \
                 `outlast connect --steal {name}` takes it over"
            );
            Stop::Failed(failure.hint(hint))
        }
        other => other,
    })
}

async fn deliver(
    mux: &Rc<Mux>,
    caller: &mut Caller,
    request: &Receive,
    held: &Rc<Held>,
) -> Result<(), Stop> {
    // A command line that was here before knows by this that it is back.
    caller.sessions(mux, &[held.instance]);
    let cursor = {
        let registry = mux.registry.borrow();
        registry
            .get(held.instance)
            .map(|known| known.cursor.clone())
            .unwrap_or_default()
    };
    let (from, skip) = match request.from {
        Some(from) => (from, Vec::new()),
        None => cursor.request(),
    };
    let reader = held.open_reader(from, None, skip);
    let replay = request.from.is_some();
    let mut delivery = Delivery {
        mux,
        held,
        request,
        reader,
        asking: Asking::new(
            held,
            name_of(mux, held.instance),
            None,
            request.surroundings.interactive,
        ),
        replay,
        before: cursor,
        skips_unread: false,
        left_out: BTreeSet::new(),
        sent: None,
        consumed: None,
        end: None,
    };
    let mut done = delivery.deliver(caller).await;
    if matches!(done, Err(Stop::Failed(_))) && delivery.settle(caller).await.is_err() {
        done = Err(Stop::Gone);
    }
    done
}

struct Delivery<'a> {
    mux: &'a Rc<Mux>,
    held: &'a Rc<Held>,
    request: &'a Receive,
    reader: Reader,
    asking: Asking,
    replay: bool,
    /// What this client had received when this began. What others receive meanwhile is theirs:
    /// each of several who follow a session gets everything.
    before: Cursor,
    /// Whether it began behind records that were not received.
    skips_unread: bool,
    /// Invocations that another command line has been reading meanwhile. They stay left out: a
    /// later one takes up where that one stopped.
    left_out: BTreeSet<InvocationId>,
    /// The last record sent to the command line.
    sent: Option<Seq>,
    /// The last record it wrote out.
    consumed: Option<Seq>,
    /// Set when there is no more to come: the last record there is.
    end: Option<Seq>,
}

impl Delivery<'_> {
    async fn deliver(&mut self, caller: &mut Caller) -> Result<(), Stop> {
        let mut status = self.held.status();
        // The link may be down already: that is news to this command line.
        status.mark_changed();
        let mut give_up: Option<Instant> = None;
        loop {
            if let Some(end) = self.end
                && self.consumed >= self.sent
            {
                self.received(end);
                return Ok(());
            }
            let quiet = caller.waiting() < ENOUGH && self.end.is_none();
            tokio::select! {
                message = caller.next() => self.hear(message?.0)?,
                heard = self.reader.next(), if quiet => match heard {
                    Some(heard) => self.tell(caller, heard),
                    None => return Err(lost(self.mux, self.held).into()),
                },
                asked = self.asking.next(), if self.request.follow => {
                    self.asking.tell(caller, asked);
                }
                _ = status.changed() => {
                    give_up = link_changed(caller, self.held, give_up, self.request.reconnect_for_ms);
                }
                () = at(give_up) => {
                    return Err(gave_up(self.mux, self.held, self.request.reconnect_for_ms).into());
                }
            }
        }
    }

    /// Before a failure is told: waits until what was sent before it is written out, or it would
    /// be delivered again.
    async fn settle(&mut self, caller: &mut Caller) -> Result<(), Stop> {
        while self.consumed < self.sent {
            self.hear(caller.next().await?.0)?;
        }
        Ok(())
    }

    fn tell(&mut self, caller: &mut Caller, heard: Heard) {
        match heard {
            Heard::Record(record, body) => {
                if !self.wants(record.invocation, record.seq) {
                    // It was received before, or is by a command line of its own.
                    self.leave_out(record.invocation, record.seq);
                    self.reader.consumed(record.seq);
                    return;
                }
                if self.sent.is_none() && matches!(self.request.from, Some(From::Tail(_))) {
                    let first = match &record.kind {
                        RecordKind::Gap(gap) => gap.first,
                        _ => record.seq,
                    };
                    self.skips_unread = !self.before.reaches(first);
                }
                self.sent = Some(record.seq);
                caller.send(&Told::from(record).into(), body);
            }
            // Only of the terminal.
            Heard::Modes(..) => {}
            Heard::CaughtUp { next, active, last } => {
                if !self.request.follow || active == 0 || last {
                    self.end = Some(Seq(next.0.saturating_sub(1)));
                }
            }
        }
    }

    fn wants(&mut self, invocation: Option<InvocationId>, seq: Seq) -> bool {
        if self.replay {
            return true;
        }
        self.left_out.extend(self.held.foreground());
        if invocation.is_some_and(|invocation| self.left_out.contains(&invocation)) {
            return false;
        }
        if !invocation.is_some_and(|invocation| self.held.had_own_reader(invocation)) {
            return self.before.wants(invocation, seq);
        }
        // It came and went meanwhile: what its own command line has had is not delivered again.
        let registry = self.mux.registry.borrow();
        let known = registry.get(self.held.instance);
        known.is_none_or(|known| known.cursor.wants(invocation, seq))
    }

    /// What is left out now and was not received must be found by a later command line.
    fn leave_out(&self, invocation: Option<InvocationId>, seq: Seq) {
        let mut registry = self.mux.registry.borrow_mut();
        if let (Some(invocation), Some(known)) = (invocation, registry.get_mut(self.held.instance))
            && known.cursor.wants(Some(invocation), seq)
        {
            known.cursor.begin(invocation, seq);
        }
    }

    fn hear(&mut self, message: ToMux) -> Result<(), Stop> {
        match message {
            ToMux::Answer(answer) => {
                self.asking.answered(answer);
                Ok(())
            }
            ToMux::Consumed(consumed) => {
                self.reader.consumed(consumed.seq);
                self.consumed = Some(consumed.seq);
                self.received(consumed.seq);
                Ok(())
            }
            other => {
                let message = format!("{} has no place here", other.name());
                Err(Failure::internal(message).into())
            }
        }
    }

    fn received(&mut self, seq: Seq) {
        // The last few records, wanted by number, say nothing of those before them.
        if self.skips_unread {
            return;
        }
        self.left_out.extend(self.held.foreground());
        let busy: Vec<InvocationId> = self.left_out.iter().copied().collect();
        if let Some(known) = self.mux.registry.borrow_mut().get_mut(self.held.instance) {
            known.cursor.caught_up(seq, &busy);
        }
    }
}
