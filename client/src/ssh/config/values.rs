//! The values gathered for one destination, each in the form in which it was first given.

use std::collections::BTreeMap;

use super::error::{ConfigError, Location};
use super::keyword::{self, Form, Keyword};
use super::line;
use super::pattern::matches_list;

/// An option that ssh would have followed and we do not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IgnoredOption {
    /// As it was written.
    pub name: String,
    /// A path, or `command line`.
    pub file: String,
    pub line: usize,
}

impl std::fmt::Display for IgnoredOption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, file, line } = self;
        write!(f, "{file} line {line}: {name} has no effect here")
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    map: BTreeMap<&'static str, Vec<String>>,
    pub(super) ignored: Vec<IgnoredOption>,
    ignore_unknown: Option<String>,
}

impl Values {
    pub(super) fn first(&self, name: &str) -> Option<&str> {
        self.map.get(name)?.first().map(String::as_str)
    }

    pub(super) fn all(&self, name: &str) -> &[String] {
        self.map.get(name).map_or(&[], Vec::as_slice)
    }

    pub(super) fn is_set(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    pub(super) fn into_map(self) -> BTreeMap<&'static str, Vec<String>> {
        self.map
    }

    /// Takes a value unless an earlier one stands.
    pub(super) fn set(&mut self, name: &'static str, form: Form, value: Vec<String>) {
        // Of ProxyJump and ProxyCommand the first given switches the other off.
        let rival = match name {
            "proxyjump" => "proxycommand",
            "proxycommand" => "proxyjump",
            _ => "",
        };
        if self.is_set(rival) {
            return;
        }
        let taken = self.map.entry(name).or_default();
        if form == Form::Each {
            value.into_iter().for_each(|value| {
                if !taken.contains(&value) {
                    taken.push(value);
                }
            });
        } else if taken.is_empty() {
            *taken = value;
        }
    }

    /// One line that is neither `Host`, `Match` nor `Include`. It is checked even where it does not
    /// apply, as ssh does: a typing error should not wait for its host.
    pub(super) fn take(
        &mut self,
        written: &str,
        rest: &str,
        active: bool,
        location: &Location,
    ) -> Result<(), ConfigError> {
        let lower = written.to_ascii_lowercase();
        match keyword::find(&lower) {
            Keyword::Followed(name, form) => {
                let words = match form {
                    Form::Line => Vec::new(),
                    _ => line::arguments(rest)
                        .map_err(|reason| ConfigError::invalid(location, reason))?,
                };
                let value = keyword::normalise(form, rest, words).map_err(|reason| {
                    ConfigError::invalid(location, format!("{written}: {reason}"))
                })?;
                if active {
                    self.set(name, form, value);
                }
            }
            Keyword::Known if active => self.know(&lower, written, rest, location)?,
            Keyword::Known => {}
            Keyword::Unknown if self.may_be_unknown(&lower) => {}
            Keyword::Unknown => {
                let (name, location) = (written.to_owned(), location.clone());
                return Err(ConfigError::UnknownOption { name, location });
            }
        }
        Ok(())
    }

    fn know(
        &mut self,
        lower: &str,
        written: &str,
        rest: &str,
        location: &Location,
    ) -> Result<(), ConfigError> {
        match lower {
            "ignoreunknown" => {
                self.ignore_unknown
                    .get_or_insert_with(|| rest.to_ascii_lowercase());
            }
            // It changes which host is meant, so leaving it out would be wrong, not just less.
            "canonicalizehostname" if matches!(rest, "yes" | "true" | "always") => {
                let (what, location) = (format!("{written} {rest}"), location.clone());
                return Err(ConfigError::NeedsOpenSsh { what, location });
            }
            _ if self
                .ignored
                .iter()
                .any(|known| known.name.eq_ignore_ascii_case(written)) => {}
            _ => self.ignored.push(IgnoredOption {
                name: written.to_owned(),
                file: location.file.clone(),
                line: location.line,
            }),
        }
        Ok(())
    }

    fn may_be_unknown(&self, lower: &str) -> bool {
        let patterns = self.ignore_unknown.as_deref().unwrap_or_default();
        matches_list(
            lower,
            patterns
                .split([',', ' '])
                .map(|pattern| pattern.trim_matches('"')),
        )
    }
}
