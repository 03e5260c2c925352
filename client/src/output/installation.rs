//! What `outlast install` shows.

use serde::Serialize;

/// How a computer is behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// As it was: the same program was there.
    Unchanged,
    Changed,
    WouldChange,
    Removed,
    WouldRemove,
    /// There was nothing to take away.
    Absent,
    /// See the error.
    Failed,
}

/// One computer, in JSON.
#[derive(Clone, Debug, Serialize)]
pub struct Installation {
    pub computer_name: String,
    pub state: State,
    /// The files that changed or would change.
    pub files: Vec<String>,
    /// What the user should know besides.
    pub notes: Vec<String>,
    pub error: Option<String>,
    pub hint: Option<String>,
}

/// One computer, as a line.
#[must_use]
pub fn line(it: &Installation) -> String {
    let word = match it.state {
        State::Unchanged => "unchanged",
        State::Changed => "changed",
        State::WouldChange => "would change",
        State::Removed => "removed",
        State::WouldRemove => "would remove",
        State::Absent => "not installed",
        State::Failed => "failed",
    };
    let mut line = format!("{}: {word}", it.computer_name);
    let rest = it.error.as_ref().map(|error| vec![error.clone()]);
    for (position, text) in rest.as_ref().unwrap_or(&it.files).iter().enumerate() {
        line.push_str(if position == 0 { ": " } else { ", " });
        line.push_str(text);
    }
    let mut line = super::clean(&line).replace(['\n', '\t'], " ");
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_computer_is_one_line() {
        let mut it = Installation {
            computer_name: "web1".to_owned(),
            state: State::Changed,
            files: vec!["/a".to_owned(), "/b".to_owned()],
            notes: Vec::new(),
            error: None,
            hint: None,
        };
        assert_eq!(line(&it), "web1: changed: /a, /b\n");
        it.state = State::Failed;
        it.error = Some("no\nroom\x1b[2J".to_owned());
        assert_eq!(line(&it), "web1: failed: no room\u{fffd}[2J\n");
        it.state = State::Absent;
        (it.error, it.files) = (None, Vec::new());
        assert_eq!(line(&it), "web1: not installed\n");
    }
}
