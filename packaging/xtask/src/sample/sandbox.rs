//! Namespaces of their own for one command, with a time limit after which all of it is killed.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags};

use super::inside;
use crate::failure::{Context as _, Failure};

/// What the sandbox says when it could not be made, and its status then.
pub(crate) const BROKEN: &str = "the sandbox could not be made";
pub(crate) const BROKEN_CODE: u8 = 201;

/// More is cut off, and the script killed.
const MOST: usize = 8 << 20;

#[derive(Clone, Debug)]
pub(crate) struct Sandbox {
    /// The directory with the programs under test.
    pub(crate) programs: PathBuf,
    /// bash's tests.
    pub(crate) suite: Option<PathBuf>,
    /// For one command.
    pub(crate) limit: Duration,
    /// For all of them.
    pub(crate) until: Option<Instant>,
}

/// What a command said, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    /// None if it took too long, or said too much.
    pub(crate) status: Option<i32>,
}

/// What is run in a sandbox.
#[derive(Clone, Debug)]
pub(crate) struct Order<'a> {
    pub(crate) command: Vec<String>,
    pub(crate) directory: &'a str,
    pub(crate) with_suite: bool,
    /// Numbers of processes begin behind it.
    pub(crate) first: u32,
}

impl Sandbox {
    /// The same with another limit for one command, unless there is one for all of them: a slow
    /// script would use that up.
    pub(crate) fn with_limit(&self, limit: Option<Duration>) -> Self {
        let own = limit.filter(|_| self.until.is_none());
        Self {
            limit: own.map_or(self.limit, |own| own.max(self.limit)),
            ..self.clone()
        }
    }

    /// For the next command.
    pub(crate) fn time_left(&self) -> Duration {
        let now = Instant::now();
        let all = self.until.map(|until| until.saturating_duration_since(now));
        all.map_or(self.limit, |all| all.min(self.limit))
    }

    pub(crate) fn run(&self, order: &Order<'_>) -> Result<Run, Failure> {
        let mut child = self.command(order)?.spawn().context("running unshare")?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let run = std::thread::scope(|scope| {
            let out = scope.spawn(|| read(out));
            let err = scope.spawn(|| read(err));
            let status = wait(&mut child, self.time_left())?;
            let (stdout, whole) = out.join().unwrap_or_default();
            let (stderr, whole_too) = err.join().unwrap_or_default();
            let status = status.filter(|_| whole && whole_too);
            Ok::<Run, Failure>(Run {
                stdout,
                stderr,
                status: status.and_then(|status| status.code()),
            })
        })?;
        if run.status == Some(i32::from(BROKEN_CODE)) {
            let said = String::from_utf8_lossy(&run.stderr);
            if said.contains(BROKEN) {
                return Err(Failure::new(said.trim()));
            }
        }
        Ok(run)
    }

    fn command(&self, order: &Order<'_>) -> Result<Command, Failure> {
        let doing = "making a sandbox";
        let own = std::env::current_exe().context(doing)?;
        let base = self.programs.join("../sample/root");
        std::fs::create_dir_all(&base).context(doing)?;
        let base = base.canonicalize().context(doing)?;
        let suite = self.suite.as_ref().filter(|_| order.with_suite);
        let mut command = Command::new("unshare");
        command.args([
            "--user",
            "--map-root-user",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--net",
            "--ipc",
            "--uts",
            "--cgroup",
        ]);
        command.arg(own).arg("sample-inside").arg(base);
        command.arg(order.first.to_string()).arg(&self.programs);
        command.arg(suite.map_or_else(|| PathBuf::from("-"), PathBuf::clone));
        command.arg(order.directory).args(&order.command);
        command.env_clear().envs(ENVIRONMENT);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Ok(command)
    }
}

const ENVIRONMENT: [(&str, &str); 9] = [
    ("HOME", inside::HOME),
    ("LANG", "C.UTF-8"),
    ("LOGNAME", "root"),
    ("OUTLAST_HOME", "/run/outlast"),
    ("OUTLAST_SESSION_DIR", inside::SESSIONS),
    (
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ),
    ("SHELL", "/bin/bash"),
    ("TERM", "dumb"),
    ("USER", "root"),
];

/// Whether it is all of it, too.
fn read(pipe: Option<impl Read>) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let Some(pipe) = pipe else {
        return (bytes, false);
    };
    let most = u64::try_from(MOST).unwrap_or(u64::MAX);
    // The writer gets SIGPIPE when the rest is not wanted.
    let read = pipe.take(most).read_to_end(&mut bytes);
    let whole = read.is_ok() && bytes.len() < MOST;
    (bytes, whole)
}

/// None if it had to be killed: `unshare` takes everything of the sandbox's along.
fn wait(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>, Failure> {
    let doing = "waiting for a sandbox";
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| Failure::new("unshare has no process id"))?;
    let end = rustix::process::pidfd_open(pid, PidfdFlags::empty()).context(doing)?;
    let limit = Timespec::try_from(limit).context(doing)?;
    let mut ends = [PollFd::new(&end, PollFlags::IN)];
    let ended = rustix::event::poll(&mut ends, Some(&limit)).context(doing)? > 0;
    if !ended {
        child.kill().context(doing)?;
    }
    let status = child.wait().context(doing)?;
    Ok(ended.then_some(status))
}
