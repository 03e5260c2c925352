//! How a held session stands.

use outlast_protocol::session::{End as Ending, Holder, Life, SessionInfo};

use crate::mux::failure::Failure;

/// How the session's link is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::mux) enum Status {
    /// It is up.
    Up,
    /// It is lost and being re-established: why.
    Down(String),
    /// This client does not hold the session any more.
    Over(Over),
}

/// Why a client does not hold a session any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::mux) enum Over {
    /// It let go.
    Detached,
    /// Another client took it.
    Stolen(Holder),
    /// The session is over.
    Ended(Ending),
    /// Its host process is gone: why.
    Broken(String),
    /// It cannot be had back.
    Lost(Failure),
}

/// Why a session of that description cannot be asked anything.
pub(super) fn over_by(info: &SessionInfo) -> Option<Over> {
    match &info.life {
        Life::Live => None,
        Life::Ended(end) => Some(Over::Ended(end.clone())),
        Life::Broken(reason) => Some(Over::Broken(reason.clone())),
    }
}
