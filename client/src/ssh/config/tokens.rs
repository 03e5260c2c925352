//! `%h` and its like, `${NAME}`, `~`.

use std::path::PathBuf;

use sha1::{Digest, Sha1};

use super::error::{ConfigError, Location};
use super::values::Values;
use crate::ssh::{Destination, Environment};

/// What the tokens stand for, for one destination.
pub(super) struct Tokens<'a> {
    pub(super) environment: &'a Environment,
    table: Vec<(char, String)>,
}

impl<'a> Tokens<'a> {
    /// `HostName` knows only what was typed.
    pub(super) fn of_host(environment: &'a Environment, host: &str) -> Self {
        Self {
            environment,
            table: vec![('h', host.to_owned())],
        }
    }

    /// The tokens as far as the values are known.
    pub(super) fn new(
        environment: &'a Environment,
        destination: &Destination,
        host: &str,
        values: &Values,
    ) -> Self {
        let port = values.first("port").unwrap_or("22");
        let user = values.first("user").unwrap_or(&environment.user);
        let jump = values.first("proxyjump").filter(|jump| *jump != "none");
        let jump = jump.map(last_hop).unwrap_or_default();
        let typed = &destination.host;
        let alias = values.first("hostkeyalias").map(str::to_ascii_lowercase);
        let local = &environment.local_host;
        let identifying = Sha1::digest(format!("{local}{host}{port}{user}{jump}"));
        let identifying = identifying
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let table = vec![
            ('C', identifying),
            ('L', local.split('.').next().unwrap_or(local).to_owned()),
            ('d', environment.home.display().to_string()),
            ('h', host.to_owned()),
            ('i', environment.uid.to_string()),
            ('j', jump),
            ('k', alias.unwrap_or_else(|| typed.clone())),
            ('l', local.clone()),
            ('n', typed.clone()),
            ('p', port.to_owned()),
            ('r', user.to_owned()),
            ('u', environment.user.clone()),
        ];
        Self { environment, table }
    }

    /// Replaces the `%` tokens; one that is not in the table is an error, as in ssh.
    pub(super) fn percent(&self, value: &str) -> Result<String, String> {
        self.replace(value, false)
    }

    /// Replaces `%` tokens and `${NAME}`, neither looking into what the other gave.
    pub(super) fn text(&self, value: &str) -> Result<String, String> {
        self.replace(value, true)
    }

    fn replace(&self, value: &str, variables: bool) -> Result<String, String> {
        let mut expanded = String::with_capacity(value.len());
        let mut rest = value;
        while let Some(at) = rest.find(['%', '$']) {
            let (before, token) = rest.split_at(at);
            expanded.push_str(before);
            rest = match token.strip_prefix("${").filter(|_| variables) {
                Some(name) => {
                    let (name, after) = name.split_once('}').ok_or("${ is not closed")?;
                    let text = self.environment.variables.get(name);
                    expanded.push_str(text.ok_or_else(|| format!("${{{name}}} is not set"))?);
                    after
                }
                None => self.token(token, &mut expanded)?,
            };
        }
        expanded.push_str(rest);
        Ok(expanded)
    }

    /// Replaces what `text` begins with, if it is a token; returns what is behind it.
    fn token<'t>(&self, text: &'t str, expanded: &mut String) -> Result<&'t str, String> {
        let mut chars = text.chars();
        match (chars.next(), chars.as_str().chars().next()) {
            (Some('%'), None) => return Err("it ends in %".to_owned()),
            (Some('%'), Some('%')) => {
                chars.next();
                expanded.push('%');
            }
            (Some('%'), Some(name)) => {
                chars.next();
                let found = self.table.iter().find(|(known, _)| *known == name);
                let (_, text) = found.ok_or_else(|| format!("there is no token %{name} there"))?;
                expanded.push_str(text);
            }
            (other, _) => expanded.extend(other),
        }
        Ok(chars.as_str())
    }

    /// A file name with everything replaced: `~` first, so that no value can begin with one.
    pub(super) fn path(&self, value: &str) -> Result<PathBuf, String> {
        self.text(&home_expanded(self.environment, value)?)
            .map(|path| self.environment.directory.join(path))
    }
}

/// Replaces `~` and `~user`.
pub(super) fn home_expanded(environment: &Environment, value: &str) -> Result<String, String> {
    let Some(rest) = value.strip_prefix('~') else {
        return Ok(value.to_owned());
    };
    let (user, below) = rest.split_once('/').unwrap_or((rest, ""));
    let home = match user {
        "" => environment.home.clone(),
        user => Environment::home_of(user).ok_or_else(|| format!("there is no user `{user}`"))?,
    };
    let home = home.display().to_string();
    Ok(match below.trim_start_matches('/') {
        "" if value.ends_with('/') => format!("{home}/"),
        "" => home,
        below => format!("{}/{below}", home.trim_end_matches('/')),
    })
}

/// The host of the last jump: what `%j` stands for.
fn last_hop(jump: &str) -> String {
    let hop = jump.rsplit(',').next().unwrap_or(jump);
    hop.parse::<Destination>()
        .map_or_else(|_| hop.to_owned(), |hop| hop.host)
}

/// Says which value could not be read, and where it stands.
pub(super) fn at<T>(
    option: &'static str,
    value: &str,
    location: Location,
    expanded: Result<T, String>,
) -> Result<T, ConfigError> {
    expanded.map_err(|reason| ConfigError::Expansion {
        option,
        value: value.to_owned(),
        reason,
        location,
    })
}
