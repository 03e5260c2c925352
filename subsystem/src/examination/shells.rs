//! The session configurations that can run here.

use outlast_protocol::finding::{Finding, Verdict};

use crate::host::standard;
use crate::runspace::Configuration;

const LAYER: &str = "shells";

pub(super) fn examine() -> Finding {
    let installed: Vec<_> = Configuration::all()
        .filter(|it| it.installed().is_some())
        .map(Configuration::name)
        .collect();
    judge(&installed, standard().map(Configuration::name))
}

fn judge(installed: &[&str], default: Option<&str>) -> Finding {
    let names = installed.join(", ");
    let Some(default) = default else {
        let all: Vec<_> = Configuration::all().map(Configuration::package).collect();
        return Finding::new(
            LAYER,
            Verdict::Bad,
            "none of the shells that a session can run is installed",
        )
        .hint(format!("install one of {}", all.join(", ")));
    };
    Finding::new(LAYER, Verdict::Good, format!("{names}; default {default}"))
        .value("configurations", names)
        .value("default", default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_any_shell_there_is_no_session() {
        let none = judge(&[], None);
        assert_eq!(none.verdict, Verdict::Bad);
        assert!(none.hint.contains("bash"), "{none:?}");
        let some = judge(&["bash", "sh"], Some("bash"));
        assert_eq!(some.verdict, Verdict::Good);
        assert_eq!(some.text, "bash, sh; default bash");
    }
}
