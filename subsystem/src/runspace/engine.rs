//! What the runspace needs to know about a kind of shell: one file and one driver script each.

use std::ffi::OsString;
use std::path::Path;

use super::error::StartError;
use super::spec::{Command, RunspaceSpec};

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
}

/// A kind of shell. Its driver speaks the same lines on the same FIFOs as all others:
/// it reads `NUMBER:FLAGS` from `control` and writes `opened`, `running NUMBER`,
/// `completed NUMBER STATUS` and `rescued [PID]` to `status`; a last word `resume` asks for
/// [`Engine::job`] with `resume` set next time.
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
    fn job(
        &self,
        directory: &Path,
        number: u64,
        command: &Command,
        resume: bool,
    ) -> Result<Job, StartError>;
}
