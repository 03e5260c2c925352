//! `AddKeysToAgent`.

use super::form;

/// Whether the agent gets a key that was decrypted, and for how long.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AddKeys {
    pub add: bool,
    /// Only if the person says so.
    pub ask: bool,
    /// The agent asks at each use.
    pub confirm: bool,
    pub seconds: Option<u32>,
}

impl AddKeys {
    pub(super) fn of(words: &[String]) -> Self {
        let mut keys = Self::default();
        for word in words {
            match word.to_ascii_lowercase().as_str() {
                "no" | "false" => {}
                "yes" | "true" => keys.add = true,
                "ask" => (keys.add, keys.ask) = (true, true),
                "confirm" => (keys.add, keys.confirm) = (true, true),
                time => {
                    keys.seconds = form::seconds(time);
                    keys.add |= keys.seconds.is_some();
                }
            }
        }
        keys
    }
}
