//! What the script answers: lines of a word and a value behind the mark.

use std::collections::BTreeMap;

use super::script::MARK;

/// What was said, by its words.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    said: BTreeMap<String, String>,
}

/// sshd's line for the subsystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// It is there, wherever it was written.
    There,
    /// There is none.
    Missing,
    /// An earlier installation wrote another one.
    Ours,
}

/// How the script becomes root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sudo {
    /// It is already.
    Unneeded,
    /// Without a question.
    Free,
    /// With a password.
    Password,
    /// There is no sudo.
    Missing,
}

impl Answer {
    /// None if the script has not begun.
    #[must_use]
    pub fn read(output: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(output);
        let mut lines = text.lines();
        // A start-up file may end without a line feed.
        lines.by_ref().find(|line| line.ends_with(MARK))?;
        let pairs = lines.filter_map(|line| line.split_once(' '));
        let said = pairs.map(|(word, value)| (word.to_owned(), value.to_owned()));
        Some(Self {
            said: said.collect(),
        })
    }

    /// The value behind that word; empty where it was not said.
    #[must_use]
    pub fn get(&self, word: &str) -> &str {
        self.said.get(word).map_or("", String::as_str)
    }

    /// How it went, if it came to its end.
    #[must_use]
    pub fn result(&self) -> Option<&str> {
        self.said.get("result").map(String::as_str)
    }

    /// Why it failed and what to do, if it says so.
    #[must_use]
    pub fn failure(&self) -> Option<(&str, &str)> {
        let reason = self.said.get("failed")?;
        Some((reason, self.get("hint")))
    }

    #[must_use]
    pub fn entry(&self) -> Option<Entry> {
        match self.get("entry") {
            "there" => Some(Entry::There),
            "missing" => Some(Entry::Missing),
            "ours" => Some(Entry::Ours),
            _ => None,
        }
    }

    #[must_use]
    pub fn sudo(&self) -> Option<Sudo> {
        match self.get("sudo") {
            "unneeded" => Some(Sudo::Unneeded),
            "free" => Some(Sudo::Free),
            "password" => Some(Sudo::Password),
            "missing" => Some(Sudo::Missing),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_the_mark_does_not_count() {
        let noise = format!("result changed\nwelcome{MARK}\nhint a b\nfailed no room\n");
        let answer = Answer::read(noise.as_bytes()).unwrap();
        assert_eq!(answer.result(), None);
        assert_eq!(answer.failure(), Some(("no room", "a b")));
        assert!(Answer::read(b"This account is not available\n").is_none());
    }
}
