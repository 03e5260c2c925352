//! A setting as people see it: its value, and who says so.

use std::fmt;

use serde::Serialize;

use super::error::Place;

/// Who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody.
    Default,
    /// An environment variable.
    Variable(&'static str),
    /// A line of a file.
    File(Place),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::File(place) => place.fmt(f),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    pub name: String,
    pub value: String,
    pub origin: Origin,
}

impl Setting {
    pub fn new(name: impl Into<String>, value: impl Into<String>, origin: Origin) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
            origin,
        }
    }

    /// What the environment says, where it says something, or else the default.
    pub fn of_variable(name: &'static str, setting: &str, default: impl Into<String>) -> Self {
        match std::env::var(name).ok().filter(|value| !value.is_empty()) {
            Some(value) => Self::new(setting, value, Origin::Variable(name)),
            None => Self::new(setting, default, Origin::Default),
        }
    }
}
