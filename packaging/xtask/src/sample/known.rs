//! The table of known differences, with their reasons.

use std::time::Duration;

use crate::failure::Failure;

use super::compare::FIELDS;

const TABLE: &str = include_str!("known.txt");
/// Reasons that are found out, not looked up.
pub(crate) const LINES: &str = "lines";
pub(crate) const INTERACTIVE: &str = "interactive";
pub(crate) const ONE_COMMAND: &str = "one-command";
pub(crate) const PLACE: &str = "place";
pub(crate) const EXIT_TRAP: &str = "exit-trap";

#[derive(Debug)]
pub(crate) struct Known {
    reasons: Vec<(&'static str, &'static str)>,
    rows: Vec<Row>,
    /// Scripts that take their time, and how long.
    slow: Vec<(&'static str, Duration)>,
}

#[derive(Debug)]
struct Row {
    fields: Vec<&'static str>,
    reason: &'static str,
    pattern: &'static str,
    /// What the script has in it, if not empty.
    word: &'static str,
    /// What the session said, if not empty.
    said: &'static str,
}

/// A script that differs.
pub(crate) struct Different<'a> {
    pub(crate) title: &'a str,
    pub(crate) fields: &'a [&'a str],
    pub(crate) text: &'a str,
    pub(crate) said: &'a str,
}

impl Known {
    pub(crate) fn read() -> Result<Self, Failure> {
        Self::parse(TABLE)
    }

    fn parse(table: &'static str) -> Result<Self, Failure> {
        let mut known = Self {
            reasons: Vec::new(),
            rows: Vec::new(),
            slow: Vec::new(),
        };
        let lines = table
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in lines {
            let wrong = || Failure::new(format!("the table of known differences has `{line}`"));
            if let Some(reason) = line.strip_prefix("= ") {
                let reason = reason.split_once(' ').ok_or_else(wrong)?;
                known.reasons.push(reason);
            } else if let Some(slow) = line.strip_prefix("@ ") {
                let (seconds, pattern) = slow.split_once(' ').ok_or_else(wrong)?;
                let seconds = seconds.parse().map_err(|_| wrong())?;
                known.slow.push((pattern, Duration::from_secs(seconds)));
            } else {
                known.rows.push(row(line).ok_or_else(wrong)?);
            }
        }
        for row in &known.rows {
            if known.text(row.reason).is_none() {
                let reason = row.reason;
                return Err(Failure::new(format!("nobody says what `{reason}` means")));
            }
        }
        Ok(known)
    }

    /// What a reason means.
    pub(crate) fn text(&self, name: &str) -> Option<&'static str> {
        let found = self.reasons.iter().find(|(it, _)| *it == name);
        found.map(|(_, text)| *text)
    }

    /// How long one run of a script may take, if it is known to take its time.
    pub(crate) fn limit(&self, title: &str) -> Option<Duration> {
        let mut slow = self.slow.iter();
        let found = slow.find(|(pattern, _)| matches(pattern, title));
        found.map(|(_, limit)| *limit)
    }

    /// Why a script differs in these fields, and in no others.
    pub(crate) fn reason(&self, it: &Different<'_>) -> Option<&'static str> {
        let mut rows = self.rows.iter();
        let row = rows.find(|row| {
            matches(row.pattern, it.title)
                && it.fields.iter().all(|field| row.fields.contains(field))
                && it.text.contains(row.word)
                && it.said.contains(row.said)
        })?;
        Some(row.reason)
    }
}

/// `FIELD,… REASON PATTERN [| WORD [| SAID]]`.
fn row(line: &'static str) -> Option<Row> {
    let (fields, rest) = line.split_once(' ')?;
    let (reason, rest) = rest.split_once(' ')?;
    let mut parts = rest.split(" | ");
    let row = Row {
        fields: fields.split(',').collect(),
        reason,
        pattern: parts.next()?,
        word: parts.next().unwrap_or_default(),
        said: parts.next().unwrap_or_default(),
    };
    let known = row.fields.iter().all(|it| FIELDS.contains(it));
    known.then_some(row)
}

/// Whether all of `text` is like `pattern`, in which `*` is any text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            let mut ends = (0..=rest.len()).filter_map(|at| rest.get(at..));
            ends.any(|rest| matches(after, rest))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_read() {
        let known = Known::read().unwrap();
        for reason in [LINES, INTERACTIVE, ONE_COMMAND, PLACE, EXIT_TRAP] {
            assert!(known.text(reason).is_some(), "{reason}");
        }
    }

    #[test]
    fn a_row_explains_what_it_names_and_no_more() {
        let table = "= why because\nout,err why bash: ./a*.tests\nerr why * | exec | ended\n";
        let known = Known::parse(table).unwrap();
        let reason = |title, fields: &[&str], text, said| {
            known.reason(&Different {
                title,
                fields,
                text,
                said,
            })
        };
        assert_eq!(reason("bash: ./ab.tests", &["err"], "", ""), Some("why"));
        assert_eq!(reason("bash: ./ab.tests", &["err", "status"], "", ""), None);
        assert_eq!(reason("bash: ./b.tests", &["err"], "", ""), None);
        assert_eq!(reason("x", &["err"], "exec a", "it ended"), Some("why"));
        assert_eq!(reason("x", &["err"], "exec a", "no"), None);
        assert_eq!(reason("x", &["err"], "a", "it ended"), None);
    }

    #[test]
    fn a_script_that_takes_its_time_has_it() {
        let known = Known::parse("@ 60 bash: ./slow*\n").unwrap();
        let minute = Some(Duration::from_secs(60));
        assert_eq!(known.limit("bash: ./slow.tests"), minute);
        assert_eq!(known.limit("bash: ./other.tests"), None);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (table, says) in [
            ("out why x", "what `why` means"),
            ("= why because\nin why x", "`in why x`"),
            ("= why because\nout why", "`out why`"),
            ("@ long bash: ./a.tests", "`@ long bash: ./a.tests`"),
        ] {
            let said = Known::parse(table).unwrap_err().to_string();
            assert!(said.contains(says), "{said}");
        }
    }
}
