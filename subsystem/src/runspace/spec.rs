//! What a runspace is asked for, and what it answers.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::outcome::ExitStatus;

use super::configuration::Configuration;

/// How to open a runspace.
#[derive(Clone, Debug)]
pub struct RunspaceSpec {
    pub configuration: Configuration,
    /// A private directory (0700) of the caller's for FIFOs and scripts; an absolute path.
    pub directory: PathBuf,
    /// The complete environment of the shell.
    pub environment: Vec<(OsString, OsString)>,
    pub working_directory: PathBuf,
    /// How long the user's own files may take.
    pub open_timeout: Duration,
    /// The user's umask, not ours.
    pub umask: u32,
}

/// What an invocation runs.
#[derive(Clone, Debug)]
pub enum Command {
    /// Text, as if it had been typed at the prompt all at once.
    Script(Vec<u8>),
    /// A script file: like `. name args…`, with `$0` and `${BASH_SOURCE[0]}` alike.
    File {
        script: Vec<u8>,
        args: Vec<Vec<u8>>,
        name: Vec<u8>,
    },
    /// One command of literal words: an alias or a keyword is not looked at, a function is.
    /// Its status 129 to 192 is reported as a death by signal, which it is unless the program
    /// chose that number itself.
    Argv(Vec<Vec<u8>>),
}

/// How to start an invocation.
#[derive(Clone, Debug)]
pub struct StartSpec {
    /// The caller's number for it, never used twice in a runspace.
    pub number: u64,
    pub command: Command,
    /// Whether it gets a pipe as standard input, or `/dev/null`.
    pub stdin: bool,
    /// Variables, and functions as bash exports them, for as long as it runs.
    pub environment: Environment,
}

/// Names and values.
pub type Environment = Vec<(Vec<u8>, Vec<u8>)>;

/// The caller's ends of an invocation's pipes, all nonblocking and close-on-exec.
///
/// Background children of the invocation keep the output pipes open after it has completed:
/// read until the end of the file.
#[derive(Debug)]
pub struct Pipes {
    /// Writing fails with `EPIPE` once nobody in the invocation can read it any more.
    pub stdin: Option<OwnedFd>,
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
}

/// What happens in a runspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The invocation has the shell's `$?`. Its background children may still write.
    Completed { number: u64, status: ExitStatus },
    /// The terminal said something: notes of the user's files, of job control, of the driver.
    Pty(Bytes),
    /// A visitor typed `exit`, or the end of the file.
    Left { number: u64, status: ExitStatus },
    /// The shell has come back from a visitor's command or its prompt: it can run invocations.
    Free,
    /// So many bytes were typed on the terminal.
    Typed(usize),
    /// A program of an invocation on pipes reads something from the terminal that is not shown;
    /// what was said last. [`super::Runspace::answer`] types it.
    Asked { text: String },
    /// It was answered, or asks no more.
    AskedNoMore,
    /// The shell itself is gone, with its real status. Nothing follows.
    Exited(ExitStatus),
}
