//! What the resolution of a configuration depends on besides files: given, never looked up, so that
//! tests are hermetic and the mux can resolve on behalf of the CLI's environment.

use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Clone, Debug)]
pub struct Environment {
    /// What `~` and `%d` stand for.
    pub home: PathBuf,
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

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        let variables: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
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
        Self {
            home: home
                .or(account.map(|account| account.home))
                .unwrap_or_else(|| "/".into()),
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
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            let (name, its_uid, home) = (fields.next()?, fields.nth(1)?, fields.nth(2)?);
            (its_uid.parse() == Ok(uid)).then(|| Self {
                name: name.to_owned(),
                home: PathBuf::from(home),
            })
        })
    }
}
