//! What `outlast doctor` shows.

use std::collections::BTreeMap;

use outlast_protocol::finding::{Finding, Verdict};
use serde::Serialize;

use super::clean;

/// The widest layer there is, and a little room.
const LAYER_WIDTH: usize = 15;

/// One computer, with all that was found.
#[derive(Clone, Debug)]
pub struct Examination {
    pub computer: String,
    pub findings: Vec<Finding>,
}

impl Examination {
    /// Of which nothing is known yet.
    #[must_use]
    pub fn new(computer: String) -> Self {
        Self {
            computer,
            findings: Vec::new(),
        }
    }

    /// The gravest verdict.
    #[must_use]
    pub fn worst(&self) -> Verdict {
        let verdicts = self.findings.iter().map(|finding| finding.verdict);
        verdicts.max().unwrap_or(Verdict::Good)
    }
}

/// All lines of a computer, with its name above and indented below it.
#[must_use]
pub fn computer(examination: &Examination, paints: bool) -> String {
    let mut text = format!("{}\n", clean(&examination.computer));
    for finding in &examination.findings {
        for line in line(finding, paints).lines() {
            text.push_str(&format!("  {line}\n"));
        }
    }
    text
}

/// One finding: a line, and below it what to do.
#[must_use]
pub fn line(finding: &Finding, paints: bool) -> String {
    let (word, colour) = match finding.verdict {
        Verdict::Good => ("ok", "\x1b[32m"),
        Verdict::Doubtful => ("warn", "\x1b[33m"),
        Verdict::Bad => ("FAIL", "\x1b[1;31m"),
    };
    let (on, off) = if paints {
        (colour, "\x1b[0m")
    } else {
        ("", "")
    };
    let one_line = |text: &str| clean(text).replace(['\n', '\t'], " ");
    let layer = one_line(&finding.layer);
    let mut text = format!(
        "{on}{word:<4}{off}  {layer:<LAYER_WIDTH$} {}\n",
        one_line(&finding.text)
    );
    if !finding.hint.is_empty() {
        text.push_str(&format!(
            "{:width$}-> {}\n",
            "",
            one_line(&finding.hint),
            width = "FAIL  ".len() + LAYER_WIDTH + 1
        ));
    }
    text
}

/// One computer in JSON.
#[derive(Debug, Serialize)]
pub struct ExaminationObject<'a> {
    computer_name: &'a str,
    /// `good`, `doubtful` or `bad`: the gravest there is.
    verdict: &'static str,
    findings: Vec<FindingObject<'a>>,
}

#[derive(Debug, Serialize)]
struct FindingObject<'a> {
    layer: &'a str,
    verdict: &'static str,
    text: &'a str,
    /// Null where there is nothing to do.
    hint: Option<&'a str>,
    values: BTreeMap<&'a str, &'a str>,
}

impl<'a> From<&'a Finding> for FindingObject<'a> {
    fn from(finding: &'a Finding) -> Self {
        let values = finding.values.iter();
        Self {
            layer: &finding.layer,
            verdict: word(finding.verdict),
            text: &finding.text,
            hint: Some(finding.hint.as_str()).filter(|hint| !hint.is_empty()),
            values: values
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect(),
        }
    }
}

/// All computers for JSON.
#[must_use]
pub fn objects(examinations: &[Examination]) -> Vec<ExaminationObject<'_>> {
    examinations
        .iter()
        .map(|it| ExaminationObject {
            computer_name: &it.computer,
            verdict: word(it.worst()),
            findings: it.findings.iter().map(FindingObject::from).collect(),
        })
        .collect()
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Good => "good",
        Verdict::Doubtful => "doubtful",
        Verdict::Bad => "bad",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examination() -> Examination {
        Examination {
            computer: "db1".into(),
            findings: vec![
                Finding::new("name", Verdict::Good, "10.0.0.5"),
                Finding::new("login", Verdict::Doubtful, "prints\x1b[2J\nmuch").hint("do not"),
            ],
        }
    }

    #[test]
    fn findings_are_lines_with_what_to_do_below() {
        assert_eq!(
            computer(&examination(), false),
            "db1\n  ok    name            10.0.0.5\n  warn  login           prints\u{fffd}[2J much\n                        -> do not\n"
        );
        let painted = line(&examination().findings[0], true);
        assert!(
            painted.starts_with("\x1b[32mok  \x1b[0m  name"),
            "{painted:?}"
        );
    }

    #[test]
    fn the_gravest_finding_speaks_for_all() {
        let mut it = examination();
        assert_eq!(it.worst(), Verdict::Doubtful);
        it.findings
            .push(Finding::new("tcp", Verdict::Bad, "refused"));
        assert_eq!(it.worst(), Verdict::Bad);
        let all = [it];
        let json = serde_json::to_value(objects(&all)).unwrap();
        assert_eq!(json[0]["verdict"], "bad");
        assert_eq!(json[0]["findings"][1]["hint"], "do not");
        assert_eq!(json[0]["findings"][0]["hint"], serde_json::Value::Null);
    }
}
