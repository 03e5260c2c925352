//! What was asked for.

use std::time::{Duration, Instant};

use super::SECONDS;
use super::script::Script;
use crate::failure::Failure;

const USAGE: &str = "cargo xtask sample [--filter TEXT] [--limit N] [--seconds N] [--within SECONDS] [--output table|json] [--verbose]";

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// Only scripts whose title has this in it.
    pub(crate) filter: Option<String>,
    /// Of each corpus, evenly spread over it.
    pub(crate) limit: Option<usize>,
    /// For one run.
    pub(crate) seconds: Duration,
    pub(crate) json: bool,
    /// When it is over, whatever is left then.
    pub(crate) until: Option<Instant>,
    /// Whether every script is told of when it is done.
    pub(crate) verbose: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            filter: None,
            limit: None,
            seconds: SECONDS,
            json: false,
            until: None,
            verbose: false,
        }
    }
}

impl Options {
    pub(crate) fn parse(words: &[&str]) -> Result<Self, Failure> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(&word) = words.next() {
            let mut value = || {
                let value = words.next().copied();
                value.ok_or_else(|| wrong(&format!("{word} needs a value")))
            };
            match word {
                "--filter" => options.filter = Some(value()?.to_owned()),
                "--limit" => options.limit = Some(count(value()?)?),
                "--seconds" => options.seconds = seconds(value()?)?,
                "--within" => options.until = Instant::now().checked_add(seconds(value()?)?),
                "--output" => match value()? {
                    "table" => options.json = false,
                    "json" => options.json = true,
                    other => return Err(wrong(&format!("`{other}` is no form of output"))),
                },
                "--verbose" => options.verbose = true,
                other => return Err(wrong(&format!("`{other}` has no place here"))),
            }
        }
        Ok(options)
    }

    /// Those of a corpus that are wanted. Always the same ones of the same corpus.
    pub(crate) fn choose(&self, mut scripts: Vec<Script>) -> Vec<Script> {
        if let Some(filter) = &self.filter {
            scripts.retain(|script| script.title().contains(filter));
        }
        let Some(limit) = self.limit.filter(|limit| *limit < scripts.len()) else {
            return scripts;
        };
        let (whole, first): (Vec<_>, Vec<_>) = scripts.into_iter().partition(|it| !it.first);
        let room = limit.saturating_sub(first.len());
        let mut chosen = spread(first, limit);
        chosen.extend(spread(whole, room));
        chosen
    }
}

/// So many of them at most, from all over the list.
fn spread(scripts: Vec<Script>, count: usize) -> Vec<Script> {
    let all = scripts.len();
    let wanted: Vec<usize> = (0..count.min(all))
        .map(|number| number * all / count.min(all))
        .collect();
    let scripts = scripts.into_iter().enumerate();
    let chosen = scripts.filter(|(place, _)| wanted.contains(place));
    chosen.map(|(_, script)| script).collect()
}

fn count(value: &str) -> Result<usize, Failure> {
    let count = value.parse().ok().filter(|&count: &usize| count > 0);
    count.ok_or_else(|| wrong(&format!("`{value}` is no number above 0")))
}

fn seconds(value: &str) -> Result<Duration, Failure> {
    let seconds = u64::try_from(count(value)?).unwrap_or(u64::MAX);
    Ok(Duration::from_secs(seconds))
}

fn wrong(what: &str) -> Failure {
    Failure::new(format!("{what}: {USAGE}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_options() {
        let parsed = Options::parse(&["--filter", "trap", "--seconds", "5", "--output", "json"]);
        let parsed = parsed.unwrap();
        assert_eq!(parsed.filter.as_deref(), Some("trap"));
        assert_eq!(
            (parsed.seconds, parsed.json),
            (Duration::from_secs(5), true)
        );
        assert_eq!(Options::parse(&[]).unwrap(), Options::default());
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (words, says) in [
            (&["--limit"][..], "--limit needs a value"),
            (&["--limit", "0"], "`0` is no number"),
            (&["--seconds", "soon"], "`soon` is no number"),
            (&["--output", "yaml"], "`yaml` is no form"),
            (&["trap"], "`trap` has no place"),
        ] {
            let said = Options::parse(words).unwrap_err().to_string();
            assert!(said.contains(says) && said.contains(USAGE), "{said}");
        }
    }

    #[test]
    fn a_limit_takes_the_first_ones_and_spreads_over_the_rest() {
        let scripts = (0..10).map(|number| Script {
            first: number == 7,
            ..Script::of_the_system(format!("/s{number}").into(), &[])
        });
        let limited = Options {
            limit: Some(4),
            ..Options::default()
        };
        let chosen = limited.choose(scripts.collect());
        let chosen: Vec<_> = chosen.iter().map(Script::title).collect();
        assert_eq!(
            chosen,
            ["system: /s7", "system: /s0", "system: /s3", "system: /s6"]
        );
    }
}
