//! Whether a script can meet an error that ends a script, and only a script.
//!
//! In `bash FILE`, an unset variable under `set -u` and `${x:?}` are the end; in an interactive
//! shell that sources the file they skip one command, like any other error in an expansion, and
//! nothing tells the two apart. So where they can occur the script is made one single command.
//! Elsewhere it is not: then bash reads it command by command, as it does a file, and an option
//! or an alias that one command sets is there when the next is read.

/// Errs on the side of the guard: what a sourced file or a function may do counts too.
pub(super) fn guards(script: &[u8]) -> bool {
    contains(script, b"nounset") || sets_u(script) || demands(script) || sources(script)
}

/// `set -eu`, `set -e -u`.
fn sets_u(script: &[u8]) -> bool {
    let lines = script.split(|byte| matches!(byte, b'\n' | b';' | b'&' | b'|'));
    let lines = lines.filter(|line| contains(line, b"set"));
    lines.into_iter().any(|line| {
        let mut words = words(line).skip_while(|word| !word.ends_with(b"set"));
        words.next().is_some()
            && words
                .take_while(|word| !word.starts_with(b"#"))
                .any(|word| word.first() == Some(&b'-') && word.contains(&b'u'))
    })
}

/// `${x?}`, `${x:?}`, `${x[i]:?}`.
fn demands(script: &[u8]) -> bool {
    let mut rest = script;
    while let Some(at) = find(rest, b"${") {
        rest = rest.get(at + 2..).unwrap_or_default();
        let name = rest
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || b"_!@*#[]\"$".contains(byte))
            .count();
        let behind = rest.get(name..).unwrap_or_default();
        if behind.starts_with(b"?") || behind.starts_with(b":?") {
            return true;
        }
    }
    false
}

/// `. FILE`, `source FILE`: functions may come from there that do either.
fn sources(script: &[u8]) -> bool {
    let commands = script.split(|byte| matches!(byte, b'\n' | b';' | b'&' | b'|' | b'(' | b'{'));
    let mut commands = commands.map(|command| words(command).collect::<Vec<_>>());
    commands.any(|words| {
        let mut words = words
            .iter()
            .copied()
            .skip_while(|word| BEFORE.contains(word));
        let word = words.next().unwrap_or_default();
        let word = word.strip_prefix(b"\\").unwrap_or(word);
        (word == b"." || word == b"source") && words.next().is_some()
    })
}

/// Words that a command may follow.
const BEFORE: [&[u8]; 7] = [
    b"then",
    b"else",
    b"do",
    b"!",
    b"builtin",
    b"\\builtin",
    b"command",
];

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let words = line.split(|byte| byte.is_ascii_whitespace());
    words.filter(|word| !word.is_empty())
}

pub(super) fn contains(text: &[u8], what: &[u8]) -> bool {
    find(text, what).is_some()
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_script_is_seen() {
        for script in [
            "set -u",
            "set -eu\necho",
            "  set -e -u # strict",
            "if x; then set -euo pipefail; fi",
            "set -o nounset",
            "shopt -so nounset",
            ": ${x:?}",
            "f() { cd \"${1?where}\"; }",
            ": ${list[0]:?none}",
            ". ./lib.sh",
            "x && . lib",
            "if x; then source lib; fi",
            "\\builtin . lib",
        ] {
            assert!(guards(script.as_bytes()), "{script}");
        }
    }

    #[test]
    fn what_does_not_is_not() {
        for script in [
            "",
            "set -e",
            "set -- -x",
            "set -e # but not -u",
            "echo ${x:-?} ${x%?} ${#x}",
            "case $x in a?) ;; esac",
            "cp a . ; ls .",
            "shopt -s extglob\ncase $x in @(a|b)) ;; esac",
            "echo $? ${PIPESTATUS[0]}",
            "unset -v x",
        ] {
            assert!(!guards(script.as_bytes()), "{script}");
        }
    }
}
