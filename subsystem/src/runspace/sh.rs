//! The engine for a POSIX shell: dash or busybox ash, whichever `sh` is. What happens in the
//! shell is in `drivers/sh.sh`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::process::Signal;

use super::engine::{Engine, Job, Launch, Recall};
use super::error::StartError;
use super::loan;
use super::quote::{base_name, line, quote, words};
use super::spec::{Command, RunspaceSpec, StartSpec};

const DRIVER: &[u8] = include_bytes!("../../drivers/sh.sh");
const LOOP: &[u8] = include_bytes!("../../drivers/sh.loop.sh");

/// Of no use to anybody since power supplies do not signal.
const RECALL: Signal = Signal::POWER;

/// What the shell says outside of invocations is for nobody. It reads the driver as its standard
/// input, so that its loop is at top level and `$0`, which it cannot change later, is this.
const START: &str = "exec sh <\"$1\" >/dev/null 2>&1";

/// The files of the user's that an interactive login reads, at top level.
const OPENING: &[u8] = br#"
{
  [ ! -r /etc/profile ] || command . /etc/profile
  [ ! -r ~/.profile ] || command . ~/.profile
  if [ -n "${ENV-}" ]; then
    eval "__outlast_start=\"$ENV\""
    [ ! -r "$__outlast_start" ] || command . "$__outlast_start"
  fi
} <>/dev/tty >&0 2>&0
__outlast_enter 0
"#;

#[derive(Debug)]
pub(super) struct Sh;

impl Engine for Sh {
    fn name(&self) -> &'static str {
        "sh"
    }

    fn package(&self) -> &'static str {
        "dash"
    }

    fn login_shells(&self) -> &'static [&'static str] {
        &["sh", "dash", "ash"]
    }

    fn launch(&self, spec: &RunspaceSpec) -> Launch {
        let directory = spec.directory.as_os_str().as_bytes();
        let mut environment = spec.environment.clone();
        // Read by interactive shells, which it is for the user.
        let env = environment.iter().find(|(name, _)| name == "ENV");
        let env = env.map(|(_, value)| value.clone());
        environment.retain(|(name, _)| name != "ENV");
        let script = spec.directory.join("init").into_os_string();
        Launch {
            arguments: vec!["-c".into(), START.into(), "sh".into(), script],
            environment,
            files: vec![("init".to_owned(), init(directory, env))],
        }
    }

    /// It has no prompt of its own to be brought back from.
    fn reenter(&self) -> &'static [u8] {
        b""
    }

    fn recall(&self) -> Recall {
        Recall::Signal(RECALL)
    }

    fn job(&self, directory: &Path, start: &StartSpec, resume: bool) -> Result<Job, StartError> {
        let number = start.number;
        let script = format!("{number}.sh");
        let mut files = match &start.command {
            Command::Script(text) => vec![(script, resumed(text, resume))],
            Command::Argv(words) => vec![(script, resumed(&line(words)?, resume))],
            Command::File {
                script: text,
                args,
                name,
            } => {
                let file = format!("{number}-{}", base_name(name));
                let path = quote(directory.join(&file).as_os_str().as_bytes());
                let args = words(args)?;
                let call = [b"__outlast_call ", path.as_slice(), b" ", &args, b"\n"].concat();
                vec![(file, resumed(text, resume)), (script, call)]
            }
        };
        let lent = loan::reception(number, &start.environment)?;
        files.extend(lent.files);
        Ok(Job {
            files,
            flags: lent.flags,
            guards: false,
        })
    }
}

fn init(directory: &[u8], env: Option<OsString>) -> Vec<u8> {
    let mut init = b"set --\n__outlast_dir=".to_vec();
    init.extend(quote(directory));
    init.push(b'\n');
    init.extend_from_slice(DRIVER);
    init.extend_from_slice(b"__outlast_loop=");
    init.extend(quote(LOOP));
    init.push(b'\n');
    if let Some(env) = env {
        init.extend_from_slice(b"export ENV=");
        init.extend(quote(env.as_bytes()));
        init.push(b'\n');
    }
    init.extend_from_slice(OPENING);
    init.extend_from_slice(LOOP);
    init
}

/// The script, with the options on that the driver had to put off. On its first line, so that
/// the lines have their numbers.
fn resumed(script: &[u8], resume: bool) -> Vec<u8> {
    let resume: &[u8] = if resume {
        b"eval \"$__outlast_resume\"; "
    } else {
        b""
    };
    [resume, script, b"\n"].concat()
}
