//! How much output may be kept on disk: read from the environment when a session is made.

use std::ffi::OsString;

const SESSION: &str = "OUTLAST_SESSION_QUOTA";
const USER: &str = "OUTLAST_USER_QUOTA";
/// The environment variables read here.
pub(super) const SETTINGS: [&str; 2] = [SESSION, USER];

/// Below this a session could not even keep what is on its way to a client.
const LEAST: u64 = 64 * 1024;

/// Limits in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quotas {
    /// Of one session.
    pub(crate) session: u64,
    /// Of all sessions of the user together.
    pub(crate) user: u64,
}

/// A setting that says nothing sensible.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name}={value:?} is not a size: write bytes, or a number with K, M or G behind, from 64K up"
)]
pub(crate) struct BadQuota {
    name: &'static str,
    value: OsString,
}

impl Quotas {
    pub(crate) fn from_environment() -> Result<Self, BadQuota> {
        Self::from(|name| std::env::var_os(name))
    }

    fn from(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, BadQuota> {
        let setting = |name: &'static str, default: u64| match variable(name) {
            None => Ok(default),
            Some(value) if value.is_empty() => Ok(default),
            Some(value) => match value.to_str().and_then(size) {
                Some(bytes) => Ok(bytes),
                None => Err(BadQuota { name, value }),
            },
        };
        Ok(Self {
            session: setting(SESSION, 64 << 20)?,
            user: setting(USER, 1 << 30)?,
        })
    }
}

fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(['K', 'M', 'G']);
    let unit: u64 = match text.get(digits.len()..)? {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return None,
    };
    let bytes = digits.parse::<u64>().ok()?.checked_mul(unit)?;
    (bytes >= LEAST).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quotas(session: &str, user: &str) -> Result<Quotas, BadQuota> {
        let of = |name: &str| if name == SESSION { session } else { user };
        Quotas::from(|name| Some(of(name)).filter(|it| *it != "-").map(OsString::from))
    }

    #[test]
    fn sizes_are_read_and_nonsense_is_named() {
        let (session, user) = (64 << 20, 1 << 30);
        assert_eq!(quotas("-", ""), Ok(Quotas { session, user }));
        let (session, user) = (100_000, 3 << 30);
        assert_eq!(quotas("100000", "3G"), Ok(Quotas { session, user }));
        for bad in ["1", "63K", "-5", "1T", "1KK", "K", "99999999999G", "1.5M"] {
            let error = quotas(bad, "").expect_err(bad);
            assert!(error.to_string().contains(SESSION), "{error}");
        }
    }
}
