//! The account: its home directory.

use std::path::Path;

use outlast_protocol::finding::{Finding, Verdict};
use outlast_rendezvous::machine::{host_name, user_name};
use rustix::fs::{Access, access};

const LAYER: &str = "account";

pub(super) fn examine() -> Finding {
    let home = std::env::var_os("HOME").unwrap_or_default();
    judge(&user_name(), Path::new(&home))
}

fn judge(user: &str, home: &Path) -> Finding {
    let finding = |verdict, text: String| {
        Finding::new(LAYER, verdict, text)
            .value("user", user)
            .value("host", host_name())
            .value("home", home.display())
    };
    let shown = home.display();
    if home.as_os_str().is_empty() {
        return finding(Verdict::Doubtful, format!("{user} has no home directory"))
            .hint("sessions are kept in /var/tmp and begin in /");
    }
    if !home.is_dir() {
        return finding(
            Verdict::Doubtful,
            format!("the home directory {shown} of {user} is not there"),
        )
        .hint("sessions are kept in /var/tmp and begin in /");
    }
    if let Err(error) = access(home, Access::WRITE_OK) {
        return finding(
            Verdict::Doubtful,
            format!("the home directory {shown} of {user} cannot be written to: {error}"),
        )
        .hint("sessions are kept in /var/tmp; the shell's history will not be");
    }
    finding(Verdict::Good, format!("{user}, at home in {shown}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_that_lacks_is_named() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(judge("ada", home.path()).verdict, Verdict::Good);
        let lacking = judge("ada", &home.path().join("gone"));
        assert_eq!(lacking.verdict, Verdict::Doubtful);
        assert!(lacking.text.contains("gone"), "{lacking:?}");
        assert_eq!(judge("ada", Path::new("")).verdict, Verdict::Doubtful);
    }
}
