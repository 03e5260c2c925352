//! How long a session lives that is made over this connection: what ends its host process.
//!
//! A host only leaves the terminal and session of its login (setsid); that is all it can do
//! without being asked. Whether it outlives the login is up to systemd-logind, and to the control
//! group sshd put the login into. Moving it by `systemd-run --user --scope` would make it worse
//! where it is good: the user's manager goes at the last logout, and takes its scopes along.

use outlast_protocol::finding::{Finding, Verdict};
use outlast_rendezvous::machine::user_name;

use super::logind::{Killing, Logind};

const LAYER: &str = "durability";

/// What a session outlives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// Everything but a restart of the computer.
    Boot,
    /// Its connection, but not the user's last logout.
    LastLogout,
    /// Nothing: it ends with the login that made it.
    Connection,
    /// It cannot be told whether it outlives its login.
    Unknown,
}

impl Class {
    fn name(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::LastLogout => "last-logout",
            Self::Connection => "connection",
            Self::Unknown => "unknown",
        }
    }

    fn verdict(self) -> Verdict {
        match self {
            Self::Boot => Verdict::Good,
            Self::LastLogout | Self::Unknown => Verdict::Doubtful,
            Self::Connection => Verdict::Bad,
        }
    }
}

pub(super) fn examine() -> Finding {
    let group = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    judge(&own_group(&group), &Logind::ask(&user_name()), &user_name())
}

/// The path of the control group in the hierarchy that systemd manages.
fn own_group(groups: &str) -> String {
    let lines = || groups.lines().map(|line| line.splitn(3, ':'));
    let named = |wanted: &str| {
        lines().find_map(|mut fields| {
            let controllers = fields.nth(1)?;
            (controllers == wanted).then(|| fields.next().map(str::to_owned))?
        })
    };
    let systemd = named("name=systemd");
    systemd.or_else(|| named("")).unwrap_or_default()
}

fn judge(group: &str, logind: &Logind, user: &str) -> Finding {
    let (class, text, hint) = classify(group, logind, user);
    Finding::new(LAYER, class.verdict(), format!("{}: {text}", class.name()))
        .hint(hint)
        .value("class", class.name())
        .value("control_group", group)
}

fn classify(group: &str, logind: &Logind, user: &str) -> (Class, String, String) {
    if !logind.systemd {
        let text = "without systemd nothing ends what a login leaves running";
        return (Class::Boot, text.into(), String::new());
    }
    let units: Vec<&str> = group.split('/').collect();
    let has = |prefix: &str, suffix: &str| {
        units
            .iter()
            .any(|unit| unit.starts_with(prefix) && unit.ends_with(suffix))
    };
    if has("user@", ".service") {
        return if logind.lingers {
            let text = "it runs in the user's own manager, which lingers";
            (Class::Boot, text.into(), String::new())
        } else {
            let text = "it runs in the user's own manager, which ends at the last logout";
            (
                Class::LastLogout,
                text.into(),
                format!("loginctl enable-linger {user}"),
            )
        };
    }
    if has("session-", ".scope") {
        return of_login(logind, user);
    }
    // One service for each connection: it is stopped when that ends.
    if has("sshd@", ".service") || has("ssh@", ".service") {
        let text =
            "sshd is started for each connection, and what it leaves running is ended with it";
        let hint = "install libpam-systemd, or run sshd as one service (`systemctl disable --now ssh.socket; systemctl enable --now ssh.service`)";
        return (Class::Connection, text.into(), hint.into());
    }
    let text = "it is in no login session of systemd-logind, which therefore does not end it";
    (Class::Boot, text.into(), String::new())
}

/// In a login session of logind's.
fn of_login(logind: &Logind, user: &str) -> (Class, String, String) {
    match logind.killing {
        Killing::Spares => {
            let text = "systemd-logind leaves running what a login leaves (KillUserProcesses=no)";
            (Class::Boot, text.into(), String::new())
        }
        Killing::Kills => {
            let text = "systemd-logind ends what a login leaves running (KillUserProcesses=yes)";
            let hint = format!(
                "write `[Login]` and `KillExcludeUsers=root {user}` to /etc/systemd/logind.conf.d/outlast.conf, then `systemctl restart systemd-logind`; lingering alone does not help"
            );
            (Class::Connection, text.into(), hint)
        }
        Killing::Unknown => {
            let text = "whether systemd-logind ends what a login leaves running (KillUserProcesses) cannot be told";
            let hint = "busctl get-property org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager KillUserProcesses";
            (Class::Unknown, text.into(), hint.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCOPE: &str = "/user.slice/user-1000.slice/session-3.scope";
    const MANAGER: &str = "/user.slice/user-1000.slice/user@1000.service/app.slice/x.service";

    fn class(group: &str, logind: &Logind) -> Class {
        classify(group, logind, "ada").0
    }

    fn with(killing: Killing) -> Logind {
        Logind {
            systemd: true,
            killing,
            lingers: false,
        }
    }

    #[test]
    fn a_login_session_lives_as_long_as_logind_lets_it() {
        assert_eq!(class(SCOPE, &with(Killing::Spares)), Class::Boot);
        assert_eq!(class(SCOPE, &with(Killing::Kills)), Class::Connection);
        assert_eq!(class(SCOPE, &with(Killing::Unknown)), Class::Unknown);
        // Lingering keeps the user's manager, not the login's scope.
        let lingers = Logind {
            lingers: true,
            ..with(Killing::Kills)
        };
        assert_eq!(class(SCOPE, &lingers), Class::Connection);
        let (_, _, hint) = classify(SCOPE, &lingers, "ada");
        assert!(hint.contains("KillExcludeUsers=root ada"), "{hint}");
    }

    #[test]
    fn the_users_manager_needs_to_linger() {
        let spares = with(Killing::Spares);
        assert_eq!(class(MANAGER, &spares), Class::LastLogout);
        let lingers = Logind {
            lingers: true,
            ..spares
        };
        assert_eq!(class(MANAGER, &lingers), Class::Boot);
    }

    #[test]
    fn outside_of_logins_the_service_decides() {
        let kills = with(Killing::Kills);
        assert_eq!(class("/system.slice/ssh.service", &kills), Class::Boot);
        let each = "/system.slice/system-sshd.slice/sshd@1-10.0.0.1:22.service";
        assert_eq!(class(each, &kills), Class::Connection);
        let none = Logind {
            systemd: false,
            ..kills
        };
        assert_eq!(class(SCOPE, &none), Class::Boot);
    }

    #[test]
    fn the_group_is_that_of_systemds_hierarchy() {
        assert_eq!(own_group("0::/a/b\n"), "/a/b");
        assert_eq!(
            own_group("5:memory:/m\n1:name=systemd:/s:x\n0::/u\n"),
            "/s:x"
        );
        assert_eq!(own_group(""), "");
    }

    #[test]
    fn a_session_that_ends_with_its_connection_is_no_session() {
        let finding = judge(SCOPE, &with(Killing::Kills), "ada");
        assert_eq!(finding.verdict, Verdict::Bad);
        assert!(finding.text.starts_with("connection: "), "{finding:?}");
        let class = ("class".to_owned(), "connection".to_owned());
        assert!(finding.values.contains(&class));
    }
}
