//! What is said to the other computer: a command that any login shell takes, and the script, which
//! only a POSIX shell reads, on its standard input.

/// The script; `tests/install_script.rs` runs it by itself.
const INSTALL: &str = include_str!("install.sh");

/// The line behind which what the script says begins: start-up files may have printed before.
pub(super) const MARK: &str = "outlast-install begins";

/// For whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// For the user alone, in `~/.local/bin`.
    User,
    /// For everybody, by sshd's configuration.
    System,
}

/// What the script is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Say what is there.
    Check,
    /// Put the program in its place.
    Put,
    /// Take it away.
    Remove,
}

/// What the script needs to know.
#[derive(Clone, Debug)]
pub struct Script {
    pub verb: Verb,
    pub scope: Scope,
    /// Where the program is to be; empty for the usual place.
    pub directory: String,
    /// The SHA-256 of what is to be there, if it is not already.
    pub sha256: String,
    /// The main configuration file of sshd.
    pub sshd_config: String,
    /// What has sshd read it again; empty for what that system has.
    pub reload: String,
    /// Also away from under running sessions.
    pub force: bool,
    /// Change nothing.
    pub check: bool,
}

impl Script {
    /// For the login itself.
    #[must_use]
    pub fn plain(&self) -> String {
        format!("{}\n{INSTALL}", self.arguments())
    }

    /// As root by sudo, which reads a line with a password first if it needs one. What it has
    /// remembered of an earlier one does not count, so that the line is always read or never.
    #[must_use]
    pub fn by_sudo(&self) -> String {
        format!(
            "LC_ALL=C; export LC_ALL\nexec sudo -k -S -p '' -- sh -c {}",
            quote(&self.plain())
        )
    }

    fn arguments(&self) -> String {
        let yes = |it: bool| if it { "yes" } else { "no" };
        let verb = match self.verb {
            Verb::Check => "check",
            Verb::Put => "put",
            Verb::Remove => "remove",
        };
        let scope = match self.scope {
            Scope::User => "user",
            Scope::System => "system",
        };
        let words = [
            verb,
            scope,
            &self.directory,
            &self.sha256,
            &self.sshd_config,
            &self.reload,
            yes(self.force),
            yes(self.check),
        ];
        let quoted: Vec<_> = words.iter().map(|word| quote(word)).collect();
        format!("set -- {}", quoted.join(" "))
    }

    /// Finds out whether sudo is needed, and a password for it.
    #[must_use]
    pub fn asks_about_root() -> String {
        "LC_ALL=C; export LC_ALL\n\
         if [ \"$(id -u)\" = 0 ]; then echo sudo unneeded\n\
         elif ! command -v sudo >/dev/null; then echo sudo missing\n\
         elif sudo -k -n true 2>/dev/null; then echo sudo free\n\
         else echo sudo password; fi\n\
         echo user \"$(id -un)\"\n\
         echo result checked"
            .to_owned()
    }

    /// Tries the password on the line behind it.
    #[must_use]
    pub fn tries_password() -> String {
        "LC_ALL=C; export LC_ALL\n\
         sudo -k -S -p '' -- true && echo result checked"
            .to_owned()
    }
}

/// The command that reads so many bytes of script and leaves the rest of its input to it. It has
/// nothing in it that any shell reads in a way of its own, and says at once that it runs.
#[must_use]
pub fn command(script: &str) -> String {
    format!(
        "sh -c 'echo {MARK}; eval \"$(dd bs=1 count={} 2>/dev/null)\"'",
        script.len()
    )
}

/// One word of a POSIX shell, whatever is in it.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    fn run(shell: &str, script: &str, rest: &[u8]) -> String {
        let mut child = Command::new(shell)
            .args(["-c", &command(script)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(script.as_bytes()).unwrap();
        stdin.write_all(rest).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Every shell takes it, and not a byte of what follows the script is lost.
    #[test]
    fn what_follows_the_script_is_left_to_it() {
        let strange = "a'b \"c\" $d `e` \\f\n!g*h\u{e9}";
        let script = format!("set -- {}; printf '%s|' \"$1\"; cat", quote(strange));
        for shell in ["sh", "bash", "dash", "zsh"] {
            let output = run(shell, &script, b"the rest\n");
            assert_eq!(output, format!("{MARK}\n{strange}|the rest\n"), "{shell}");
        }
    }
}
