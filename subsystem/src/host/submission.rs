//! Reading a submission's body.

use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::id::ClientId;
use outlast_protocol::limits::MAX_SCRIPT;
use outlast_protocol::link::Command as Kind;
use outlast_protocol::link::to_host::Submit;

use super::invocations::Invocation;
use super::work::Work;
use crate::runspace::{Command, Environment};

/// What that client's submission asks for, or what is wrong with it.
pub(super) fn invocation(
    client: Option<ClientId>,
    submit: &Submit,
    body: &Bytes,
) -> Result<Invocation, String> {
    if body.len() > MAX_SCRIPT {
        return Err(too_long(body.len()));
    }
    let (environment, rest) =
        split(body, submit.environment_len).ok_or("the environment is longer than the body")?;
    let (arguments, script) =
        split(rest, submit.arguments_len).ok_or("the arguments are longer than the body")?;
    if submit.command == Kind::Visit && submit.timeout_ms.is_some() {
        return Err("a visit takes no timeout".to_owned());
    }
    Ok(Invocation {
        id: submit.invocation,
        client,
        work: work(&submit.command, words(arguments)?, script)?,
        stdin: submit.stdin,
        terminal: submit.terminal,
        environment: environment_of(words(environment)?)?,
        agent: client.filter(|_| submit.agent),
        timeout: submit.timeout_ms.map(Duration::from_millis),
        kill_after: submit.kill_after_ms.map(Duration::from_millis),
    })
}

pub(super) fn too_long(bytes: usize) -> String {
    format!("the script has {bytes} bytes; the limit is {MAX_SCRIPT}")
}

fn split(bytes: &[u8], at: u32) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(usize::try_from(at).unwrap_or(usize::MAX))
}

fn work(kind: &Kind, arguments: Vec<Vec<u8>>, script: &[u8]) -> Result<Work, String> {
    Ok(Work::Command(match kind {
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
        Kind::Visit if arguments.is_empty() && script.is_empty() => return Ok(Work::Visit),
        Kind::Visit => return Err("a visit takes no script".to_owned()),
    }))
}

fn environment_of(entries: Vec<Vec<u8>>) -> Result<Environment, String> {
    entries
        .into_iter()
        .map(|entry| {
            let at = entry
                .iter()
                .position(|byte| *byte == b'=')
                .filter(|at| *at > 0);
            let Some((name, value)) = at.and_then(|at| entry.split_at_checked(at)) else {
                let shown = String::from_utf8_lossy(&entry).into_owned();
                return Err(format!("{shown:?} is no environment entry"));
            };
            Ok((name.to_vec(), value.get(1..).unwrap_or_default().to_vec()))
        })
        .collect()
}

fn words(bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let Some((0, all)) = bytes.split_last().map(|(last, all)| (*last, all)) else {
        return Err("the last word does not end".to_owned());
    };
    Ok(all.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_and_odd_arguments_come_through() {
        assert_eq!(words(b"").unwrap(), Vec::<Vec<u8>>::new());
        assert_eq!(words(b"\0").unwrap(), [b""]);
        assert_eq!(
            words(b"a b\0\0\xff\n\0").unwrap(),
            [&b"a b"[..], b"", b"\xff\n"]
        );
        assert!(words(b"unfinished").is_err());
    }

    #[test]
    fn environment_entries_have_a_name() {
        let entries = |text: &[&[u8]]| environment_of(text.iter().map(|it| it.to_vec()).collect());
        let read = entries(&[b"A=b=c", b"E=", b"BASH_FUNC_f%%=() {  :\n}"]).unwrap();
        assert_eq!(read[0], (b"A".to_vec(), b"b=c".to_vec()));
        assert_eq!(read[1], (b"E".to_vec(), Vec::new()));
        assert_eq!(read[2].0, b"BASH_FUNC_f%%");
        assert!(entries(&[b"=x"]).is_err());
        assert!(entries(&[b"novalue"]).is_err());
    }
}
