//! Who holds the session: one writer at a time, fenced by a lease number.

use std::collections::BTreeMap;

use outlast_protocol::id::{ClientId, Lease};
use outlast_protocol::link::AttachMode;
use outlast_protocol::session::Holder;

/// The writer and the watchers.
#[derive(Debug, Default)]
pub(super) struct Holding {
    newest: Lease,
    writer: Option<(Lease, Holder)>,
    watchers: Vec<Lease>,
    /// Who took it from whom: told to the links that lost, and kept until they are gone.
    stolen: BTreeMap<Lease, Holder>,
    /// Whether everybody may have it at the same time.
    shared: bool,
}

/// How an attachment came about, or who stands in the way.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Attaching {
    /// It has this lease.
    Granted(Lease),
    /// It will have this lease by [`Holding::take_over`]; until then nothing has changed.
    Promised(Lease),
    /// Another client holds the session.
    Held(Holder),
}

impl Holding {
    /// Of a session that nobody can change any more: nobody stands in anybody's way.
    pub(super) fn shared() -> Self {
        Self {
            shared: true,
            ..Self::default()
        }
    }

    /// Attaches a client. Its own earlier link is replaced: that link is dead or will be. A
    /// thief that `confirms` takes nothing yet.
    pub(super) fn attach(&mut self, holder: Holder, mode: AttachMode, confirms: bool) -> Attaching {
        if mode == AttachMode::Connect
            && let Some((_, other)) = &self.writer
            && other.client != holder.client
        {
            return Attaching::Held(other.clone());
        }
        self.newest = Lease(self.newest.0.saturating_add(1));
        let stranger = self
            .writer
            .as_ref()
            .is_some_and(|(_, other)| other.client != holder.client);
        if mode == AttachMode::ReadOnly || self.shared {
            self.watchers.push(self.newest);
        } else if mode == AttachMode::Steal && confirms && stranger {
            return Attaching::Promised(self.newest);
        } else {
            self.take_over(self.newest, holder);
        }
        Attaching::Granted(self.newest)
    }

    /// Gives the session to a lease that was promised or granted it.
    pub(super) fn take_over(&mut self, lease: Lease, holder: Holder) {
        if let Some((lost, _)) = self.writer.take() {
            self.stolen.insert(lost, holder.clone());
        }
        self.writer = Some((lease, holder));
    }

    /// Whether frames of this lease may ask for a change. Of a shared session everybody may, and
    /// is told why there will be none.
    pub(super) fn may_ask(&self, lease: Lease) -> bool {
        self.may_write(lease) || (self.shared && self.is_attached(lease))
    }

    /// Whether frames of this lease may change the session.
    pub(super) fn may_write(&self, lease: Lease) -> bool {
        self.writer
            .as_ref()
            .is_some_and(|(current, _)| *current == lease)
    }

    /// Whether this lease still counts at all.
    pub(super) fn is_attached(&self, lease: Lease) -> bool {
        self.may_write(lease) || self.watchers.contains(&lease)
    }

    /// Who took the session from this lease.
    pub(super) fn taken_by(&self, lease: Lease) -> Option<Holder> {
        self.stolen.get(&lease).cloned()
    }

    /// The link of this lease is gone. Says whether nobody is left.
    pub(super) fn detach(&mut self, lease: Lease) -> bool {
        if self.may_write(lease) {
            self.writer = None;
        }
        self.watchers.retain(|watcher| *watcher != lease);
        self.stolen.remove(&lease);
        self.is_free()
    }

    /// Whether nobody is attached.
    pub(super) fn is_free(&self) -> bool {
        self.writer.is_none() && self.watchers.is_empty()
    }

    /// The lease that frames which change the session have.
    pub(super) fn writer(&self) -> Option<Lease> {
        self.writer.as_ref().map(|(lease, _)| *lease)
    }

    /// The lease under which that client has the session, if it does.
    pub(super) fn writes_as(&self, client: ClientId) -> Option<Lease> {
        let (lease, holder) = self.writer.as_ref()?;
        (holder.client == client).then_some(*lease)
    }

