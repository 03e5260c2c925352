//! Who holds the session: one writer at a time, fenced by a lease number.

use outlast_protocol::id::Lease;
use outlast_protocol::link::AttachMode;
use outlast_protocol::session::Holder;

/// The writer and the watchers.
#[derive(Debug, Default)]
pub(super) struct Holding {
    newest: Lease,
    writer: Option<(Lease, Holder)>,
    watchers: Vec<Lease>,
    /// Who took it from whom last: told to the link that lost.
    stolen: Option<(Lease, Holder)>,
    /// Whether everybody may have it at the same time.
    shared: bool,
}

/// How an attachment came about, or who stands in the way.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Attaching {
    /// It has this lease.
    Granted(Lease),
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

    /// Attaches a client. Its own earlier link is replaced: that link is dead or will be.
    pub(super) fn attach(&mut self, holder: Holder, mode: AttachMode) -> Attaching {
        if mode == AttachMode::Connect
            && let Some((_, other)) = &self.writer
            && other.client != holder.client
        {
            return Attaching::Held(other.clone());
        }
        self.newest = Lease(self.newest.0.saturating_add(1));
        if mode == AttachMode::ReadOnly || self.shared {
            self.watchers.push(self.newest);
        } else {
            if let Some((lost, _)) = self.writer.take() {
                self.stolen = Some((lost, holder.clone()));
            }
            self.writer = Some((self.newest, holder));
        }
        Attaching::Granted(self.newest)
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
        self.stolen
            .as_ref()
            .filter(|(lost, _)| *lost == lease)
            .map(|(_, by)| by.clone())
    }

    /// The link of this lease is gone. Says whether nobody is left.
    pub(super) fn detach(&mut self, lease: Lease) -> bool {
        if self.may_write(lease) {
            self.writer = None;
        }
        self.watchers.retain(|watcher| *watcher != lease);
        self.is_free()
    }

    /// Whether nobody is attached.
    pub(super) fn is_free(&self) -> bool {
        self.writer.is_none() && self.watchers.is_empty()
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
            Attaching::Held(other) => panic!("held by {other:?}"),
        }
    }

    #[test]
    fn a_stranger_is_refused_until_it_steals_and_the_loser_is_told() {
        let mut holding = Holding::default();
        let first = granted(holding.attach(holder(1), AttachMode::Connect));
        assert_eq!(
            holding.attach(holder(2), AttachMode::Connect),
            Attaching::Held(holder(1))
        );
        assert!(holding.may_write(first), "a refused try changes nothing");
        let second = granted(holding.attach(holder(2), AttachMode::Steal));
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
        let old = granted(holding.attach(holder(1), AttachMode::Connect));
        let new = granted(holding.attach(holder(1), AttachMode::Connect));
        assert!(holding.may_write(new) && !holding.may_write(old));
    }

    #[test]
    fn a_shared_session_is_everybodys() {
        let mut holding = Holding::shared();
        let one = granted(holding.attach(holder(1), AttachMode::Connect));
        let two = granted(holding.attach(holder(2), AttachMode::Steal));
        assert!(holding.may_ask(one) && holding.may_ask(two));
        assert_eq!(holding.taken_by(one), None);
        assert!(!holding.detach(one));
        assert!(holding.detach(two));
    }

    #[test]
    fn watchers_look_and_never_write() {
        let mut holding = Holding::default();
        let writer = granted(holding.attach(holder(1), AttachMode::Connect));
        let watcher = granted(holding.attach(holder(2), AttachMode::ReadOnly));
        assert!(holding.is_attached(watcher) && !holding.may_write(watcher));
        assert!(!holding.detach(writer));
        assert!(holding.detach(watcher));
    }
}
