//! The engine for bash. What happens in the shell is in `drivers/bash.sh`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::engine::{Engine, Job, Keys, Launch, Recall};
use super::error::StartError;
use super::guard::{contains, guards};
use super::loan;
use super::quote::{base_name, line, quote, words};
use super::spec::{Command, RunspaceSpec, StartSpec};

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

/// The keys of a terminal's `modifyOtherKeys` for characters that no keyboard has with Control:
/// what `__outlast_receive` binds.
const KEYS: Keys = Keys {
    recall: b"\x1b[27;5;83~",
    restore: b"\x1b[27;5;84~",
    end: b"\x1b[27;5;85~",
    accept: b"\x1b[27;5;82~",
};

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

    fn recall(&self) -> Recall {
        Recall::Keys(&KEYS)
    }

    fn job(&self, directory: &Path, start: &StartSpec, resume: bool) -> Result<Job, StartError> {
        let StartSpec {
            number,
            command,
            environment,
            ..
        } = start;
        let lent = loan::calls(environment)?;
        let text = match command {
            Command::Script(text) | Command::File { script: text, .. } => text,
            Command::Argv(words) => &line(words)?,
        };
        let guards = guards(text);
        let opening = Opening {
            resume,
            lent: !lent.is_empty(),
            grouped: (resume || guards) && commands(text) <= GROUPED,
        };
        let mut settings = lent;
        if opening.grouped && sets_extglob(text) {
            // Read as one command, it would need it before it sets it.
            settings.extend_from_slice(b"\\builtin shopt -s extglob\n");
        }
        let arguments = format!("{number}.args");
        let mut file = format!("{number}.sh");
        if let Command::File { args, name, .. } = command {
            file = format!("{number}-{}", base_name(name));
            let mut path = directory.as_os_str().as_bytes().to_vec();
            path.extend_from_slice(b"/");
            path.extend_from_slice(file.as_bytes());
            let path = quote(&path);
            settings.extend([b"__outlast_file=", path.as_slice()].concat());
            settings.extend([b"\n__outlast_words=(", words(args)?.as_slice()].concat());
            settings.extend([b")\n__outlast_rename ", path.as_slice(), b"\n"].concat());
        }
        let mut files = vec![(file, opening.before(text))];
        let flags = match (settings.is_empty(), sets_traps(text), asks_for_jobs(text)) {
            (true, false, false) => "",
            (true, false, true) => "j",
            (true, true, false) => "t",
            (true, true, true) => "tj",
            (false, false, false) => "a",
            (false, false, true) => "aj",
            (false, true, false) => "at",
            (false, true, true) => "atj",
        };
        if !settings.is_empty() {
            files.push((arguments, settings));
        }
        Ok(Job {
            files,
            flags,
            guards,
        })
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

/// What comes before the first word of a script, on its first line.
struct Opening {
    /// Whether options and traps are to be set again that the driver cannot bear.
    resume: bool,
    /// Whether something was lent.
    lent: bool,
    /// Whether the script is made one command: an error that skips a command then skips all that
    /// is left of it. See [`guards`].
    grouped: bool,
}

impl Opening {
    fn before(&self, script: &[u8]) -> Vec<u8> {
        let mut text = if self.grouped {
            b"{ ".to_vec()
        } else {
            Vec::new()
        };
        if self.lent {
            text.extend_from_slice(REFUSAL);
        }
        if self.resume {
            text.extend_from_slice(b"\\builtin eval \"$__outlast_resume\"; ");
        }
        if self.grouped {
            return close(text, script);
        }
        text.extend_from_slice(script);
        text
    }
}

/// What could not be lent ends the invocation.
const REFUSAL: &[u8] = b"[[ -z $__outlast_refused ]] || { \\builtin printf %s \"$__outlast_refused\" >&2; \\builtin return 1; }; ";

fn sets_extglob(script: &[u8]) -> bool {
    contains(script, b"extglob")
}

/// Whether it uses `trap` in a way that the driver's own can stand in for.
fn sets_traps(script: &[u8]) -> bool {
    let beyond: [&[u8]; 4] = [b"DEBUG", b"debug", b"RETURN", b"functrace"];
    contains(script, b"trap") && !beyond.iter().any(|word| contains(script, word))
}

/// Whether it may ask for jobs that have ended since the last script, which bash would forget when
/// it has told of them.
fn asks_for_jobs(script: &[u8]) -> bool {
    contains(script, b"jobs") || contains(script, b"wait -")
}

/// Commands of a group at most, roughly: bash walks through them by recursion, and 8 MiB of stack
/// are used up by some 30 000. In a longer script an expansion error skips one command only.
const GROUPED: usize = 8000;

fn commands(script: &[u8]) -> usize {
    let ends = script.iter().filter(|byte| matches!(byte, b'\n' | b';'));
    ends.count()
}

fn close(mut text: Vec<u8>, script: &[u8]) -> Vec<u8> {
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
