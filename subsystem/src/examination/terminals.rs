//! Pseudo-terminals: every session needs one.

use outlast_protocol::finding::{Finding, Verdict};
use rustix::pty::{OpenptFlags, grantpt, openpt, unlockpt};

const LAYER: &str = "terminal";

pub(super) fn examine() -> Finding {
    judge(open())
}

/// Opens one as a session would, and lets it go.
fn open() -> Result<(), String> {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).and_then(
        |terminal| {
            grantpt(&terminal)?;
            unlockpt(&terminal)
        },
    );
    terminal.map_err(|error| error.to_string())
}

fn judge(opened: Result<(), String>) -> Finding {
    match opened {
        Ok(()) => Finding::new(LAYER, Verdict::Good, "there are pseudo-terminals"),
        Err(error) => Finding::new(
            LAYER,
            Verdict::Bad,
            format!("no pseudo-terminal can be opened: {error}"),
        )
        .hint("is /dev/pts mounted, and below its limit (/proc/sys/kernel/pty/max)?"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_can_be_opened_here_and_the_lack_is_told() {
        assert_eq!(examine().verdict, Verdict::Good);
        let none = judge(Err("No space left on device".into()));
        assert_eq!(none.verdict, Verdict::Bad);
        assert!(none.text.contains("No space"), "{none:?}");
    }
}
