//! The scripts of this system.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::script::Script;

const PLACES: [&str; 7] = [
    "/etc",
    "/usr/bin",
    "/usr/lib",
    "/usr/libexec",
    "/usr/sbin",
    "/usr/share",
    "/var/lib/dpkg/info",
];
/// Deeper there are copies of whole other systems.
const DEPTH: usize = 5;

/// Each of them without arguments and with a question that many answer.
pub(crate) fn scripts() -> Vec<Script> {
    let mut paths = Vec::new();
    for place in PLACES {
        collect(Path::new(place), DEPTH, &mut paths);
    }
    paths.sort();
    let both = paths.into_iter().flat_map(|path| {
        [
            Script::of_the_system(path.clone(), &[]),
            Script::of_the_system(path, &["--help"]),
        ]
    });
    both.collect()
}

fn collect(directory: &Path, depth: usize, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let (path, kind) = (entry.path(), entry.file_type());
        match kind {
            Ok(kind) if kind.is_dir() && depth > 1 => collect(&path, depth - 1, paths),
            Ok(kind) if kind.is_file() && is_script(&path) => paths.push(path),
            _ => {}
        }
    }
}

/// By its first line, or by its name if it is a part of others.
fn is_script(path: &Path) -> bool {
    let mut start = [0; 64];
    let read = File::open(path).and_then(|mut file| file.read(&mut start));
    let start = start.get(..read.unwrap_or(0)).unwrap_or_default();
    let line = start
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    match line.strip_prefix("#!") {
        Some(words) => runs_a_shell(words),
        None => path.extension().is_some_and(|it| it == "sh") && !start.contains(&0),
    }
}

fn runs_a_shell(words: &str) -> bool {
    let mut names = words.split_whitespace().map(|word| word.rsplit('/').next());
    let first = names.next().flatten();
    let name = match first {
        Some("env") => names.next().flatten(),
        other => other,
    };
    matches!(name, Some("sh" | "bash" | "dash"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_are_known_by_their_names() {
        for words in [
            "/bin/sh",
            " /bin/bash -e",
            "/usr/bin/env bash",
            "/usr/bin/dash",
        ] {
            assert!(runs_a_shell(words), "{words}");
        }
        for words in ["/usr/bin/python3", "/usr/bin/env python3", "/bin/zsh", ""] {
            assert!(!runs_a_shell(words), "{words}");
        }
    }
}
