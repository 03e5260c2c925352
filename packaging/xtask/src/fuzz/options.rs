//! What was asked for.

use std::path::PathBuf;
use std::time::Duration;

use crate::failure::Failure;

const USAGE: &str = "cargo xtask fuzz [TARGET] [--seconds N] [--replay FILE]";
const SECONDS: u64 = 60;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) target: Option<String>,
    /// For each target.
    pub(crate) seconds: Duration,
    /// An input to run once instead.
    pub(crate) replay: Option<PathBuf>,
}

impl Options {
    pub(crate) fn parse(words: &[&str]) -> Result<Self, Failure> {
        let mut options = Self {
            target: None,
            seconds: Duration::from_secs(SECONDS),
            replay: None,
        };
        let mut words = words.iter();
        while let Some(&word) = words.next() {
            let mut value = || {
                let value = words.next().copied();
                value.ok_or_else(|| wrong(&format!("{word} needs a value")))
            };
            match word {
                "--seconds" => {
                    let value = value()?;
                    let seconds = value.parse().ok().filter(|&seconds: &u64| seconds > 0);
                    let seconds = seconds
                        .ok_or_else(|| wrong(&format!("`{value}` is no number of seconds")))?;
                    options.seconds = Duration::from_secs(seconds);
                }
                "--replay" => options.replay = Some(value()?.into()),
                name if !name.starts_with('-') && options.target.is_none() => {
                    options.target = Some(name.to_owned());
                }
                other => return Err(wrong(&format!("`{other}` has no place here"))),
            }
        }
        if options.replay.is_some() {
            options.only()?;
        }
        Ok(options)
    }

    /// The one target there has to be.
    pub(crate) fn only(&self) -> Result<&str, Failure> {
        let target = self.target.as_deref();
        target.ok_or_else(|| wrong("--replay needs a target"))
    }
}

fn wrong(what: &str) -> Failure {
    Failure::new(format!("{what}: {USAGE}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_options() {
        let parsed = Options::parse(&["spool", "--seconds", "5"]).unwrap();
        assert_eq!(parsed.target.as_deref(), Some("spool"));
        assert_eq!(parsed.seconds, Duration::from_secs(5));
        assert_eq!(Options::parse(&[]).unwrap().target, None);
        let replay = Options::parse(&["log", "--replay", "x"]).unwrap();
        assert_eq!(replay.replay, Some("x".into()));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (words, says) in [
            (&["--seconds"][..], "--seconds needs a value"),
            (&["--seconds", "0"], "`0` is no number"),
            (&["--seconds", "soon"], "`soon` is no number"),
            (&["log", "spool"], "`spool` has no place"),
            (&["--fast"], "`--fast` has no place"),
            (&["--replay", "x"], "--replay needs a target"),
        ] {
            let said = Options::parse(words).unwrap_err().to_string();
            assert!(said.contains(says) && said.contains(USAGE), "{said}");
        }
    }
}
