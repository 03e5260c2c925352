//! The account the tests run as, which is also the account they log in to.

use std::path::PathBuf;

/// One line of the password database.
pub struct Account {
    pub name: String,
    pub home: PathBuf,
    pub shell: PathBuf,
}

impl Account {
    pub fn current() -> Self {
        let uid = rustix::process::getuid().as_raw().to_string();
        let output = std::process::Command::new("getent")
            .args(["passwd", &uid])
            .output()
            .expect("getent is part of the C library's tools");
        let line = String::from_utf8(output.stdout).expect("the password database is UTF-8");
        let fields: Vec<&str> = line.trim_end().split(':').collect();
        let [name, _, _, _, _, home, shell] = fields[..] else {
            panic!("`getent passwd {uid}` said {line:?}: these tests need a real account");
        };
        Self {
            name: name.to_owned(),
            home: home.into(),
            shell: shell.into(),
        }
    }
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
