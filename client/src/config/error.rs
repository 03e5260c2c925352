//! What can be wrong with the configuration file, and what would be right.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Where in which file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub file: PathBuf,
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is there and cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    /// It is not TOML.
    #[error("{place}: {message}")]
    Syntax { place: Place, message: String },
    /// A key that has no meaning there.
    #[error("{place}: there is no key `{key}` here")]
    UnknownKey {
        place: Place,
        key: String,
        known: &'static [&'static str],
    },
    /// A value that its key cannot have.
    #[error("{place}: `{key}` cannot be {value}")]
    Value {
        place: Place,
        key: String,
        value: String,
        wanted: &'static str,
    },
    /// A pattern that is none.
    #[error("{place}: `{pattern}` is no pattern: {reason}")]
    Pattern {
        place: Place,
        pattern: String,
        reason: String,
    },
}

impl ConfigError {
    /// What would be right.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::UnknownKey { key, known, .. } => {
                let there = known.join(", ");
                match nearest(key, known) {
                    Some(near) => format!("did you mean `{near}`? There is: {there}"),
                    None => format!("there is: {there}"),
                }
            }
            Self::Value { wanted, .. } => format!("write {wanted}"),
            Self::Unreadable { .. } | Self::Syntax { .. } | Self::Pattern { .. } => {
                "`outlast help config` shows what the file may say".to_owned()
            }
        }
    }
}

/// The known key that was probably meant.
fn nearest(key: &str, known: &[&'static str]) -> Option<&'static str> {
    const ALIKE: f64 = 0.8;
    known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(key, candidate), *candidate))
        .filter(|(alike, _)| *alike > ALIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, candidate)| candidate)
}
