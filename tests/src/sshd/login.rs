//! Logging in by what a person knows: sshd's own passwords, or PAM's questions.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::account::Account;

/// How the account of the tests is let in, besides its key.
#[derive(Clone)]
pub(super) struct Login {
    password: String,
    /// The secret of one-time codes that are asked for behind the password, in base32.
    secret: Option<String>,
}

impl Login {
    pub(super) fn by_password(password: &str) -> Self {
        Self {
            password: password.to_owned(),
            secret: None,
        }
    }

    pub(super) fn in_two_steps(password: &str, secret: &str) -> Self {
        Self {
            password: password.to_owned(),
            secret: Some(secret.to_owned()),
        }
    }

    /// Lines of sshd's configuration.
    pub(super) fn lines(&self) -> [&'static str; 2] {
        match self.secret {
            None => ["PasswordAuthentication yes", "UsePAM no"],
            Some(_) => ["KbdInteractiveAuthentication yes", "UsePAM yes"],
        }
    }

    /// Files that have it so, and the places that they are to be mounted on.
    pub(super) fn files(&self, directory: &Path) -> Vec<(PathBuf, PathBuf)> {
        let shadow = PathBuf::from("/etc/shadow");
        let text = fs::read_to_string(&shadow).unwrap();
        let own = Account::current().name;
        let others = text
            .lines()
            .filter(|line| !line.starts_with(&format!("{own}:")));
        let mut text: String = others.map(|line| format!("{line}\n")).collect();
        text.push_str(&format!(
            "{own}:{}:19000:0:99999:7:::\n",
            crypt(&self.password)
        ));
        let mut mounts = vec![(write(directory, "shadow", &text), shadow)];
        if let Some(secret) = &self.secret {
            let codes = write(directory, "codes", &format!("{secret}\n\" TOTP_AUTH\n"));
            let rules = format!(
                "auth required pam_unix.so nodelay\n\
                 auth required pam_google_authenticator.so user={own} secret={}\n\
                 account required pam_permit.so\n\
                 session required pam_permit.so\n",
                codes.display()
            );
            mounts.push((
                write(directory, "pam", &rules),
                PathBuf::from("/etc/pam.d/sshd"),
            ));
        }
        mounts
    }
}

/// What `/etc/shadow` has for that password.
fn crypt(password: &str) -> String {
    let mut openssl = Command::new("openssl")
        .args(["passwd", "-6", "-stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl: run `cargo xtask test`");
    let mut input = openssl.stdin.take().expect("piped above");
    writeln!(input, "{password}").unwrap();
    drop(input);
    let output = openssl.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl passwd");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}
