//! How long a session lives that is made over this connection: what ends its host process.
//!
//! A host only leaves the terminal and session of its login (setsid); that is all it can do
//! without being asked. Whether it outlives the login is up to systemd-logind, and to the control
//! group sshd put the login into. Moving it into a service of the user's manager would make it worse
//! where it is good, since that goes at the last logout: it is done only where a login's end would be
//! the session's.

use std::path::PathBuf;

use outlast_protocol::durability::Durability;
use outlast_protocol::finding::{Finding, Verdict};
use outlast_rendezvous::machine::user_name;

use super::logind::{Killing, Logind};

const LAYER: &str = "durability";

/// What a process outlives, why, and what would change that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime {
    pub(crate) class: Durability,
    pub(crate) why: String,
    pub(crate) hint: String,
}

impl Lifetime {
    /// Of this process and what it starts.
    pub(crate) fn here() -> Self {
        let group = group();
        classify(
            &group,
            &Logind::ask(&user_name(), is_login(&group)),
            &user_name(),
        )
    }
}

fn verdict(class: Durability) -> Verdict {
    match class {
        Durability::Boot => Verdict::Good,
        Durability::LastLogout | Durability::Unknown => Verdict::Doubtful,
        Durability::Connection => Verdict::Bad,
    }
}

pub(super) fn examine() -> Finding {
    let here = Lifetime::here();
    let user = user_name();
    let manager = has_manager().then(|| Logind::ask(&user, false).lingers);
    judge(&group(), &of_session(here, manager, &user))
}

/// Whether the user's own systemd can be asked to start something.
fn has_manager() -> bool {
    let named = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let usual = || format!("/run/user/{}", rustix::process::getuid().as_raw()).into();
    let directory: PathBuf = named.unwrap_or_else(usual);
    directory.join("systemd/private").exists()
}

/// Of a session: where it would end with its login, it is started by the user's manager, if there is
/// one, which may linger.
fn of_session(here: Lifetime, manager: Option<bool>, user: &str) -> Lifetime {
    let Some(lingers) = manager.filter(|_| here.class == Durability::Connection) else {
        return here;
    };
    let why = format!(
        "{}; so sessions are services of the user's own manager",
        here.why
    );
    match lingers {
        true => lifetime(
            Durability::Boot,
            &format!("{why}, which lingers"),
            String::new(),
        ),
        false => lifetime(
            Durability::LastLogout,
            &format!("{why}, which ends at the last logout"),
            format!("loginctl enable-linger {user}"),
        ),
    }
}

