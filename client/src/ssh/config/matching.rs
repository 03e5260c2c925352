//! Whether a `Host` or `Match` line applies.

use super::error::{ConfigError, Location};
use super::pattern::{matches_list, matches_pattern};
use super::{line, values::Values};

/// Whom a configuration is read for.
pub(super) struct Subject<'a> {
    /// As typed.
    pub(super) host: &'a str,
    pub(super) local_user: &'a str,
}

/// `Host a b !c`: unlike in a `Match` list, each word is its own pattern.
pub(super) fn host_applies(patterns: &[String], subject: &Subject<'_>) -> bool {
    let mut applies = false;
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(negated) if matches_pattern(subject.host, negated) => return false,
            Some(_) => {}
            None => applies |= matches_pattern(subject.host, pattern),
        }
    }
    applies
}

/// A `Match` line: every condition must hold.
pub(super) fn match_applies(
    rest: &str,
    subject: &Subject<'_>,
    values: &Values,
    location: &Location,
) -> Result<bool, ConfigError> {
    let invalid = |reason: String| ConfigError::invalid(location, reason);
    let words = line::arguments(rest).map_err(|reason| invalid(reason.to_owned()))?;
    if words.is_empty() {
        return Err(invalid("Match names no condition".into()));
    }
    // `host=pattern` is as good as `host pattern`.
    let mut words = words
        .into_iter()
        .flat_map(|word| match word.split_once('=') {
            Some((name, value)) => vec![name.to_owned(), value.to_owned()],
            None => vec![word],
        });
    let mut applies = true;
    while let Some(condition) = words.next() {
        let (negated, name) = match condition.strip_prefix('!') {
            Some(name) => (true, name.to_ascii_lowercase()),
            None => (false, condition.to_ascii_lowercase()),
        };
        if name == "all" {
            applies &= !negated;
            continue;
        }
        if matches!(
            name.as_str(),
            "canonical"
                | "final"
                | "exec"
                | "localnetwork"
                | "tagged"
                | "sessiontype"
                | "command"
                | "version"
        ) {
            // ssh does not run `exec` where an earlier condition already failed; nor do we ask it.
            if !applies && name != "final" {
                words.next();
                continue;
            }
            let (what, location) = (format!("Match {name}"), location.clone());
            return Err(ConfigError::NeedsOpenSsh { what, location });
        }
        let patterns = words
            .next()
            .filter(|patterns| !patterns.is_empty())
            .ok_or_else(|| invalid(format!("Match {name} needs a pattern")))?;
        let held = holds(&name, &patterns, subject, values)
            .ok_or_else(|| invalid(format!("Match does not know the condition `{name}`")))?;
        applies &= held != negated;
    }
    Ok(applies)
}

/// `None` where there is no such condition.
fn holds(name: &str, patterns: &str, subject: &Subject<'_>, values: &Values) -> Option<bool> {
    let lower = patterns.to_ascii_lowercase();
    Some(match name {
        "host" => {
            // The host name as far as it is known at this line.
            let host = match values.first("hostname") {
                Some(name) => name.replace("%h", subject.host).replace("%%", "%"),
                None => subject.host.to_owned(),
            };
            matches_list(&host, lower.split(','))
        }
        "originalhost" => matches_list(subject.host, lower.split(',')),
        "user" => {
            let user = values.first("user").unwrap_or(subject.local_user);
            matches_list(user, patterns.split(','))
        }
        "localuser" => matches_list(subject.local_user, patterns.split(',')),
        _ => return None,
    })
}
