//! `%h` and its like, `${NAME}`, `~`.

use std::path::PathBuf;

use super::error::ConfigError;
use crate::ssh::Environment;

/// What the tokens stand for, for one destination.
pub(super) struct Tokens<'a> {
    pub(super) environment: &'a Environment,
    table: Vec<(char, String)>,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(environment: &'a Environment, table: Vec<(char, String)>) -> Self {
        Self { environment, table }
    }

    /// Replaces the `%` tokens; one that is not in the table is an error, as in ssh.
    pub(super) fn percent(&self, option: &'static str, value: &str) -> Result<String, ConfigError> {
        let mut expanded = String::with_capacity(value.len());
        let mut chars = value.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                expanded.push(c);
                continue;
            }
            match chars.next() {
                Some('%') => expanded.push('%'),
                Some(token) => match self.table.iter().find(|(name, _)| *name == token) {
                    Some((_, text)) => expanded.push_str(text),
                    None => return Err(cannot(option, value, format!("unknown token %{token}"))),
                },
                None => return Err(cannot(option, value, "it ends in %".into())),
            }
        }
        Ok(expanded)
    }

    /// Replaces `${NAME}`; a variable that is not set is an error, as in ssh.
    fn variables(&self, option: &'static str, value: &str) -> Result<String, ConfigError> {
        let mut expanded = String::with_capacity(value.len());
        let mut rest = value;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| cannot(option, value, "${ is not closed".into()))?;
            let text = self
                .environment
                .variables
                .get(name)
                .ok_or_else(|| cannot(option, value, format!("${{{name}}} is not set")))?;
            expanded.push_str(before);
            expanded.push_str(text);
            rest = after;
        }
        expanded.push_str(rest);
        Ok(expanded)
    }

    /// A word with tokens and variables replaced.
    pub(super) fn text(&self, option: &'static str, value: &str) -> Result<String, ConfigError> {
        self.variables(option, &self.percent(option, value)?)
    }

    /// A file name with everything replaced.
    pub(super) fn path(&self, option: &'static str, value: &str) -> Result<PathBuf, ConfigError> {
        let value = self.text(option, value)?;
        match value.strip_prefix('~') {
            None => Ok(PathBuf::from(value)),
            Some("") => Ok(self.environment.home.clone()),
            Some(rest) => match rest.strip_prefix('/') {
                Some(below_home) => Ok(self.environment.home.join(below_home)),
                None => Err(cannot(
                    option,
                    &value,
                    "only one's own ~ is known here".into(),
                )),
            },
        }
    }
}

fn cannot(option: &'static str, value: &str, reason: String) -> ConfigError {
    ConfigError::Expansion {
        option,
        value: value.to_owned(),
        reason,
    }
}
