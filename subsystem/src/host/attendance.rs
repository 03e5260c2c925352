//! Whether the visitor of the moment is there, and what becomes of the visit if not.

use std::time::Duration;

use outlast_protocol::id::ClientId;

use super::core::Core;

impl Core {
    /// Who holds the session, and whether that is the client of a visitor who is there: reads the
    /// terminal for this visit over the writing attachment.
    fn attendance(&self, visitor: Option<ClientId>) -> (Option<ClientId>, bool) {
        let holder = self.holding.holder().map(|holder| holder.client);
        let visit = self.invocations.running();
        let reads = visit
            .zip(self.holding.writer())
            .is_some_and(|(visit, lease)| self.terminal.is_read_for(visit, lease));
        (holder, reads && (visitor.is_none() || visitor == holder))
    }

    /// Whether there is a visitor, and is there.
    pub(super) fn is_attended(&self) -> bool {
        let visitor = self.invocations.visitor();
        visitor.is_some_and(|visitor| self.attendance(visitor).1)
    }

    /// Looks whether there is a visitor, and is there; if not, how long the visit stands.
    pub(super) fn note_visitor(&mut self) {
        let Some(visitor) = self.invocations.visitor() else {
            return self.absence.ends();
        };
        match self.attendance(visitor) {
            (_, true) => self.absence.ends(),
            // Whoever let go of the session has said how long that is waited for.
            (None, _) => {}
            (holder, false) => {
                let now = self.surroundings.boot_time();
                self.absence.lasts(holder == visitor, now);
            }
        }
    }

    /// A client has let go of the session, or wants its shell for something else than the visit.
    /// Says whether a visitor who is not there was shown out for that.
    pub(super) fn claim_shell(&mut self) -> bool {
        let Some(visitor) = self.invocations.visitor() else {
            return false;
        };
        let (holder, attended) = self.attendance(visitor);
        if attended {
            return false;
        }
        let may_return = holder.is_none() || holder == visitor;
        self.absence
            .lasts(may_return, self.surroundings.boot_time());
        self.show_out_the_absent().is_none()
    }

    /// Shows a visitor out who has not come back in time. Says how long there still is.
    pub(super) fn show_out_the_absent(&mut self) -> Option<Duration> {
        let left = self.absence.left(self.surroundings.boot_time())?;
        if left > Duration::ZERO {
            return Some(left);
        }
        self.absence.ends();
        self.invocations.show_out();
        None
    }
}
