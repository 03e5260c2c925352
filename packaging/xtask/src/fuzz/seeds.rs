//! What a target starts from: the golden messages, the malformed ones, and what once failed.

use std::fs;
use std::path::{Path, PathBuf};

use super::build::package;
use crate::cargo::root;
use crate::failure::{Context as _, Failure};

/// Bytes of a frame's length, which message targets do without.
const LENGTH: usize = 4;

/// Writes a target's seeds into `place`, where no others are left.
pub(crate) fn write(target: &str, place: &Path) -> Result<PathBuf, Failure> {
    let stale = fs::read_dir(place).context(&place.display().to_string())?;
    for entry in stale.flatten() {
        fs::remove_file(entry.path()).context("removing an old seed")?;
    }
    for file in hex_files(&package().join("seeds").join(target)) {
        put(place, &file, parse(&read(&file)?))?;
    }
    let tests = root().join("protocol/tests");
    for file in hex_files(&tests.join("vectors")) {
        if is_for(target, &name(&file)) {
            put(place, &file, frame(parse(&read(&file)?)))?;
        }
    }
    for file in hex_files(&tests.join("malformed")) {
        let text = read(&file)?;
        let decoder = text
            .lines()
            .find_map(|line| line.strip_prefix("# decoder: "));
        if decoder.is_some_and(|decoder| is_for(target, decoder)) {
            put(place, &file, frame(parse(&text)))?;
        }
    }
    Ok(place.to_owned())
}

/// Whether a direction's messages (`link.to-host`, and what may follow) are this target's.
fn is_for(target: &str, direction: &str) -> bool {
    let direction = direction.replace(['.', '-'], "_");
    let exact = direction == target || direction.starts_with(&format!("{target}_"));
    let prefixed = ["link", "control", "handover"]
        .iter()
        .any(|protocol| target.starts_with(protocol));
    prefixed && exact
}

fn frame(bytes: Vec<u8>) -> Vec<u8> {
    bytes.get(LENGTH..).unwrap_or_default().to_vec()
}

fn hex_files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .filter(|path| path.extension().is_some_and(|it| it == "hex"))
        .collect()
}

fn name(file: &Path) -> String {
    file.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn read(file: &Path) -> Result<String, Failure> {
    fs::read_to_string(file).context(&file.display().to_string())
}

fn put(place: &Path, file: &Path, bytes: Vec<u8>) -> Result<(), Failure> {
    let seed = place.join(name(file));
    fs::write(&seed, bytes).context(&seed.display().to_string())
}

/// The repository's form of bytes: hexadecimal digits, `#` to the end of a line for people, and
/// `repeat COUNT BYTES`.
fn parse(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let repeated = line
            .strip_prefix("repeat ")
            .and_then(|rest| rest.split_once(' '));
        let (count, unit) = match repeated {
            Some((count, unit)) => (count.parse().unwrap_or(1), unit),
            None => (1, line),
        };
        for _ in 0..count {
            bytes.extend(digits(unit));
        }
    }
    bytes
}

fn digits(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|c| c.to_digit(16))
        .filter_map(|digit| u8::try_from(digit).ok())
        .collect();
    let pairs = digits.chunks_exact(2);
    pairs
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_bytes() {
        assert_eq!(
            parse("# why\n00fF 1 2\nrepeat 2 ab\n"),
            [0, 0xff, 0x12, 0xab, 0xab]
        );
    }

    #[test]
    fn messages_go_to_the_target_that_reads_them() {
        assert!(is_for("link_to_host", "link.to-host.Submit-argv"));
        assert!(is_for("link_to_host", "link.to-host"));
        assert!(is_for("handover", "handover.to-relay.Status"));
        assert!(!is_for("link_to_host", "link.to-client.Ping"));
        assert!(!is_for("log", "link.to-client.Ping"));
    }

    #[test]
    fn every_message_target_has_seeds() {
        for target in [
            "link_to_host",
            "link_to_client",
            "control_to_mux",
            "control_to_cli",
            "handover",
        ] {
            let place = tempfile::tempdir().unwrap();
            write(target, place.path()).unwrap();
            assert!(fs::read_dir(place.path()).unwrap().count() > 5, "{target}");
        }
    }
}
