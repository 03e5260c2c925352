//! What carries links to a computer: an SSH connection of our own, or one that an `ssh` holds.

use super::transport::{Diagnose, Stream};
use crate::ssh::{Connection, Description, Master, OpenError};

const SUBSYSTEM: &str = "outlast";
const FALLBACK: &str = "outlast-subsystem";

pub(super) enum Carrier {
    Native(Connection),
    OpenSsh(Master),
}

impl Carrier {
    /// Opens a channel to the remote end.
    pub(super) async fn open_link(&self) -> Result<(Stream, Diagnose), OpenError> {
        Ok(match self {
            Self::Native(connection) => {
                let link = connection.open_link(SUBSYSTEM, FALLBACK).await?;
                let words = link.last_words();
                (Box::new(link), Box::new(move || words.text()))
            }
            Self::OpenSsh(master) => {
                let link = master.open_link(SUBSYSTEM, FALLBACK).await?;
                let words = link.last_words();
                (Box::new(link), Box::new(move || words.text()))
            }
        })
    }

    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Native(connection) => connection.is_closed(),
            Self::OpenSsh(master) => master.is_closed(),
        }
    }

    /// Whether the user's own ssh holds it.
    pub(super) fn is_of_user(&self) -> bool {
        matches!(self, Self::OpenSsh(master) if master.is_of_user())
    }

    /// What did not go well though the connection stands.
    pub(super) fn warnings(&self) -> Vec<String> {
        match self {
            Self::Native(connection) => connection.warnings().to_vec(),
            Self::OpenSsh(master) => master.warnings(),
        }
    }

    /// What was negotiated, for people.
    pub(super) fn words(&self) -> String {
        let agreed =
            |about: Description| format!("{} {} {}", about.server, about.kex, about.cipher);
        match self {
            Self::Native(connection) => agreed(connection.description()),
            Self::OpenSsh(master) if master.is_of_user() => {
                "over ssh's own control master".to_owned()
            }
            Self::OpenSsh(master) => format!("over ssh: {}", agreed(master.description())),
        }
    }

    /// Ends what outlives this process otherwise.
    pub(super) async fn end(&self) {
        if let Self::OpenSsh(master) = self {
            master.end().await;
        }
    }
}
