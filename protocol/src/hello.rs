//! The greeting: a fixed magic, then who speaks and what it can do.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// First bytes of the remote end. Fixed for ever: versions are in [`Hello`]. A login shell may
/// print before it; a NUL pair cannot come from a sane `echo`.
pub const MAGIC: &[u8; 16] = b"\0\0OUTLAST LINK\r\n";

/// Number of the link protocol this code speaks. Raised when an old peer could not follow.
pub const LINK_PROTOCOL: u16 = 1;

/// Number of the control protocol between the command line and the mux.
pub const CONTROL_PROTOCOL: u16 = 1;

/// Feature of the control protocol: the command line takes `Modes`.
pub const MODES: &str = "modes";

/// A named value that a peer who does not know the name ignores. It is how messages grow: the
/// encoding itself cannot skip a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// The name, `name` or `name@domain`.
    pub name: String,
    /// Its value; the form is the extension's affair.
    pub value: Vec<u8>,
}

/// A feature without a value.
#[must_use]
pub fn feature(name: &str) -> Extension {
    Extension {
        name: name.into(),
        value: Vec::new(),
    }
}

/// First message of both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The sender's protocol number.
    pub protocol: u16,
    /// Oldest protocol number it can still speak.
    pub oldest: u16,
    /// Program and version, for people.
    pub program: String,
    /// User name of the sending process.
    pub user: String,
    /// Host name of the sending process.
    pub host: String,
    /// Largest frame payload it accepts, in bytes.
    pub max_frame: u32,
    /// Features beyond the protocol number.
    pub features: Vec<Extension>,
}

impl Hello {
    /// Whether it names that feature.
    #[must_use]
    pub fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|it| it.name == feature)
    }

    /// The protocol number both sides speak, or what stands in the way.
    pub fn negotiate(&self, peer: &Self) -> Result<u16, Incompatible> {
        let agreed = self.protocol.min(peer.protocol);
        if agreed < self.oldest || agreed < peer.oldest {
            return Err(Incompatible {
                ours: (self.oldest, self.protocol),
                theirs: (peer.oldest, peer.protocol),
                program: peer.program.clone(),
            });
        }
        Ok(agreed)
    }
}

/// Two ends without a common protocol number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the other end ({program}) speaks protocol {} to {}, this end {} to {}",
    theirs.0, theirs.1, ours.0, ours.1
)]
pub struct Incompatible {
    /// Oldest and newest number here.
    pub ours: (u16, u16),
    /// Oldest and newest number there.
    pub theirs: (u16, u16),
    /// The other program.
    pub program: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(oldest: u16, protocol: u16) -> Hello {
        Hello {
            protocol,
            oldest,
            program: String::from("x"),
            user: String::new(),
            host: String::new(),
            max_frame: 0,
            features: Vec::new(),
        }
    }

    #[test]
    fn the_highest_common_number_wins() {
        assert_eq!(hello(1, 3).negotiate(&hello(1, 2)), Ok(2));
        assert_eq!(hello(1, 1).negotiate(&hello(1, 9)), Ok(1));
        assert!(hello(1, 1).negotiate(&hello(2, 9)).is_err());
        assert!(hello(3, 4).negotiate(&hello(1, 2)).is_err());
    }
}
