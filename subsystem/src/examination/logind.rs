//! What systemd-logind would do with a user's processes at logout.

use std::path::Path;

use super::answer::answer;

/// Made by systemd where it is in charge (sd_booted(3)).
const IN_CHARGE: &str = "/run/systemd/system";
/// A file for each user whose manager lingers.
const LINGER: &str = "/var/lib/systemd/linger";
const MANAGER: [&str; 3] = [
    "org.freedesktop.login1",
    "/org/freedesktop/login1",
    "org.freedesktop.login1.Manager",
];

/// What becomes of what a login leaves running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Killing {
    Kills,
    Spares,
    Unknown,
}

/// As far as it concerns one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Logind {
    /// Whether there is one at all.
    pub(super) systemd: bool,
    pub(super) killing: Killing,
    pub(super) lingers: bool,
}

impl Logind {
    /// What becomes of logins is asked only where it matters: it takes a program.
    pub(super) fn ask(user: &str, in_login: bool) -> Self {
        let systemd = Path::new(IN_CHARGE).is_dir();
        Self {
            systemd,
            killing: if systemd && in_login {
                killing(user, property)
            } else {
                Killing::Spares
            },
            lingers: Path::new(LINGER).join(user).exists(),
        }
    }
}

/// A property in the effective configuration: its files alone would leave out drop-ins and what
/// the distribution compiled in.
fn property(name: &str) -> Option<String> {
    let [service, object, interface] = MANAGER;
    let words = ["--system", "get-property", service, object, interface, name];
    answer("busctl", &words)
}

fn killing(user: &str, property: impl Fn(&str) -> Option<String>) -> Killing {
    match property("KillUserProcesses").as_deref().map(str::trim) {
        Some("b false") => Killing::Spares,
        Some("b true") => {
            let names = |list| property(list).map(|text| names(&text)).unwrap_or_default();
            let (only, excluded) = (names("KillOnlyUsers"), names("KillExcludeUsers"));
            let named = |list: &[String]| list.iter().any(|name| name == user);
            if named(&excluded) || (!only.is_empty() && !named(&only)) {
                Killing::Spares
            } else {
                Killing::Kills
            }
        }
        _ => Killing::Unknown,
    }
}

/// The strings of busctl's `as 2 "a" "b"`.
fn names(text: &str) -> Vec<String> {
    let quoted = text.split('"').skip(1).step_by(2);
    quoted.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(kill: Option<&str>, only: &str, excluded: &str) -> Killing {
        killing("ada", |name| match name {
            "KillUserProcesses" => kill.map(str::to_owned),
            "KillOnlyUsers" => Some(only.to_owned()),
            _ => Some(excluded.to_owned()),
        })
    }

    #[test]
    fn the_lists_of_users_decide_where_processes_are_killed() {
        let (none, root) = ("as 0\n", "as 1 \"root\"\n");
        assert_eq!(decided(Some("b false\n"), none, root), Killing::Spares);
        assert_eq!(decided(Some("b true\n"), none, root), Killing::Kills);
        let ada = "as 2 \"root\" \"ada\"\n";
        assert_eq!(decided(Some("b true\n"), none, ada), Killing::Spares);
        assert_eq!(decided(Some("b true\n"), root, none), Killing::Spares);
        assert_eq!(decided(Some("b true\n"), ada, none), Killing::Kills);
        assert_eq!(decided(None, none, none), Killing::Unknown);
    }
}
