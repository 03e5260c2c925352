//! The names things go by: instance IDs, invocation IDs, sequence numbers, session names.

use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self)
            }
        }
    };
}

uuid_newtype! {
    /// Names a session everywhere and for ever. A name, not a secret: the credential is SSH's.
    InstanceId
}
uuid_newtype! {
    /// Names one submitted command. Made by the client before sending, so that a resend after a
    /// cut is recognised and runs nothing twice.
    InvocationId
}
uuid_newtype! {
    /// Names one client installation (one state directory), so that a host knows its own client
    /// coming back from a stranger taking over.
    ClientId
}

/// Number of a record in a session's log. The first record is 1; a number is never reused.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Seq(pub u64);

impl Seq {
    /// The number of the first record of every log.
    pub const FIRST: Self = Self(1);

    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Fencing number of an attachment: frames of an attachment whose lease is not the newest one
/// are ignored.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Lease(pub u64);

/// Names one reader of a log within one attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReaderId(pub u32);

/// A session name as a user may give it: 1 to 64 characters, unique among the user's live
/// sessions on one host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionName(String);

/// Why a text cannot be a session name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing given, or more than [`SessionName::MAX_CHARS`].
    #[error("a session name has 1 to {max} characters, not {0}", max = SessionName::MAX_CHARS)]
    Length(usize),
    /// A character with a meaning elsewhere: separators, globs, blanks, control characters.
    #[error("a session name cannot contain {0:?}")]
    Character(char),
    /// A first character that reads as an option, a hidden file or a group.
    #[error("a session name cannot start with {0:?}")]
    Start(char),
    /// Only digits: that is how an Id looks.
    #[error("a session name cannot be only digits: {0:?} would be read as an Id")]
    LooksLikeId(String),
    /// The form of an instance ID or of a prefix of one.
    #[error("{0:?} would be read as an instance ID: use a name with another letter in it")]
    LooksLikeInstanceId(String),
}

impl SessionName {
    /// Longest name accepted, in characters.
    pub const MAX_CHARS: usize = 64;

    /// Checks `text` and makes it a name.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let count = text.chars().count();
        if count == 0 || count > Self::MAX_CHARS {
            return Err(NameError::Length(count));
        }
        if let Some(c) = text.chars().find(|&c| is_reserved(c)) {
            return Err(NameError::Character(c));
        }
        if let Some(c) = text
            .chars()
            .next()
            .filter(|c| matches!(c, '-' | '.' | '@' | '~' | '+'))
        {
            return Err(NameError::Start(c));
        }
        if text.chars().all(|c| c.is_ascii_digit()) {
            return Err(NameError::LooksLikeId(text.to_string()));
        }
        if is_instance_prefix(text) {
            return Err(NameError::LooksLikeInstanceId(text.to_string()));
        }
        Ok(Self(text.to_string()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether `text` is what a user types for an instance ID: at least eight of its leading
/// characters, hexadecimal digits with hyphens.
#[must_use]
pub fn is_instance_prefix(text: &str) -> bool {
    text.len() >= 8
        && text.len() <= 36
        && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
        && text.chars().take(8).all(|c| c.is_ascii_hexdigit())
}

fn is_reserved(c: char) -> bool {
    c.is_control() || c.is_whitespace() || "/\\,:*?[]{}!\"'`$&|;<>()#%".contains(c)
}

impl fmt::Display for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for SessionName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text)
    }
}

impl From<SessionName> for String {
    fn from(name: SessionName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_read_as_something_else_are_refused() {
        assert_eq!(SessionName::new(""), Err(NameError::Length(0)));
        assert_eq!(SessionName::new("a b"), Err(NameError::Character(' ')));
        assert_eq!(SessionName::new("web*"), Err(NameError::Character('*')));
        assert_eq!(SessionName::new("-n"), Err(NameError::Start('-')));
        assert_eq!(
            SessionName::new("12"),
            Err(NameError::LooksLikeId("12".into()))
        );
        assert_eq!(
            SessionName::new("deadbeef"),
            Err(NameError::LooksLikeInstanceId("deadbeef".into()))
        );
        assert!(SessionName::new("deploy-2026.1").is_ok());
        assert!(SessionName::new("größe").is_ok());
    }

    #[test]
    fn a_hostile_name_does_not_pass_deserialization() {
        assert!(SessionName::try_from(String::from("../x")).is_err());
    }
}
