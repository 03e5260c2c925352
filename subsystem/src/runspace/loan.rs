//! What an invocation or a visitor is lent, in the words of a shell's driver.

use super::engine::Job;
use super::error::StartError;
use super::quote::quote;
use super::spec::Environment;

/// What a visitor's shell is lent, as the files of a job.
pub(super) fn reception(number: u64, environment: &Environment) -> Result<Job, StartError> {
    let lent = calls(environment)?;
    Ok(match lent.is_empty() {
        true => Job {
            files: Vec::new(),
            flags: "",
            guards: false,
        },
        false => Job {
            files: vec![(format!("{number}.args"), lent)],
            flags: "a",
            guards: false,
        },
    })
}

/// Calls of `__outlast_lend`.
pub(super) fn calls(environment: &Environment) -> Result<Vec<u8>, StartError> {
    let mut calls = Vec::new();
    for (name, value) in environment {
        if !is_name(name) {
            return Err(StartError::Name(String::from_utf8_lossy(name).into_owned()));
        }
        if value.contains(&0) {
            return Err(StartError::Nul);
        }
        calls.extend([b"__outlast_lend ", quote(name).as_slice(), b" "].concat());
        calls.extend(quote(value));
        calls.push(b'\n');
    }
    Ok(calls)
}

/// Whether it is a variable's name, or that of a function as bash exports it.
fn is_name(name: &[u8]) -> bool {
    let function = name
        .strip_prefix(b"BASH_FUNC_")
        .and_then(|name| name.strip_suffix(b"%%"));
    if let Some(function) = function {
        let odd = |byte: &u8| byte.is_ascii_whitespace() || b"$`\"'\\|&;()<>/=".contains(byte);
        return !function.is_empty() && !function.iter().any(odd);
    }
    let first = name.first().is_some_and(|byte| !byte.is_ascii_digit());
    first
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}
