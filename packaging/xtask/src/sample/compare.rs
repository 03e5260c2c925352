//! What is different between two runs.

use std::path::Path;

use super::sandbox::Run;

/// Names of what may differ, as the table of known differences has them.
pub(crate) const FIELDS: [&str; 3] = ["out", "err", "status"];

/// The fields that are not the same.
pub(crate) fn differing(plain: &Run, ours: &Run) -> Vec<&'static str> {
    let [out, err, status] = FIELDS;
    let mut fields = Vec::new();
    if plain.stdout != ours.stdout {
        fields.push(out);
    }
    if plain.stderr != ours.stderr {
        fields.push(err);
    }
    if plain.status != ours.status {
        fields.push(status);
    }
    fields
}

/// Whether all that differs is that plain bash says `FILE: line N: MESSAGE` where an interactive
/// one says `SCRIPT: MESSAGE`.
pub(crate) fn but_for_lines(plain: &Run, ours: &Run, script: &Path) -> bool {
    let same = |plain: &[u8], ours: &[u8]| {
        let (plain, ours) = (lines(plain), lines(ours));
        plain.len() == ours.len()
            && plain
                .iter()
                .zip(&ours)
                .all(|(plain, ours)| plain == ours || lineless(plain, ours, script))
    };
    plain.status == ours.status
        && same(&plain.stdout, &ours.stdout)
        && same(&plain.stderr, &ours.stderr)
}

/// Whether ours is all that plain bash says but for what an EXIT trap says at the end of it.
pub(crate) fn but_for_the_end(plain: &Run, ours: &Run, script: &Path) -> bool {
    let begins = |plain: &[u8], ours: &[u8]| {
        let (plain, ours) = (
            lines(plain),
            lines(ours.strip_suffix(b"\n").unwrap_or(ours)),
        );
        ours.as_slice() == [""]
            || plain.len() >= ours.len()
                && plain
                    .iter()
                    .zip(&ours)
                    .all(|(plain, ours)| plain == ours || lineless(plain, ours, script))
    };
    plain.status == ours.status
        && begins(&plain.stdout, &ours.stdout)
        && begins(&plain.stderr, &ours.stderr)
}

fn lines(text: &[u8]) -> Vec<String> {
    let lines = text.split(|byte| *byte == b'\n');
    lines
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect()
}

fn lineless(plain: &str, ours: &str, script: &Path) -> bool {
    // It goes by its base name there.
    let name = script.file_name().unwrap_or_default().to_string_lossy();
    let Some(message) = ours.strip_prefix(&format!("{name}: ")) else {
        return false;
    };
    let Some((file, rest)) = plain.split_once(": line ") else {
        return false;
    };
    let Some((number, said)) = rest.split_once(": ") else {
        return false;
    };
    !file.contains(' ') && number.bytes().all(|byte| byte.is_ascii_digit()) && said == message
}

/// The first lines that are not the same, in the manner of `diff`.
pub(crate) fn shown(plain: &Run, ours: &Run) -> Vec<String> {
    let mut shown = Vec::new();
    if plain.status != ours.status {
        shown.push(format!("status {} and {}", status(plain), status(ours)));
    }
    let [out, err, _] = FIELDS;
    for (name, plain, ours) in [
        (out, &plain.stdout, &ours.stdout),
        (err, &plain.stderr, &ours.stderr),
    ] {
        if plain != ours {
            shown.extend(first(name, &lines(plain), &lines(ours)));
        }
    }
    shown
}

fn status(run: &Run) -> String {
    run.status.map_or_else(
        || "none: killed after too long".to_owned(),
        |it| it.to_string(),
    )
}

/// Lines shown of either.
const SHOWN: usize = 4;

fn first(name: &str, plain: &[String], ours: &[String]) -> Vec<String> {
    let same = plain
        .iter()
        .zip(ours)
        .take_while(|(one, other)| one == other);
    let at = same.count();
    let mut shown = vec![format!("{name}, line {}", at.saturating_add(1))];
    for (mark, lines) in [('-', plain), ('+', ours)] {
        let some = lines.iter().skip(at).take(SHOWN);
        shown.extend(
            some.map(|line| format!("{mark} {}", line.chars().take(160).collect::<String>())),
        );
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(stderr: &str) -> Run {
        Run {
            stdout: Vec::new(),
            stderr: stderr.into(),
            status: Some(1),
        }
    }

    #[test]
    fn a_message_without_its_line_is_the_same_message() {
        let script = Path::new("./a.tests");
        let plain = said("./a.tests: line 12: cd: /no: No such file or directory\nmore\n");
        let ours = said("a.tests: cd: /no: No such file or directory\nmore\n");
        assert!(but_for_lines(&plain, &ours, script));
        assert_eq!(differing(&plain, &ours), ["err"]);
        for other in [
            "a.tests: cd: /no: Permission denied\nmore\n",
            "b.tests: cd: /no: No such file or directory\nmore\n",
            "a.tests: cd: /no: No such file or directory\n",
            "cd: /no: No such file or directory\nmore\n",
        ] {
            assert!(!but_for_lines(&plain, &said(other), script), "{other}");
        }
        let other = Run {
            status: Some(2),
            ..ours
        };
        assert!(!but_for_lines(&plain, &other, script));
    }

    #[test]
    fn what_only_the_end_says_may_be_missing() {
        let script = Path::new("./a.tests");
        let plain = said("./a.tests: line 12: cd: no\nbye\n");
        for (ours, may) in [
            ("a.tests: cd: no\n", true),
            ("", true),
            ("a.tests: cd: yes\n", false),
            ("bye\n", false),
            ("a.tests: cd: no\nbye\nmore\n", false),
        ] {
            assert_eq!(but_for_the_end(&plain, &said(ours), script), may, "{ours}");
        }
    }

    #[test]
    fn the_first_difference_is_shown() {
        let shown = shown(&said("same\none\n"), &said("same\nother\n"));
        assert_eq!(shown, ["err, line 2", "- one", "- ", "+ other", "+ "]);
    }
}
