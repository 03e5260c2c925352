//! What the runspace needs to know about a kind of shell: one file and one driver script each.

use std::ffi::OsString;
use std::path::Path;

use rustix::process::Signal;

use super::error::StartError;
use super::loan;
use super::spec::{Environment, RunspaceSpec, StartSpec};

/// How to start the shell.
pub(super) struct Launch {
    pub(super) arguments: Vec<OsString>,
    pub(super) environment: Vec<(OsString, OsString)>,
    /// Files to write into the directory first.
    pub(super) files: Vec<(String, Vec<u8>)>,
}

/// One invocation as the driver wants it.
pub(super) struct Job {
    /// Files to write into the directory, named after the invocation, removed when it is done.
    pub(super) files: Vec<(String, Vec<u8>)>,
    /// Letters for the driver, sent after the number.
    pub(super) flags: &'static str,
    /// Whether it may leave something that all later ones have to be guarded against: for them
    /// `resume` is set.
    pub(super) guards: bool,
}

/// A kind of shell. Its driver speaks the same lines on the same FIFOs as all others:
/// it reads `%NUMBER:FLAGS` from `control` and writes `opened`, `running NUMBER`,
/// `completed NUMBER STATUS`, `prompt NUMBER ASKED` and `rescued [PID]` to `status`; a last word
/// `resume` asks for [`Engine::job`] with `resume` set next time.
pub(super) trait Engine: std::fmt::Debug + Sync {
    /// What the configuration is called.
    fn name(&self) -> &'static str;
    /// The package that brings the shell where it is missing.
    fn package(&self) -> &'static str {
        self.name()
    }
    /// The file to run, looked for in PATH.
    fn program(&self) -> &'static str {
        self.name()
    }
    /// Names of login shells (of their files) whose owners get this one if they ask for none.
    fn login_shells(&self) -> &'static [&'static str];
    fn launch(&self, spec: &RunspaceSpec) -> Launch;
    /// The line that brings a shell at its prompt back to the driver.
    fn reenter(&self) -> &'static [u8];
    /// How a shell that shows its prompt to a visitor is asked to come back to the driver.
    fn recall(&self) -> Recall;
    /// Signals that the shell looks around on and does nothing else about.
    fn nudges(&self) -> &'static [Signal] {
        &[Signal::CHILD]
    }
    fn job(&self, directory: &Path, start: &StartSpec, resume: bool) -> Result<Job, StartError>;
    /// What a visitor's shell is lent, as the files of a job.
    fn reception(&self, number: u64, environment: &Environment) -> Result<Job, StartError> {
        loan::reception(number, environment)
    }
}

/// How a shell is asked to come back from its prompt, with a half-typed line put away.
#[derive(Clone, Copy, Debug)]
pub(super) enum Recall {
    /// By keys that the driver has bound, typed while the shell itself edits a line.
    Keys(&'static Keys),
    /// By a signal, which the driver heeds only while it reads a line. The driver brings the line
    /// back by itself.
    Signal(Signal),
}

/// What a line editor does on keys that nobody has.
#[derive(Debug)]
pub(super) struct Keys {
    /// Puts the line away and ends it.
    pub(super) recall: &'static [u8],
    /// Brings the line back.
    pub(super) restore: &'static [u8],
    /// What Control-D is: the driver answers `end visit` or `end key`. Empty where the editor
    /// can be told not to end the shell on it.
    pub(super) end: &'static [u8],
    /// Ends an empty line.
    pub(super) accept: &'static [u8],
}
