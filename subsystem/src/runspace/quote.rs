//! Bytes as literal words of a shell's language.

use super::error::StartError;

/// `bytes` in single quotes. There is no way to write a NUL byte: callers refuse it.
pub(crate) fn quote(bytes: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(bytes.len().saturating_add(2));
    quoted.push(b'\'');
    for &byte in bytes {
        match byte {
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            _ => quoted.push(byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

/// The words, each quoted, as a command has them.
pub(super) fn words(words: &[Vec<u8>]) -> Result<Vec<u8>, StartError> {
    if words.iter().flatten().any(|byte| *byte == 0) {
        return Err(StartError::Nul);
    }
    Ok(words
        .iter()
        .map(|word| quote(word))
        .collect::<Vec<_>>()
        .join(&b' '))
}

/// A command, which has at least one word.
pub(super) fn line(command: &[Vec<u8>]) -> Result<Vec<u8>, StartError> {
    if command.is_empty() {
        return Err(StartError::NoCommand);
    }
    words(command)
}

/// What the script is called, so that `$0` and error lines tell; safe as part of a file name.
pub(super) fn base_name(name: &[u8]) -> String {
    let name = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let safe = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_+,@".contains(byte) || *byte == b'.';
    name.iter()
        .filter(|byte| safe(byte))
        .take(64)
        .map(|byte| char::from(*byte))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn a_quote_is_closed_escaped_and_opened_again() {
        assert_eq!(quote(b"it's"), b"'it'\\''s'");
        assert_eq!(quote(b""), b"''");
    }
}
