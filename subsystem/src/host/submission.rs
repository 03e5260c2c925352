//! Reading a submission's body.

use bytes::Bytes;
use outlast_protocol::limits::MAX_SCRIPT;
use outlast_protocol::link::Command as Kind;
use outlast_protocol::link::to_host::Submit;

use crate::runspace::Command;

/// The command a submission carries, or what is wrong with it.
pub(super) fn command(submit: &Submit, body: &Bytes) -> Result<Command, String> {
    if body.len() > MAX_SCRIPT {
        return Err(format!(
            "the script has {} bytes; the limit is {MAX_SCRIPT}",
            body.len()
        ));
    }
    let split = usize::try_from(submit.arguments_len).unwrap_or(usize::MAX);
    let Some((arguments, script)) = body.split_at_checked(split) else {
        return Err("the arguments are longer than the body".to_owned());
    };
    let arguments = arguments_of(arguments)?;
    Ok(match &submit.command {
        Kind::Script if arguments.is_empty() => Command::Script(script.to_vec()),
        Kind::Script => return Err("script text takes no arguments".to_owned()),
        Kind::File(name) => Command::File {
            name: name.as_bytes().to_vec(),
            script: script.to_vec(),
            args: arguments,
        },
        Kind::Argv if !script.is_empty() => {
            return Err("an argument vector takes no script".to_owned());
        }
        Kind::Argv if arguments.is_empty() => return Err("the argument vector is empty".to_owned()),
        Kind::Argv => Command::Argv(arguments),
        Kind::Visit => return Err("visits are not possible here".to_owned()),
    })
}

fn arguments_of(bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let Some((0, all)) = bytes.split_last().map(|(last, all)| (*last, all)) else {
        return Err("the last argument does not end".to_owned());
    };
    Ok(all.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_and_odd_arguments_come_through() {
        assert_eq!(arguments_of(b"").unwrap(), Vec::<Vec<u8>>::new());
        assert_eq!(arguments_of(b"\0").unwrap(), [b""]);
        assert_eq!(
            arguments_of(b"a b\0\0\xff\n\0").unwrap(),
            [&b"a b"[..], b"", b"\xff\n"]
        );
        assert!(arguments_of(b"unfinished").is_err());
    }
}
