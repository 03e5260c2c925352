//! Which session configuration a client gets: the one it names, or that of the login shell.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use outlast_protocol::link::refusal::{RefusalCode, Refused};

use super::CREATE;
use crate::refuse::{Explain, refused};
use crate::runspace::Configuration;

/// The configuration called `name`, or the default if that is empty.
pub(super) fn configuration(name: &str) -> Result<Configuration, Refused> {
    if name.is_empty() {
        return standard().ok_or_else(|| {
            let known = names(Configuration::all());
            refused(
                CREATE,
                RefusalCode::OPEN_FAILED,
                "none of the shells that a session can run is installed here",
            )
            .hint(format!("any of these will do: {known}"))
        });
    }
    Configuration::named(name).ok_or_else(|| {
        let known = names(Configuration::all());
        let installed = names(Configuration::all().filter(|it| it.installed().is_some()));
        refused(
            CREATE,
            RefusalCode::UNKNOWN_CONFIGURATION,
            format!("there is no session configuration named {name:?} here"),
        )
        .hint(format!("known here: {known}; installed: {installed}"))
    })
}

/// What a client gets that names no configuration.
pub(crate) fn standard() -> Option<Configuration> {
    default(login_shell())
}

/// The login shell if it is one of ours, else the first of ours that is there.
fn default(login_shell: Option<PathBuf>) -> Option<Configuration> {
    login_shell
        .and_then(|path| Configuration::of_login_shell(&path))
        .filter(|it| it.installed().is_some())
        .or_else(|| Configuration::all().find(|it| it.installed().is_some()))
}

/// What sshd took from the account's entry and put into the environment; else the entry itself.
fn login_shell() -> Option<PathBuf> {
    let told = std::env::var_os("SHELL").map(PathBuf::from);
    told.filter(|path| path.is_absolute()).or_else(looked_up)
}

/// From the account database, wherever it is kept.
fn looked_up() -> Option<PathBuf> {
    let uid = rustix::process::getuid().as_raw().to_string();
    let mut getent = Command::new("getent");
    let getent = getent.args(["passwd", &uid]).stdin(Stdio::null());
    shell_of(&getent.stderr(Stdio::null()).output().ok()?.stdout)
}

/// The last field of the first line.
fn shell_of(entry: &[u8]) -> Option<PathBuf> {
    let line = entry.split(|byte| *byte == b'\n').next()?;
    let shell = line.split(|byte| *byte == b':').nth(6)?;
    Some(PathBuf::from(OsString::from_vec(shell.to_vec()))).filter(|path| path.is_absolute())
}

fn names(configurations: impl Iterator<Item = Configuration>) -> String {
    let names: Vec<_> = configurations.map(Configuration::name).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{configuration, default, looked_up, shell_of};
    use crate::runspace::Configuration;

    fn chosen(login_shell: Option<&str>) -> &'static str {
        default(login_shell.map(PathBuf::from)).unwrap().name()
    }

    #[test]
    fn the_default_is_the_login_shell_and_bash_where_that_is_unknown() {
        assert_eq!(chosen(Some("/usr/bin/bash")), "bash");
        // Python is nobody's login shell.
        let shells = Configuration::all().filter(|it| it.name() != "python");
        for it in shells.filter(|it| it.installed().is_some()) {
            assert_eq!(
                chosen(Some(&format!("/opt/odd place/{}", it.name()))),
                it.name()
            );
        }
        for (path, name) in [
            ("/bin/rbash", "bash"),
            ("/bin/sh", "sh"),
            ("/bin/dash", "sh"),
            ("/bin/ash", "sh"),
        ] {
            assert_eq!(chosen(Some(path)), name, "{path}");
        }
        for unknown in [
            "/bin/mksh",
            "/bin/ksh93",
            "/usr/bin/fish",
            "/usr/sbin/nologin",
            "/",
            "",
        ] {
            assert_eq!(chosen(Some(unknown)), "bash", "{unknown:?}");
        }
        assert_eq!(chosen(None), "bash");
    }

    #[test]
    fn an_entry_of_the_account_database_is_understood() {
        let shell = |entry: &str| shell_of(entry.as_bytes());
        let entry = "a:x:1000:1000:A, B:/home/a:/bin/zsh\n";
        assert_eq!(shell(entry), Some(PathBuf::from("/bin/zsh")));
        assert_eq!(shell("a:x:1000:1000::/home/a:\n"), None);
        assert_eq!(shell(""), None);
        let own = looked_up().unwrap();
        assert!(own.is_absolute(), "{}", own.display());
    }

    #[test]
    fn an_unknown_name_is_refused_with_those_that_are_known() {
        let refused = configuration("fish9").unwrap_err();
        let said = format!("{refused:?}");
        assert!(said.contains("fish9"), "{said}");
        assert!(said.contains("known here: bash"), "{said}");
        assert!(said.contains("installed: bash"), "{said}");
    }
}
