//! The session: its state, and the bells by which those who wait learn that it changed. One thread
//! owns it.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::id::{InvocationId, Seq};
use outlast_protocol::record::RecordKind;
use outlast_protocol::session::{End, Life};
use outlast_rendezvous::PrivateDirectory;
use tokio::sync::{Notify, watch};

use super::core::Core;
use super::invocations::Invocations;
use super::ledger::Ledger;
use super::outcomes::Outcomes;
use super::surroundings::Surroundings;
use crate::log::Log;
use crate::registry::Meta;

/// The session and the bells that are rung when it changes.
pub(super) struct Session {
    core: RefCell<Core>,
    /// Rung on every change a link may have to tell its client.
    changed: watch::Sender<()>,
    /// Rung when the shell has something to do.
    work: Notify,
    /// Rung when more standard input came for the running invocation.
    input: Notify,
    /// Rung when the session is over, or its idle clock may have to be set anew.
    life: Notify,
    /// True once the session's directory is gone.
    gone: watch::Sender<bool>,
}

impl Session {
    /// A session whose shell has just opened.
    pub(super) fn new(
        meta: Meta,
        log: Log,
        ledger: Ledger,
        directory: PrivateDirectory,
        surroundings: Surroundings,
    ) -> Rc<Self> {
        Self::of(Core::hosted(meta, log, ledger, directory, surroundings))
    }

    /// A session without a shell, to be read and nothing else, by as many as like.
    pub(super) fn recovered(
        meta: Meta,
        life: Life,
        log: Log,
        history: (Invocations, Outcomes),
    ) -> Rc<Self> {
        Self::of(Core::recovered(meta, life, log, history))
    }

    fn of(core: Core) -> Rc<Self> {
        Rc::new(Self {
            core: RefCell::new(core),
            changed: watch::Sender::new(()),
            work: Notify::new(),
            input: Notify::new(),
            life: Notify::new(),
            gone: watch::Sender::new(false),
        })
    }

    /// The state, for one step.
    pub(super) fn core(&self) -> RefMut<'_, Core> {
        self.core.borrow_mut()
    }

    /// Listens for changes.
    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Tells every link to look again.
    pub(super) fn changed(&self) {
        self.changed.send_replace(());
    }

    /// Tells the shell to look again.
    pub(super) fn ring_work(&self) {
        self.work.notify_one();
    }

    /// Waits for work.
    pub(super) async fn work(&self) {
        self.work.notified().await;
    }

    /// Tells whoever feeds the running invocation to look again.
    pub(super) fn ring_input(&self) {
        self.input.notify_one();
    }

    /// Waits for standard input.
    pub(super) async fn input(&self) {
        self.input.notified().await;
    }

    /// Tells the keeper of the session's life to look again.
    pub(super) fn ring_life(&self) {
        self.life.notify_one();
    }

    /// Waits for a reason to look whether the session is over.
    pub(super) async fn life(&self) {
        self.life.notified().await;
    }

    /// Waits until the session's directory is gone.
    pub(super) async fn removed(&self) {
        let _ = self.gone.subscribe().wait_for(|gone| *gone).await;
    }

    /// Keeps the host until the returned value is dropped, at most for a moment.
    pub(super) fn stay(self: &Rc<Self>) -> Stay {
        Stay {
            _told: self.gone.subscribe(),
            session: self.clone(),
        }
    }

    /// Whether somebody is here: a relay, or a client it brought.
    pub(super) fn is_visited(&self) -> bool {
        self.gone.receiver_count() > 0
    }

    /// Says that the session's directory is gone.
    pub(super) fn say_removed(&self) {
        self.gone.send_replace(true);
    }

    /// Waits until everybody who waited for that has been told.
    pub(super) async fn farewells(&self) {
        let told = self.gone.closed();
        let _ = tokio::time::timeout(Duration::from_secs(1), told).await;
    }

    /// Records something and tells everybody.
    pub(super) fn record(&self, invocation: InvocationId, kind: RecordKind, bytes: Bytes) -> Seq {
        let seq = self.core().record(invocation, kind, bytes);
        self.changed();
        seq
    }

    /// The shell is gone, or is about to be: nothing more will run.
    pub(super) fn end(&self, end: End) {
        self.core().end(end);
        self.changed();
        self.ring_life();
        self.ring_work();
    }
}

/// Somebody who is with the session.
pub(super) struct Stay {
    _told: watch::Receiver<bool>,
    session: Rc<Session>,
}

impl Drop for Stay {
    fn drop(&mut self) {
        // Heard when the receiver beside this is gone too.
        self.session.ring_life();
    }
}
