//! `KnownHostsCommand`, whose tokens are known in two steps.

use super::error::ConfigError;
use super::line;
use super::tokens::{Tokens, at};
use super::values::Values;

/// Stands for the `%` of a token that is only known while connecting.
pub(in crate::ssh) const LATER: char = '\u{1}';

/// The program is taken as it is, as in ssh; of its arguments the tokens are replaced.
pub(super) fn words(values: &Values, tokens: &Tokens<'_>) -> Result<Vec<String>, ConfigError> {
    let option = "KnownHostsCommand";
    let Some(command) = values.first("knownhostscommand").filter(|it| *it != "none") else {
        return Ok(Vec::new());
    };
    let place = || values.location("knownhostscommand");
    let words = line::arguments(command).map_err(str::to_owned);
    let words = at(option, command, place(), words)?;
    let (first, rest) = words.split_at(words.len().min(1));
    let expanded = |word: &String| at(option, word, place(), tokens.text(&defer(word)));
    let rest = rest.iter().map(expanded);
    let mut words = first.to_vec();
    words.extend(rest.collect::<Result<Vec<_>, _>>()?);
    Ok(words)
}

/// Marks the tokens of a `KnownHostsCommand` that are only known while connecting.
fn defer(word: &str) -> String {
    let mut deferred = String::with_capacity(word.len());
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('%') {
        deferred.push_str(before);
        let token = after.chars().next().unwrap_or('%');
        deferred.push(if "HIKft".contains(token) { LATER } else { '%' });
        // `%%` stays together, so that its second half begins no token.
        let end = if token == '%' { 1.min(after.len()) } else { 0 };
        let (kept, after) = after.split_at(end);
        deferred.push_str(kept);
        rest = after;
    }
    deferred.push_str(rest);
    deferred
}
