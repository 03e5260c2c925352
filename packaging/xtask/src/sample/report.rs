//! What came of the sample.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::json;

use super::known::Known;
use super::trial::{Trial, Verdict};
use crate::failure::Failure;

#[derive(Debug, Default)]
pub(crate) struct Report {
    /// By their place in the sample.
    trials: BTreeMap<usize, Trial>,
    missing: Vec<(String, String)>,
}

/// The figures of a corpus.
#[derive(Debug, Default)]
struct Count {
    agree: usize,
    explained: BTreeMap<String, usize>,
    differ: usize,
    unsteady: usize,
    too_long: usize,
    time_is_up: usize,
    not_run: usize,
}

impl Count {
    fn compared(&self) -> usize {
        self.agree + self.explained.values().sum::<usize>() + self.differ
    }

    fn not_compared(&self) -> usize {
        self.unsteady + self.too_long + self.time_is_up
    }
}

impl Report {
    pub(crate) fn add(&mut self, number: usize, trial: Trial) {
        self.trials.insert(number, trial);
    }

    pub(crate) fn corpus_is_missing(&mut self, corpus: &str, why: &str) {
        self.missing.push((corpus.to_owned(), why.to_owned()));
    }

    /// The corpora that were not run, or of which too little could be compared to say anything,
    /// and why.
    pub(crate) fn not_run(&self) -> Vec<String> {
        let missing = self.missing.iter();
        let missing = missing.map(|(corpus, why)| format!("NOT RUN: {corpus}: {why}"));
        let counts = self.counts().into_iter();
        let few = counts.filter(|(_, count)| count.compared() < count.not_compared());
        let few = few.map(|(corpus, count)| {
            let (some, rest) = (count.compared(), count.not_compared());
            format!("NOT RUN: {corpus}: {some} compared and {rest} not: this machine is too busy")
        });
        missing.chain(few).collect()
    }

    /// Whether all that differs is explained.
    pub(crate) fn verdict(&self) -> Result<(), Failure> {
        let bad =
            |trial: &&Trial| matches!(trial.verdict, Verdict::Differs(..) | Verdict::NotRun(_));
        match self.trials.values().filter(bad).count() {
            0 => Ok(()),
            count => Err(Failure::new(format!(
                "{count} scripts differ without an explanation, or could not be run"
            ))),
        }
    }

    fn counts(&self) -> BTreeMap<&'static str, Count> {
        let mut counts: BTreeMap<&'static str, Count> = BTreeMap::new();
        for trial in self.trials.values() {
            let count = counts.entry(trial.corpus).or_default();
            match &trial.verdict {
                Verdict::Agrees => count.agree += 1,
                Verdict::Explained(reason) => {
                    *count.explained.entry(reason.clone()).or_default() += 1;
                }
                Verdict::Differs(..) => count.differ += 1,
                Verdict::Unsteady(_) => count.unsteady += 1,
                Verdict::TooLong(_) => count.too_long += 1,
                Verdict::TimeIsUp => count.time_is_up += 1,
                Verdict::NotRun(_) => count.not_run += 1,
            }
        }
        counts
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for trial in self.trials.values() {
            match &trial.verdict {
                Verdict::Differs(_, shown) => {
                    let _ = writeln!(text, "DIFFERS  {}", trial.title);
                    for line in shown {
                        let _ = writeln!(text, "    {line}");
                    }
                }
                Verdict::NotRun(_) | Verdict::TooLong(_) | Verdict::Unsteady(_) => {
                    let _ = writeln!(text, "{}", trial.line());
                }
                Verdict::Agrees | Verdict::Explained(_) | Verdict::TimeIsUp => {}
            }
        }
        for (corpus, count) in self.counts() {
            count.write(corpus, &mut text);
        }
        for line in self.not_run() {
            let _ = writeln!(text, "{line}");
        }
        text
    }

    pub(crate) fn json(&self) -> String {
        let corpora: serde_json::Map<_, _> = self
            .counts()
            .into_iter()
            .map(|(corpus, count)| (corpus.to_owned(), count.json()))
            .collect();
        let scripts: Vec<_> = self.trials.values().map(json).collect();
        let missing: BTreeMap<_, _> = self.missing.iter().cloned().collect();
        let all = json!({ "corpora": corpora, "not_run": missing, "scripts": scripts });
        format!("{all:#}")
    }
}

