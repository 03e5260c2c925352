//! Receiving what was said while nobody listened, and following what is still being said.

use std::rc::Rc;

use outlast_protocol::control::to_cli::Record as Told;
use outlast_protocol::control::to_mux::{Receive, ToMux};
use outlast_protocol::id::{InvocationId, Seq};
use outlast_protocol::link::AttachMode;
use tokio::time::Instant;

use super::Mux;
use super::caller::{Caller, Stop};
use super::failure::Failure;
use super::held::{Heard, Held, Reader};
use super::hold::{hold, lost};
use super::patience::{ENOUGH, at, gave_up, link_changed};

/// Delivers a session's output to a command line.
pub(super) async fn run(mux: &Rc<Mux>, caller: &mut Caller, request: Receive) -> Result<(), Stop> {
    let surroundings = request.surroundings.clone();
    let held = hold(
        mux,
        caller,
        request.instance,
        AttachMode::Connect,
        surroundings,
    )
    .await?;
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
        held: &held,
        request: &request,
        reader,
        replay,
        sent: None,
        consumed: None,
        end: None,
    };
    let done = delivery.deliver(caller).await;
    mux.save();
    if held.is_broken() {
        // All that is left was delivered; that there may have been more is no success.
        done?;
        return Err(lost(mux, &held).into());
    }
    done
}

struct Delivery<'a> {
    mux: &'a Rc<Mux>,
    held: &'a Rc<Held>,
    request: &'a Receive,
    reader: Reader,
    replay: bool,
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
                _ = status.changed() => {
                    give_up = link_changed(caller, self.held, give_up, self.request.reconnect_for_ms);
                }
                () = at(give_up) => {
                    return Err(gave_up(self.mux, self.held, self.request.reconnect_for_ms).into());
                }
            }
        }
    }

    fn tell(&mut self, caller: &mut Caller, heard: Heard) {
        match heard {
            Heard::Record(record, body) => {
                if !self.wants(record.invocation, record.seq) {
                    // Received before, by a command line of its own.
                    self.reader.consumed(record.seq);
                    return;
                }
                self.sent = Some(record.seq);
                caller.send(&Told::from(record).into(), body);
            }
            Heard::CaughtUp { next, active, last } => {
                if !self.request.follow || active == 0 || last {
                    self.end = Some(Seq(next.0.saturating_sub(1)));
                }
            }
        }
    }

    fn wants(&self, invocation: Option<InvocationId>, seq: Seq) -> bool {
        let registry = self.mux.registry.borrow();
        let known = registry.get(self.held.instance);
        self.replay || known.is_none_or(|known| known.cursor.wants(invocation, seq))
    }

    fn hear(&mut self, message: ToMux) -> Result<(), Stop> {
        match message {
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

    fn received(&self, seq: Seq) {
        let busy = self.held.foreground();
        if let Some(known) = self.mux.registry.borrow_mut().get_mut(self.held.instance) {
            known.cursor.caught_up(seq, &busy);
        }
    }
}
