//! The engine for zsh. What happens in the shell is in `drivers/zsh.zsh`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::engine::{Engine, Job, Launch};
use super::error::StartError;
use super::quote::{base_name, line, quote, words};
use super::spec::{Command, RunspaceSpec};

const DRIVER: &[u8] = include_bytes!("../../drivers/zsh.zsh");

/// The user's own file of the place that zsh has just found ours in. The other files follow by
/// themselves.
const OPENING: &[u8] = br#"
if [[ -o rcs && -r ${ZDOTDIR:-$HOME}/.zshenv ]]; then
  builtin . "${ZDOTDIR:-$HOME}/.zshenv"
fi
"#;

#[derive(Debug)]
pub(super) struct Zsh;

impl Engine for Zsh {
    fn name(&self) -> &'static str {
        "zsh"
    }

    fn login_shells(&self) -> &'static [&'static str] {
        &["zsh", "rzsh", "zsh5"]
    }

    fn launch(&self, spec: &RunspaceSpec) -> Launch {
        let directory = spec.directory.as_os_str();
        let mut environment = spec.environment.clone();
        let wanted = environment.iter().find(|(name, _)| name == "ZDOTDIR");
        let wanted = wanted.map(|(_, value)| value.clone());
        environment.retain(|(name, _)| name != "ZDOTDIR");
        environment.push(("ZDOTDIR".into(), directory.to_owned()));
        Launch {
            arguments: ["-l", "-i"].map(OsString::from).to_vec(),
            environment,
            files: vec![(".zshenv".to_owned(), init(directory, wanted.as_deref()))],
        }
    }

    fn reenter(&self) -> &'static [u8] {
        b" \\__outlast_reenter\n"
    }

    fn job(
        &self,
        directory: &Path,
        number: u64,
        command: &Command,
        resume: bool,
    ) -> Result<Job, StartError> {
        let script = format!("{number}.zsh");
        match command {
            Command::Script(text) => Ok(Job {
                files: vec![(script, file(text, resume))],
                flags: "",
            }),
            Command::Argv(words) => Ok(Job {
                files: vec![(script, file(&line(words)?, resume))],
                flags: "",
            }),
            Command::File {
                script: text,
                args,
                name,
            } => {
                let script = format!("{number}-{}", base_name(name));
                let path = directory.join(&script);
                let arguments = [
                    b"__outlast_file=".as_slice(),
                    &quote(path.as_os_str().as_bytes()),
                    b"\n__outlast_words=(",
                    &words(args)?,
                    b")\n",
                ]
                .concat();
                Ok(Job {
                    files: vec![
                        (script, file(text, resume)),
                        (format!("{number}.args"), arguments),
                    ],
                    flags: "a",
                })
            }
        }
    }
}

/// The start-up file that brings the driver, and leaves nothing of its own place behind.
fn init(directory: &OsStr, wanted: Option<&OsStr>) -> Vec<u8> {
    let mut init = match wanted {
        Some(place) => [b"export ZDOTDIR=".as_slice(), &quote(place.as_bytes())].concat(),
        None => b"builtin unset ZDOTDIR".to_vec(),
    };
    init.extend_from_slice(b"\n__outlast_dir=");
    init.extend(quote(directory.as_bytes()));
    init.push(b'\n');
    init.extend_from_slice(DRIVER);
    init.extend_from_slice(OPENING);
    init
}

/// The script as a file to source, on the lines it has.
fn file(script: &[u8], resume: bool) -> Vec<u8> {
    let prefix: &[u8] = if resume {
        b"\\builtin eval \"$__outlast_resume\"; "
    } else {
        b""
    };
    [prefix, script, b"\n"].concat()
}
