//! How long a session lives where it is: what ends its host process.

use alloc::string::String;
use core::fmt;

use crate::hello::Extension;

/// Feature of a remote end that knows how long sessions live there, extension of a
/// [`SessionInfo`](crate::session::SessionInfo) that says so, and of a
/// [`Create`](crate::link::to_host::Create) that demands at least as much. The value is the name of
/// a class.
pub const DURABILITY: &str = "durability";

/// What a session outlives. Each class includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// It cannot be told whether it outlives its login.
    Unknown,
    /// Nothing: it ends with the login that made it.
    Connection,
    /// Its connection, but not the user's last logout.
    LastLogout,
    /// Everything but a restart of the computer.
    Boot,
}

impl Durability {
    /// Every class.
    pub const ALL: [Self; 4] = [
        Self::Unknown,
        Self::Connection,
        Self::LastLogout,
        Self::Boot,
    ];

    /// Its name on the wire and for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Connection => "connection",
            Self::LastLogout => "last-logout",
            Self::Boot => "boot",
        }
    }

    /// The class of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    /// What says so in a message.
    #[must_use]
    pub fn extension(self) -> Extension {
        Extension {
            name: DURABILITY.into(),
            value: self.name().as_bytes().to_vec(),
        }
    }

    /// What a message says, if it does.
    #[must_use]
    pub fn said(extensions: &[Extension]) -> Option<Self> {
        let said = extensions.iter().find(|it| it.name == DURABILITY)?;
        Self::named(&String::from_utf8_lossy(&said.value))
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood_and_what_is_longer_is_more() {
        for class in Durability::ALL {
            assert_eq!(Durability::said(&[class.extension()]), Some(class));
        }
        assert_eq!(Durability::said(&[]), None);
        assert_eq!(Durability::named("eternity"), None);
        assert!(Durability::ALL.is_sorted());
    }
}