/// The control group of this process.
fn group() -> String {
    own_group(&std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default())
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

fn judge(group: &str, lifetime: &Lifetime) -> Finding {
    let Lifetime { class, why, hint } = lifetime;
    Finding::new(LAYER, verdict(*class), format!("{class}: {why}"))
        .hint(hint)
        .value("class", class)
        .value("control_group", group)
}

/// Whether a unit in the path of a control group is called so.
fn has_unit(group: &str, prefix: &str, suffix: &str) -> bool {
    let mut units = group.split('/');
    units.any(|unit| unit.starts_with(prefix) && unit.ends_with(suffix))
}

/// Whether it is that of a login session of logind's.
fn is_login(group: &str) -> bool {
    !has_unit(group, "user@", ".service") && has_unit(group, "session-", ".scope")
}

fn classify(group: &str, logind: &Logind, user: &str) -> Lifetime {
    if !logind.systemd {
        let text = "without systemd nothing ends what a login leaves running";
        return lifetime(Durability::Boot, text, String::new());
    }
    if has_unit(group, "user@", ".service") {
        return if logind.lingers {
            let text = "it runs in the user's own manager, which lingers";
            lifetime(Durability::Boot, text, String::new())
        } else {
            let text = "it runs in the user's own manager, which ends at the last logout";
            lifetime(
                Durability::LastLogout,
                text,
                format!("loginctl enable-linger {user}"),
            )
        };
    }
    if is_login(group) {
        return of_login(logind, user);
    }
    // One service for each connection: it is stopped when that ends.
    if has_unit(group, "sshd@", ".service") || has_unit(group, "ssh@", ".service") {
        let text =
            "sshd is started for each connection, and what it leaves running is ended with it";
        let hint = "install libpam-systemd, or run sshd as one service (`systemctl disable --now ssh.socket; systemctl enable --now ssh.service`)";
        return lifetime(Durability::Connection, text, hint.into());
    }
    let text = "it is in no login session of systemd-logind, which therefore does not end it";
    lifetime(Durability::Boot, text, String::new())
}

/// In a login session of logind's.
fn of_login(logind: &Logind, user: &str) -> Lifetime {
    match logind.killing {
        Killing::Spares => {
            let text = "systemd-logind leaves running what a login leaves (KillUserProcesses=no)";
            lifetime(Durability::Boot, text, String::new())
        }
        Killing::Kills => {
            let text = "systemd-logind ends what a login leaves running (KillUserProcesses=yes)";
            let hint = format!(
                "write `[Login]` and `KillExcludeUsers=root {user}` to /etc/systemd/logind.conf.d/outlast.conf, then `systemctl restart systemd-logind`; lingering alone does not help"
            );
            lifetime(Durability::Connection, text, hint)
        }
        Killing::Unknown => {
            let text = "whether systemd-logind ends what a login leaves running (KillUserProcesses) cannot be told";
            let hint = "busctl get-property org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager KillUserProcesses";
            lifetime(Durability::Unknown, text, hint.into())
        }
    }
}

fn lifetime(class: Durability, why: &str, hint: String) -> Lifetime {
    Lifetime {
        class,
        why: why.to_owned(),
        hint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCOPE: &str = "/user.slice/user-1000.slice/session-3.scope";
    const MANAGER: &str = "/user.slice/user-1000.slice/user@1000.service/app.slice/x.service";

    fn class(group: &str, logind: &Logind) -> Durability {
        classify(group, logind, "ada").class
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
        assert_eq!(class(SCOPE, &with(Killing::Spares)), Durability::Boot);
        assert_eq!(class(SCOPE, &with(Killing::Kills)), Durability::Connection);
        assert_eq!(class(SCOPE, &with(Killing::Unknown)), Durability::Unknown);
        // Lingering keeps the user's manager, not the login's scope.
        let lingers = Logind {
            lingers: true,
            ..with(Killing::Kills)
        };
        assert_eq!(class(SCOPE, &lingers), Durability::Connection);
        let hint = classify(SCOPE, &lingers, "ada").hint;
        assert!(hint.contains("KillExcludeUsers=root ada"), "{hint}");
    }

    #[test]
    fn the_users_manager_needs_to_linger() {
        let spares = with(Killing::Spares);
        assert_eq!(class(MANAGER, &spares), Durability::LastLogout);
        let lingers = Logind {
            lingers: true,
            ..spares
        };
        assert_eq!(class(MANAGER, &lingers), Durability::Boot);
    }

    #[test]
    fn outside_of_logins_the_service_decides() {
        let kills = with(Killing::Kills);
        assert_eq!(class("/system.slice/ssh.service", &kills), Durability::Boot);
        let each = "/system.slice/system-sshd.slice/sshd@1-10.0.0.1:22.service";
        assert_eq!(class(each, &kills), Durability::Connection);
        let none = Logind {
            systemd: false,
            ..kills
        };
        assert_eq!(class(SCOPE, &none), Durability::Boot);
    }

    #[test]
    fn where_a_login_is_the_end_the_users_manager_is_the_way_out() {
        let kills = classify(SCOPE, &with(Killing::Kills), "ada");
        let of = |here: &Lifetime, manager| of_session(here.clone(), manager, "ada");
        assert_eq!(of(&kills, None), kills);
        assert_eq!(of(&kills, Some(true)).class, Durability::Boot);
        let short = of(&kills, Some(false));
        assert_eq!(short.class, Durability::LastLogout);
        assert_eq!(short.hint, "loginctl enable-linger ada");
        // Where nothing is to be gained, nothing is moved.
        let spares = classify(SCOPE, &with(Killing::Spares), "ada");
        assert_eq!(of(&spares, Some(false)), spares);
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
        let finding = judge(SCOPE, &classify(SCOPE, &with(Killing::Kills), "ada"));
        assert_eq!(finding.verdict, Verdict::Bad);
        assert!(finding.text.starts_with("connection: "), "{finding:?}");
        let class = ("class".to_owned(), "connection".to_owned());
        assert!(finding.values.contains(&class));
    }
}
