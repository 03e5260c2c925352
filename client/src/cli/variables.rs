//! Variables and functions that a command gets for itself alone.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use super::error::Error;

/// The environment entries of `--using` and `--env`, each ended by a NUL byte, in that order: what
/// is written out counts more than what is taken along. `own` is our environment.
pub(super) fn entries(
    using: &[OsString],
    env: &[OsString],
    own: &[(OsString, OsString)],
) -> Result<Vec<u8>, Error> {
    let mut entries = Vec::new();
    for name in using {
        let (name, value) = find(name, own)?;
        push(&mut entries, name.as_bytes(), value.as_bytes());
    }
    for entry in env {
        let bytes = entry.as_bytes();
        let equals = bytes.iter().position(|byte| *byte == b'=');
        let (name, value) = match equals.and_then(|at| bytes.split_at_checked(at)) {
            Some((name, [_, value @ ..])) if is_name(name) => (name, value),
            _ => {
                return Err(Error::usage(
                    format!("`--env {}` sets nothing", entry.to_string_lossy()),
                    "write --env NAME=VALUE, the name of letters, digits and _",
                ));
            }
        };
        push(&mut entries, name, value);
    }
    Ok(entries)
}

fn push(entries: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    entries.extend_from_slice(name);
    entries.push(b'=');
    entries.extend_from_slice(value);
    entries.push(0);
}

/// The variable of that name, or else the function, which bash exports under a name of its own.
fn find<'a>(
    name: &OsStr,
    own: &'a [(OsString, OsString)],
) -> Result<(&'a OsStr, &'a OsStr), Error> {
    let function = [b"BASH_FUNC_", name.as_bytes(), b"%%"].concat();
    let named = |wanted: &[u8]| own.iter().find(|(name, _)| name.as_bytes() == wanted);
    let variable = named(name.as_bytes()).filter(|_| is_name(name.as_bytes()));
    match variable.or_else(|| named(&function)) {
        Some((name, value)) => Ok((name, value)),
        None => Err(Error::usage(
            format!(
                "there is no variable or function `{}` in the environment here",
                name.to_string_lossy()
            ),
            "`export NAME` or, in bash, `export -f FUNCTION` puts it there",
        )),
    }
}

fn is_name(name: &[u8]) -> bool {
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    name.iter().all(letter) && name.first().is_some_and(|byte| !byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn os(bytes: &[u8]) -> OsString {
        OsString::from_vec(bytes.to_vec())
    }

    fn made(using: &[&str], env: &[&[u8]]) -> Result<Vec<u8>, String> {
        let own = [
            (os(b"PATH"), os(b"/bin")),
            (os(b"BYTES"), os(b"\xff\n'\"$x")),
            (os(b"BASH_FUNC_greet%%"), os(b"() {  echo hi\n}")),
        ];
        let using: Vec<_> = using.iter().map(OsString::from).collect();
        let env: Vec<_> = env.iter().map(|entry| os(entry)).collect();
        entries(&using, &env, &own).map_err(|error| error.to_string())
    }

    #[test]
    fn every_byte_goes_along() {
        assert_eq!(
            made(&["BYTES", "greet"], &[b"A=", b"B=x=\xfe\n"]),
            Ok(b"BYTES=\xff\n'\"$x\0BASH_FUNC_greet%%=() {  echo hi\n}\0A=\0B=x=\xfe\n\0".to_vec())
        );
        assert_eq!(made(&[], &[]), Ok(vec![]));
    }

    #[test]
    fn what_is_not_there_and_what_is_no_name_is_refused() {
        for (using, env) in [
            (&["ABSENT"][..], &[][..]),
            (&["BASH_FUNC_greet%%"], &[]),
            (&[""], &[]),
            (&[], &[&b"A"[..]]),
            (&[], &[b"=x"]),
            (&[], &[b"1A=x"]),
            (&[], &[b"A B=x"]),
        ] {
            let error = made(using, env).unwrap_err();
            if let Some(name) = using.first() {
                assert!(error.contains(&format!("`{name}`")), "{error}");
            }
        }
    }
}
