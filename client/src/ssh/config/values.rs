//! The values gathered for one destination, each in the form in which it was first given.

use std::collections::BTreeMap;

use super::error::{ConfigError, Location};
use super::form::Form;
use super::keyword::{self, Keyword, Standing};
use super::line;
use super::pattern::{matches_list, matches_pattern};

/// An option that ssh would have followed and we do not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IgnoredOption {
    /// In lower case.
    pub name: String,
    /// A path, or `command line`.
    pub file: String,
    pub line: usize,
    /// Whether the system's `ssh`, used as the transport, would follow it.
    pub needs_system_ssh: bool,
}

impl std::fmt::Display for IgnoredOption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, file, .. } = self;
        match self.line {
            0 => write!(f, "{file}: {name} has no effect here")?,
            line => write!(f, "{file} line {line}: {name} has no effect here")?,
        }
        match self.needs_system_ssh {
            true => f.write_str("; it needs the system's ssh (--transport openssh)"),
            false => Ok(()),
        }
    }
}

#[derive(Clone, Debug)]
struct Setting {
    values: Vec<String>,
    location: Location,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    map: BTreeMap<&'static str, Setting>,
    /// Whether tokens are replaced already where ssh prints them so.
    pub(super) expanded: bool,
    /// What the person should hear of besides.
    pub(super) notes: Vec<String>,
}

impl Values {
    pub(super) fn first(&self, name: &str) -> Option<&str> {
        self.all(name).first().map(String::as_str)
    }

    pub(super) fn all(&self, name: &str) -> &[String] {
        self.map.get(name).map_or(&[], |setting| &setting.values)
    }

    pub(super) fn is_set(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    /// Where the value comes from.
    pub(super) fn location(&self, name: &str) -> Location {
        let setting = self.map.get(name);
        setting.map_or_else(Location::default, |setting| setting.location.clone())
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.map.remove(name);
    }

    pub(super) fn into_map(self) -> BTreeMap<&'static str, Vec<String>> {
        let settings = self.map.into_iter();
        settings
            .map(|(name, setting)| (name, setting.values))
            .collect()
    }

    /// What was set and is left out, in the order of the keywords.
    pub(super) fn ignored(&self) -> Vec<IgnoredOption> {
        let forwardings = self.first("clearallforwardings") != Some("yes");
        let left_out = self.map.iter().filter_map(|(name, setting)| {
            let (harmless, needs_system_ssh) = match keyword::find(name)?.standing {
                Standing::Without(harmless) => (harmless, false),
                Standing::SystemSsh(harmless) => (harmless, true),
                Standing::Followed | Standing::Moot => return None,
            };
            let is = |word: &&str| {
                let first = setting.values.first();
                first.is_some_and(|value| value.eq_ignore_ascii_case(word))
            };
            let cleared = name.ends_with("forward") && !forwardings;
            (!cleared && !harmless.iter().any(is)).then(|| IgnoredOption {
                name: (*name).to_owned(),
                file: setting.location.file.clone(),
                line: setting.location.line,
                needs_system_ssh,
            })
        });
        left_out.collect()
    }

    /// Takes a value unless an earlier one stands.
    pub(super) fn set(
        &mut self,
        name: &'static str,
        form: Form,
        mut values: Vec<String>,
        location: &Location,
    ) {
        // Of ProxyJump and ProxyCommand the first given switches the other off.
        let rival = match name {
            "proxyjump" => "proxycommand",
            "proxycommand" => "proxyjump",
            _ => "",
        };
        let switched_off = match self.first(rival) {
            Some("none") => rival == "proxycommand",
            other => other.is_some(),
        };
        if switched_off || values.is_empty() {
            return;
        }
        match form {
            Form::Each | Form::SendEnv => {
                for value in values {
                    self.add(name, value, location);
                }
            }
            Form::Rekey => {
                let interval = values.split_off(1);
                self.set(name, Form::Word, values, location);
                self.set("rekeyinterval", Form::Word, interval, location);
            }
            _ => {
                self.map.entry(name).or_insert_with(|| Setting {
                    values,
                    location: location.clone(),
                });
            }
        }
    }

    /// Adds one of several values, or takes away what `-PATTERN` names.
    fn add(&mut self, name: &'static str, value: String, location: &Location) {
        if let Some(pattern) = value.strip_prefix('-').filter(|_| name == "sendenv") {
            if let Some(setting) = self.map.get_mut(name) {
                let taken_away = |known: &String| matches_pattern(known, pattern);
                setting.values.retain(|known| !taken_away(known));
            }
            return;
        }
        let setting = self.map.entry(name).or_insert_with(|| Setting {
            values: Vec::new(),
            location: location.clone(),
        });
        if !setting.values.contains(&value) {
            setting.values.push(value);
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
        let invalid =
            |reason: String| ConfigError::invalid(location, format!("{written}: {reason}"));
        if rest.is_empty() {
            return Err(invalid("the value is missing".to_owned()));
        }
        let words = line::arguments(rest).map_err(|reason| invalid(reason.to_owned()))?;
        let lower = written.to_ascii_lowercase();
        let Some(Keyword { name, form, .. }) = keyword::find(&lower) else {
            return match self.may_be_unknown(&lower) {
                true => Ok(()),
                false => Err(ConfigError::unknown(written, location)),
            };
        };
        let values = form.read(rest, words).map_err(invalid)?;
        if active && name == "refuseconnection" {
            return Err(ConfigError::Refused {
                reason: values.concat(),
                location: location.clone(),
            });
        }
        if active {
            self.set(name, form, values, location);
        }
        Ok(())
    }

    fn may_be_unknown(&self, lower: &str) -> bool {
        let patterns = self.first("ignoreunknown").unwrap_or_default();
        matches_list(lower, patterns.to_ascii_lowercase().split(','))
    }
}
