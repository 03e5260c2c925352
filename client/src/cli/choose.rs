//! Which sessions a selector means.

use globset::Glob;
use outlast_protocol::control::session::Session;
use outlast_protocol::id::is_instance_prefix;

use super::error::Error;

/// Whether `selector` means `session`: an Id, a name, a glob over names, an instance ID or the
/// first characters of one.
#[must_use]
pub(super) fn fits(selector: &str, session: &Session) -> bool {
    if !selector.is_empty() && selector.bytes().all(|byte| byte.is_ascii_digit()) {
        if selector.parse() == Ok(session.id) {
            return true;
        }
    } else if name_fits(selector, session) {
        return true;
    }
    instance_fits(selector, session)
}

/// Whether `pattern` is the session's name or a glob over it.
#[must_use]
pub(super) fn name_fits(pattern: &str, session: &Session) -> bool {
    let name = session.name.as_str();
    pattern == name || Glob::new(pattern).is_ok_and(|glob| glob.compile_matcher().is_match(name))
}

/// Whether `prefix` begins the session's instance ID.
#[must_use]
pub(super) fn instance_fits(prefix: &str, session: &Session) -> bool {
    let prefix = prefix.to_ascii_lowercase();
    is_instance_prefix(&prefix) && session.instance.to_string().starts_with(&prefix)
}

/// Those of `sessions` that `selectors` mean, each once. Every selector must mean something, and
/// the start of an instance ID only one thing.
pub(super) fn choose(
    selectors: &[String],
    sessions: Vec<Session>,
    unknown: impl Fn(&str) -> Error,
) -> Result<Vec<Session>, Error> {
    for selector in selectors {
        let count = sessions.iter().filter(|s| fits(selector, s)).count();
        if count == 0 {
            return Err(unknown(selector));
        }
        if count > 1 && is_instance_prefix(selector) {
            let selector = selector.clone();
            return Err(Error::Ambiguous { selector, count });
        }
    }
    let chosen = |session: &Session| selectors.iter().any(|s| fits(s, session));
    Ok(sessions.into_iter().filter(chosen).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::session::tests::session;

    fn unknown(selector: &str) -> Error {
        let selector = selector.to_owned();
        Error::UnknownSession { selector }
    }

    fn ids(selectors: &[&str]) -> Result<Vec<u32>, String> {
        let sessions = vec![
            session(1, "web1"),
            session(2, "web2"),
            session(12_345_678, "db"),
        ];
        let selectors: Vec<_> = selectors.iter().map(ToString::to_string).collect();
        choose(&selectors, sessions, unknown)
            .map(|chosen| chosen.iter().map(|s| s.id).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn every_kind_of_selector_is_understood() {
        assert_eq!(ids(&["1"]), Ok(vec![1]));
        assert_eq!(ids(&["web2"]), Ok(vec![2]));
        assert_eq!(ids(&["web*", "1"]), Ok(vec![1, 2]));
        assert_eq!(ids(&["12345678"]), Ok(vec![12_345_678]));
        assert_eq!(ids(&["00000000-0000-0000-0000-000000000002"]), Ok(vec![2]));
    }

    #[test]
    fn nothing_and_too_much_are_errors() {
        assert_eq!(ids(&["1", "7"]), Err("no session here is `7`".into()));
        assert_eq!(ids(&["web[1"]), Err("no session here is `web[1`".into()));
        let error = ids(&["00000000"]).unwrap_err();
        assert_eq!(error, "`00000000` fits 3 sessions, and one is needed");
    }
}
