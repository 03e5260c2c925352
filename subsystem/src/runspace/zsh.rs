//! The engine for zsh. What happens in the shell is in `drivers/zsh.zsh`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::process::Signal;

use super::engine::{Engine, Job, Keys, Launch, Recall};
use super::error::StartError;
use super::loan;
use super::quote::{base_name, line, quote, words};
use super::spec::{Command, RunspaceSpec, StartSpec};

const DRIVER: &[u8] = include_bytes!("../../drivers/zsh.zsh");

/// The user's own file of the place that zsh has just found ours in. The other files follow by
/// themselves.
const OPENING: &[u8] = br#"
if [[ -o rcs && -r ${ZDOTDIR:-$HOME}/.zshenv ]]; then
  builtin . "${ZDOTDIR:-$HOME}/.zshenv"
fi
"#;

/// The keys of a terminal's `modifyOtherKeys` for characters that no keyboard has with Control:
/// what `__outlast_receive` binds.
const KEYS: Keys = Keys {
    recall: b"\x1b[27;5;83~",
    restore: b"\x1b[27;5;84~",
    end: b"\x1b[27;5;85~",
    accept: b"\x1b[27;5;82~",
};

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

    fn recall(&self) -> Recall {
        Recall::Keys(&KEYS)
    }

    /// While it sets up a command it has SIGCHLD wait. About SIGPIPE it does something only where
    /// it has lost its terminal.
    fn nudges(&self) -> &'static [Signal] {
        &[Signal::CHILD, Signal::PIPE]
    }

    fn job(&self, directory: &Path, start: &StartSpec, resume: bool) -> Result<Job, StartError> {
        let mut settings = loan::calls(&start.environment)?;
        let mut name = format!("{}.zsh", start.number);
        let mut prefix = Vec::new();
        if !settings.is_empty() {
            prefix.extend_from_slice(REFUSAL);
        }
        if resume {
            prefix.extend_from_slice(b"\\builtin eval \"$__outlast_resume\"; ");
        }
        let text = match &start.command {
            Command::Script(text) => text.clone(),
            Command::Argv(words) => line(words)?,
            Command::File {
                script,
                args,
                name: file,
            } => {
                name = format!("{}-{}", start.number, base_name(file));
                let path = directory.join(&name);
                settings.extend_from_slice(b"__outlast_file=");
                settings.extend(quote(path.as_os_str().as_bytes()));
                settings.extend([b"\n__outlast_words=(", words(args)?.as_slice(), b")\n"].concat());
                script.clone()
            }
        };
        // The script stays on the lines it has.
        let mut files = vec![(name, [prefix.as_slice(), &text, b"\n"].concat())];
        let flags = if settings.is_empty() { "" } else { "a" };
        if !settings.is_empty() {
            files.push((format!("{}.args", start.number), settings));
        }
        Ok(Job {
            files,
            flags,
            guards: false,
        })
    }
}

/// What could not be lent ends the invocation.
const REFUSAL: &[u8] = b"[[ -z $__outlast_refused ]] || { \\builtin print -rnu2 -- \"$__outlast_refused\"; \\builtin return 1; }; ";

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