    /// The writer.
    pub(super) fn holder(&self) -> Option<&Holder> {
        self.writer.as_ref().map(|(_, holder)| holder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(client: u128) -> Holder {
        Holder {
            client: outlast_protocol::id::ClientId(uuid::Uuid::from_u128(client)),
            user: String::new(),
            host: String::new(),
            address: String::new(),
            since_ms: 0,
        }
    }

    fn granted(attaching: Attaching) -> Lease {
        match attaching {
            Attaching::Granted(lease) => lease,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_stranger_is_refused_until_it_steals_and_the_loser_is_told() {
        let mut holding = Holding::default();
        let first = granted(holding.attach(holder(1), AttachMode::Connect, false));
        assert_eq!(
            holding.attach(holder(2), AttachMode::Connect, false),
            Attaching::Held(holder(1))
        );
        assert!(holding.may_write(first), "a refused try changes nothing");
        let second = granted(holding.attach(holder(2), AttachMode::Steal, false));
        assert!(!holding.may_write(first) && holding.may_write(second));
        assert_eq!(holding.taken_by(first), Some(holder(2)));
        assert!(
            !holding.detach(first),
            "a late end of the old link frees nothing"
        );
        assert!(holding.detach(second));
    }

    #[test]
    fn a_client_gets_its_own_session_back_while_an_old_link_lingers() {
        let mut holding = Holding::default();
        let old = granted(holding.attach(holder(1), AttachMode::Connect, false));
        let new = granted(holding.attach(holder(1), AttachMode::Connect, false));
        assert!(holding.may_write(new) && !holding.may_write(old));
        assert_eq!(holding.writes_as(holder(1).client), Some(new));
        assert_eq!(holding.writes_as(holder(2).client), None);
    }

    #[test]
    fn a_shared_session_is_everybodys() {
        let mut holding = Holding::shared();
        let one = granted(holding.attach(holder(1), AttachMode::Connect, false));
        let two = granted(holding.attach(holder(2), AttachMode::Steal, false));
        assert!(holding.may_ask(one) && holding.may_ask(two));
        assert_eq!(holding.taken_by(one), None);
        assert!(!holding.detach(one));
        assert!(holding.detach(two));
    }

    #[test]
    fn watchers_look_and_never_write() {
        let mut holding = Holding::default();
        let writer = granted(holding.attach(holder(1), AttachMode::Connect, false));
        let watcher = granted(holding.attach(holder(2), AttachMode::ReadOnly, false));
        assert!(holding.is_attached(watcher) && !holding.may_write(watcher));
        assert!(!holding.detach(writer));
        assert!(holding.detach(watcher));
    }

    #[test]
    fn a_thief_that_is_to_confirm_takes_nothing_before() {
        let mut holding = Holding::default();
        let first = granted(holding.attach(holder(1), AttachMode::Connect, false));
        let promised = |attaching| match attaching {
            Attaching::Promised(lease) => lease,
            other => panic!("{other:?}"),
        };
        let lost = promised(holding.attach(holder(2), AttachMode::Steal, true));
        assert!(holding.may_write(first) && holding.taken_by(first).is_none());
        assert!(!holding.detach(lost), "it fails half-way");
        assert!(holding.may_write(first));

        // Two at once: the later to confirm has it, both others are told by whom.
        let second = promised(holding.attach(holder(2), AttachMode::Steal, true));
        let third = promised(holding.attach(holder(3), AttachMode::Steal, true));
        holding.take_over(third, holder(3));
        holding.take_over(second, holder(2));
        assert!(holding.may_write(second) && !holding.may_write(third));
        assert_eq!(holding.taken_by(first), Some(holder(3)));
        assert_eq!(holding.taken_by(third), Some(holder(2)));
        assert!(!holding.detach(first) && holding.taken_by(first).is_none());
    }

    #[test]
    fn a_thief_of_a_free_session_has_nothing_to_confirm() {
        let mut holding = Holding::default();
        let lease = granted(holding.attach(holder(1), AttachMode::Steal, true));
        assert!(holding.may_write(lease));
        let own = granted(holding.attach(holder(1), AttachMode::Steal, true));
        assert!(holding.may_write(own));
    }
}
