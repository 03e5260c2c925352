//! What is to be run, as it is sent.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use bytes::Bytes;
use outlast_protocol::limits::MAX_SCRIPT;
use outlast_protocol::link::Command;

use super::args::InvokeArgs;
use super::error::Error;
use super::variables::entries;

/// A command: what it is, its arguments and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Submission {
    pub(super) command: Command,
    pub(super) environment_len: u32,
    pub(super) arguments_len: u32,
    pub(super) body: Bytes,
}

impl Submission {
    /// What the command line asks for.
    pub(super) fn of(args: &InvokeArgs) -> Result<Self, Error> {
        let own: Vec<_> = std::env::vars_os().collect();
        let environment = entries(&args.using, &args.env, &own)?;
        let new = |command, arguments: &[OsString], script: &[u8]| {
            Self::new(command, &environment, arguments, script)
        };
        match (&args.script, &args.file) {
            (Some(script), _) => new(Command::Script, &[], script.as_bytes()),
            (None, Some(path)) => {
                let name = path.to_string_lossy().into_owned();
                new(Command::File(name), &args.arguments, &read(path)?)
            }
            (None, None) if !args.arguments.is_empty() => new(Command::Argv, &args.arguments, &[]),
            (None, None) => Err(Error::usage(
                "there is nothing to run",
                "write 'SCRIPT', or -f FILE, or -- PROGRAM ARGUMENT…",
            )),
        }
    }

    fn new(
        command: Command,
        environment: &[u8],
        arguments: &[OsString],
        script: &[u8],
    ) -> Result<Self, Error> {
        let mut body = Vec::with_capacity(environment.len().saturating_add(script.len()));
        body.extend_from_slice(environment);
        for argument in arguments {
            body.extend_from_slice(argument.as_bytes());
            body.push(0);
        }
        let arguments_len = body.len().saturating_sub(environment.len());
        body.extend_from_slice(script);
        let too_long = Error::ScriptTooLong(body.len());
        match (
            u32::try_from(environment.len()),
            u32::try_from(arguments_len),
        ) {
            (Ok(environment_len), Ok(arguments_len)) if body.len() <= MAX_SCRIPT => Ok(Self {
                command,
                environment_len,
                arguments_len,
                body: body.into(),
            }),
            _ => Err(too_long),
        }
    }
}

/// One byte above the limit is enough to know that it is too long.
fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let limit = MAX_SCRIPT as u64 + 1;
    let mut script = Vec::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().lock().take(limit).read_to_end(&mut script)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut script))
    };
    read.map_err(|source| Error::Script {
        path: path.to_owned(),
        source,
    })?;
    Ok(script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_come_first_each_with_its_nul() {
        let arguments = ["a b", "", "c\n"].map(OsString::from);
        let made = Submission::new(Command::File("x".into()), b"A=b\0", &arguments, b"echo");
        let made = made.unwrap();
        assert_eq!(&made.body[..], b"A=b\0a b\0\0c\n\0echo");
        assert_eq!((made.environment_len, made.arguments_len), (4, 8));
    }

    #[test]
    fn the_limit_holds_for_both_together() {
        let error = Submission::new(
            Command::Argv,
            b"A=\0",
            &["x".into()],
            &vec![b'x'; MAX_SCRIPT - 4],
        );
        assert!(matches!(error, Err(Error::ScriptTooLong(_))));
    }
}
