//! The engine for bash. What happens in the shell is in `drivers/bash.sh`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::engine::{Engine, Job, Launch};
use super::error::StartError;
use super::quote::{base_name, line, quote, words};
use super::spec::{Command, RunspaceSpec};

const DRIVER: &[u8] = include_bytes!("../../drivers/bash.sh");

/// The files of the user's that an interactive login reads, at top level. A rescued shell
/// reads its state instead. PROMPT_COMMAND is ours throughout, so that the driver also comes
/// to life when one of the files is thrown back to top level. The history is not read: there is
/// nobody to recall it before a prompt is shown.
const OPENING: &[u8] = br#"
if [[ -n $__outlast_rescued ]]; then
  \builtin eval "$__outlast_restore"
else
  PROMPT_COMMAND=$__outlast_prompt
  [[ ! -r /etc/profile ]] || \builtin . /etc/profile
  for __outlast_file in ~/.bash_profile ~/.bash_login ~/.profile; do
    if [[ -r $__outlast_file ]]; then \builtin . "$__outlast_file"; \builtin break; fi
  done
fi
"#;

#[derive(Debug)]
pub(super) struct Bash;

impl Engine for Bash {
    fn name(&self) -> &'static str {
        "bash"
    }

    fn login_shells(&self) -> &'static [&'static str] {
        &["bash", "rbash"]
    }

    fn launch(&self, spec: &RunspaceSpec) -> Launch {
        let directory = spec.directory.as_os_str().as_bytes();
        let boot = boot(directory);
        let mut environment = spec.environment.clone();
        let histfile = environment.iter().find(|(name, _)| name == "HISTFILE");
        let histfile = histfile.map(|(_, value)| value.clone());
        environment.retain(|(name, _)| name != "HISTFILE" && name != "PROMPT_COMMAND");
        // bash truncates the file in HISTFILE to 500 lines before it has read the user's
        // HISTFILESIZE, unless it looks at another file meanwhile.
        let history = spec.directory.join("history").into_os_string();
        environment.push(("HISTFILE".into(), history));
        environment.push(("PROMPT_COMMAND".into(), OsStr::from_bytes(&boot).to_owned()));
        Launch {
            arguments: ["--noprofile", "--login", "-i"]
                .map(OsString::from)
                .to_vec(),
            environment,
            files: vec![("init".to_owned(), init(directory, &boot, histfile))],
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
        let script = format!("{number}.sh");
        match command {
            Command::Script(text) => Ok(Job {
                files: vec![(script, group(text, resume))],
                flags: "",
            }),
            Command::Argv(words) => {
                let line = line(words)?;
                Ok(Job {
                    files: vec![(script, group(&line, resume))],
                    flags: "",
                })
            }
            Command::File {
                script: text,
                args,
                name,
            } => {
                let file = format!("{number}-{}", base_name(name));
                let mut path = directory.as_os_str().as_bytes().to_vec();
                path.extend_from_slice(b"/");
                path.extend_from_slice(file.as_bytes());
                let path = quote(&path);
                let arguments = [
                    b"__outlast_file=".as_slice(),
                    path.as_slice(),
                    b"\n__outlast_words=(",
                    &words(args)?,
                    b")\n__outlast_rename ",
                    &path,
                    b"\n",
                ]
                .concat();
                Ok(Job {
                    files: vec![
                        (file, group(text, resume)),
                        (format!("{number}.args"), arguments),
                    ],
                    flags: "a",
                })
            }
        }
    }
}

/// What bash evaluates at its first prompt, having read no file.
fn boot(directory: &[u8]) -> Vec<u8> {
    let init = quote(&[directory, b"/init"].concat());
    [
        b"\\builtin . ",
        init.as_slice(),
        b"; \\builtin eval \"$__outlast_prompt\"",
    ]
    .concat()
}

fn init(directory: &[u8], boot: &[u8], histfile: Option<OsString>) -> Vec<u8> {
    let mut init = b"\\builtin unset PROMPT_COMMAND HISTFILE HISTFILESIZE\n__outlast_dir=".to_vec();
    init.extend(quote(directory));
    init.extend_from_slice(b" __outlast_boot=");
    init.extend(quote(boot));
    // The file is there only while a shell is rescued; the host removes it then.
    init.extend_from_slice(
        b"\n__outlast_rescued=\nif [[ -e $__outlast_dir/state ]]; then __outlast_rescued=1; fi\n",
    );
    match histfile {
        Some(file) => {
            init.extend_from_slice(b"export HISTFILE=");
            init.extend(quote(file.as_bytes()));
            init.push(b'\n');
        }
        None => init.extend_from_slice(b"HISTFILE=~/.bash_history\n"),
    }
    init.extend_from_slice(DRIVER);
    init.extend_from_slice(OPENING);
    init
}

/// The script as one group: an error that skips a command then skips all that is left of it.
fn group(script: &[u8], resume: bool) -> Vec<u8> {
    let mut text = b"{ ".to_vec();
    if resume {
        text.extend_from_slice(b"\\builtin eval \"$__outlast_resume\"; ");
    }
    if is_blank(script) {
        text.extend_from_slice(b":; ");
    }
    text.extend_from_slice(script);
    let backslashes = script
        .iter()
        .rev()
        .take_while(|byte| **byte == b'\\')
        .count();
    if backslashes % 2 == 1 {
        // At the end of a file it is a plain backslash; it must not swallow our newline.
        text.push(b'\\');
    }
    text.extend_from_slice(b"\n}\n");
    text
}

/// Whether there is no command in it, which the grammar refuses in a group.
fn is_blank(script: &[u8]) -> bool {
    script.split(|byte| *byte == b'\n').all(|line| {
        let line = line.trim_ascii();
        line.is_empty() || line.starts_with(b"#")
    })
}