fn json(trial: &Trial) -> serde_json::Value {
    let (verdict, detail) = match &trial.verdict {
        Verdict::Agrees => ("agrees", json!(null)),
        Verdict::Explained(reason) => ("explained", json!(reason)),
        Verdict::Differs(fields, shown) => ("differs", json!({ "in": fields, "lines": shown })),
        Verdict::Unsteady(who) => ("unsteady", json!(who)),
        Verdict::TooLong(who) => ("too long", json!(who)),
        Verdict::TimeIsUp => ("time is up", json!(null)),
        Verdict::NotRun(why) => ("not run", json!(why)),
    };
    json!({ "script": trial.title, "verdict": verdict, "detail": detail })
}

impl Count {
    fn write(&self, corpus: &str, text: &mut String) {
        let explained: usize = self.explained.values().sum();
        let ran = self.compared();
        let _ = writeln!(
            text,
            "{corpus}: {ran} compared, {} agree, {explained} differ for a known reason, {} differ without one",
            self.agree, self.differ
        );
        let known = Known::read().ok();
        for (reason, count) in &self.explained {
            let means = known
                .as_ref()
                .and_then(|known| known.text(reason))
                .unwrap_or_default();
            let _ = writeln!(text, "  {count:5} {reason}: {means}");
        }
        for (count, what) in [
            (self.unsteady, "not compared: not the same thing twice"),
            (self.too_long, "not compared: too long"),
            (self.time_is_up, "not compared: the time was up"),
            (self.not_run, "NOT RUN"),
        ] {
            if count > 0 {
                let _ = writeln!(text, "  {count:5} {what}");
            }
        }
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "agree": self.agree,
            "explained": self.explained,
            "differ": self.differ,
            "unsteady": self.unsteady,
            "too_long": self.too_long,
            "time_is_up": self.time_is_up,
            "not_run": self.not_run,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(verdict: Verdict) -> Trial {
        Trial {
            title: "bash: ./a.tests".to_owned(),
            corpus: "bash",
            verdict,
        }
    }

    #[test]
    fn what_is_explained_passes_and_is_counted_by_its_reason() {
        let mut report = Report::default();
        report.add(0, trial(Verdict::Agrees));
        report.add(1, trial(Verdict::Explained("lines".to_owned())));
        report.add(2, trial(Verdict::Unsteady("plain bash")));
        report.corpus_is_missing("other", "it cannot be had");
        assert!(report.verdict().is_ok());
        let text = report.text();
        for line in [
            "2 compared, 1 agree, 1 differ for",
            "1 lines: ",
            "1 not compared",
            "NOT RUN: other: it cannot",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(report.json().contains("\"agree\": 1"));
    }

    #[test]
    fn what_was_cut_short_is_no_failure_but_named() {
        let mut report = Report::default();
        report.add(0, trial(Verdict::Agrees));
        report.add(1, trial(Verdict::TooLong("a session")));
        assert!(report.verdict().is_ok() && report.not_run().is_empty());
        let text = report.text();
        assert!(text.contains("too long: a session"), "{text}");
        assert!(text.contains("1 compared, 1 agree"), "{text}");
        report.add(2, trial(Verdict::TimeIsUp));
        assert!(report.verdict().is_ok());
        let said = report.not_run().join("\n");
        assert!(said.contains("bash: 1 compared and 2 not"), "{said}");
    }

    #[test]
    fn what_is_not_explained_fails() {
        for verdict in [
            Verdict::Differs(vec!["out"], vec!["- a".to_owned()]),
            Verdict::NotRun("no".to_owned()),
        ] {
            let mut report = Report::default();
            report.add(0, trial(verdict));
            assert!(report.verdict().is_err());
        }
    }
}
