//! What an invocation is to do.

use crate::runspace::Command;

/// Words about a command are cut behind so many characters.
const LONGEST: usize = 100;

/// What is to be done.
#[derive(Debug)]
pub(super) enum Work {
    /// Run this.
    Command(Command),
    /// Let somebody use the shell's own prompt.
    Visit,
}

impl Work {
    /// What it is, for people: one line.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Visit => "enter".to_owned(),
            Self::Command(Command::Script(script)) => {
                let lines = script.split(|byte| *byte == b'\n');
                let mut lines = lines
                    .map(<[u8]>::trim_ascii)
                    .filter(|line| !line.is_empty());
                let first = lines.next().unwrap_or_default();
                shown(first, lines.next().is_some())
            }
            Self::Command(Command::File { args, name, .. }) => {
                let words: Vec<&[u8]> = std::iter::once(name.as_slice())
                    .chain(args.iter().map(Vec::as_slice))
                    .collect();
                shown(&words.join(&b' '), false)
            }
            Self::Command(Command::Argv(words)) => shown(&words.join(&b' '), false),
        }
    }

    /// Bytes that it takes while it waits.
    pub(super) fn size(&self) -> usize {
        let sum = |words: &[Vec<u8>]| words.iter().map(Vec::len).sum::<usize>();
        match self {
            Self::Visit => 0,
            Self::Command(Command::Script(script)) => script.len(),
            Self::Command(Command::File { script, args, .. }) => {
                script.len().saturating_add(sum(args))
            }
            Self::Command(Command::Argv(words)) => sum(words),
        }
    }
}

/// Text that a terminal shows as it is.
fn shown(bytes: &[u8], more: bool) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut characters = text
        .chars()
        .map(|it| if it.is_control() { ' ' } else { it });
    let mut line: String = characters.by_ref().take(LONGEST).collect();
    if more || characters.next().is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_one_harmless_line() {
        let script = |text: &str| Work::Command(Command::Script(text.into())).words();
        assert_eq!(script("\n  make all  \n"), "make all");
        assert_eq!(script("cd /srv\nmake"), "cd /srv…");
        assert_eq!(script("printf '\x1b[2J'"), "printf ' [2J'");
        assert_eq!(script(&"x".repeat(101)), format!("{}…", "x".repeat(100)));
        let argv = Command::Argv(vec![b"ls".to_vec(), b"-l".to_vec()]);
        assert_eq!(Work::Command(argv).words(), "ls -l");
    }
}
