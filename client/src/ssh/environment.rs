//! What the resolution of a configuration depends on besides files: given, never looked up, so that
//! tests are hermetic and the mux can resolve on behalf of the CLI's environment.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

#[derive(Clone)]
pub struct Environment {
    /// What `~` and `%d` stand for.
    pub home: PathBuf,
    /// Whether the home is the one of the user's account: `ssh` looks at no other.
    pub is_home_of_account: bool,
    /// What relative file names start from, and where programs are run.
    pub directory: PathBuf,
    /// The local user's name: `%u`, `Match localuser`, and the remote user unless another is set.
    pub user: String,
    /// `%i`
    pub uid: u32,
    /// `%l`; up to its first dot, `%L`.
    pub local_host: String,
    /// Usually `/etc/ssh/ssh_config`.
    pub system_config: PathBuf,
    /// Environment variables: `${NAME}` in values, `SSH_AUTH_SOCK`, `PATH`, `SHELL`.
    pub variables: BTreeMap<String, String>,
}

impl fmt::Debug for Environment {
    /// Without the variables: they hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("home", &self.home)
            .field("user", &self.user)
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let directory = std::env::current_dir();
        Self::of_caller(variables, directory.unwrap_or_else(|_| "/".into()))
    }

    /// The environment of a program of the same user that has these variables.
    pub fn of_caller(variables: BTreeMap<String, String>, directory: PathBuf) -> Self {
        let uid = rustix::process::getuid().as_raw();
        let account = Account::of(uid);
        let named = || {
            variables
                .get("LOGNAME")
                .or_else(|| variables.get("USER"))
                .cloned()
        };
        let user = account
            .as_ref()
            .map(|account| account.name.clone())
            .or_else(named);
        let home = variables
            .get("HOME")
            .filter(|home| !home.is_empty())
            .map(PathBuf::from);
        let of_account = account.map(|account| account.home);
        Self {
            is_home_of_account: home.is_none() || home == of_account,
            home: home.or(of_account).unwrap_or_else(|| "/".into()),
            directory,
            user: user.unwrap_or_else(|| uid.to_string()),
            uid,
            local_host: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            system_config: "/etc/ssh/ssh_config".into(),
            variables,
        }
    }

    /// The home of another user of this computer.
    pub(super) fn home_of(user: &str) -> Option<PathBuf> {
        let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
        let mut accounts = passwd.lines().filter_map(Account::parse);
        accounts
            .find(|(_, account)| account.name == user)
            .map(|(_, account)| account.home)
    }

    /// The shell that runs what a configuration says.
    pub(super) fn shell(&self) -> &str {
        self.variable("SHELL").unwrap_or("/bin/sh")
    }

    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// The file behind `name` on this environment's `PATH`.
    pub(super) fn program(&self, name: &str) -> Option<PathBuf> {
        let path = self.variable("PATH")?;
        std::env::split_paths(path)
            .map(|dir| dir.join(name))
            .find(|file| file.is_file())
    }
}

/// The line of `/etc/passwd`: where the account is elsewhere (LDAP), the variables are believed.
struct Account {
    name: String,
    home: PathBuf,
}

impl Account {
    fn of(uid: u32) -> Option<Self> {
        let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
        let mut accounts = passwd.lines().filter_map(Self::parse);
        accounts
            .find(|(its, _)| *its == uid)
            .map(|(_, account)| account)
    }

    fn parse(line: &str) -> Option<(u32, Self)> {
        let mut fields = line.split(':');
        let (name, uid, home) = (fields.next()?, fields.nth(1)?, fields.nth(2)?);
        let account = Self {
            name: name.to_owned(),
            home: PathBuf::from(home),
        };
        Some((uid.parse().ok()?, account))
    }
}
