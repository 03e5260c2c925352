//! The form in which bytes are kept in this directory: hexadecimal digits with blanks and line
//! breaks anywhere, `#` to the end of a line for people, and `repeat COUNT BYTES` for noise.

use std::path::{Path, PathBuf};

/// A folder beside the test files.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(name)
}

/// The bytes a text stands for.
pub fn parse(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some(rest) = line.strip_prefix("repeat ") {
            let (count, unit) = rest.split_once(' ').expect("repeat COUNT BYTES");
            let unit = digits(unit);
            for _ in 0..count.parse::<usize>().expect("a count") {
                bytes.extend_from_slice(&unit);
            }
        } else {
            bytes.extend(digits(line));
        }
    }
    bytes
}

fn digits(text: &str) -> Vec<u8> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    assert!(text.len().is_multiple_of(2), "odd number of digits: {text}");
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal digits"))
        .collect()
}

/// The text form of `bytes`, 32 to a line.
pub fn format(bytes: &[u8]) -> String {
    let mut text = String::new();
    for line in bytes.chunks(32) {
        for byte in line {
            text.push_str(&format!("{byte:02x}"));
        }
        text.push('\n');
    }
    text
}

/// Name and content of every `.hex` file of a folder, in the order of their names.
pub fn files(name: &str) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = std::fs::read_dir(folder(name))
        .expect("the folder exists")
        .map(|entry| entry.expect("a readable entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "hex"))
        .map(|path| {
            let stem = path
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            (
                stem,
                std::fs::read_to_string(&path).expect("a readable file"),
            )
        })
        .collect();
    files.sort();
    files
}
