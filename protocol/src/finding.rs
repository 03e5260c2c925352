//! What an examination finds: for `outlast doctor`, on the wire and in its JSON.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// How what was examined is; the gravest is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It works, and somebody may still be surprised.
    Doubtful,
    /// It keeps sessions from working.
    Bad,
}

/// One thing that was examined. The other end's words are shown as they are: a newer remote end
/// may examine what an older client has never heard of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was examined, in one word.
    pub layer: String,
    /// How it is.
    pub verdict: Verdict,
    /// What was found, in one sentence.
    pub text: String,
    /// What to do about it; empty where there is nothing to do.
    pub hint: String,
    /// The same for programs: names and values.
    pub values: Vec<(String, String)>,
}

impl Finding {
    /// Without anything to be done.
    #[must_use]
    pub fn new(layer: &str, verdict: Verdict, text: impl Into<String>) -> Self {
        Self {
            layer: layer.to_string(),
            verdict,
            text: text.into(),
            hint: String::new(),
            values: Vec::new(),
        }
    }

    /// With what is to be done.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// With a value for programs.
    #[must_use]
    pub fn value(mut self, name: &str, value: impl ToString) -> Self {
        self.values.push((name.to_string(), value.to_string()));
        self
    }
}
