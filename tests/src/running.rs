//! A program that is still running.

use std::io::Write;
use std::process::{Child, ChildStdin, Command, Stdio};

use rustix::event::PollFlags;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};

use crate::deadline::Deadline;
use crate::failure::{block, show_if_failing};
use crate::output::Output;
use crate::own_session::without_terminal;
use crate::process;
use crate::transcript::Transcript;

/// Killed when dropped.
pub struct Running {
    command: String,
    child: Child,
    stdin: Option<ChildStdin>,
    pub stdout: Transcript,
    pub stderr: Transcript,
    finished: bool,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let shown = shown(command);
        let mut child = without_terminal(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{shown}: {error}"));
        let stdout = child.stdout.take().expect("piped above");
        let stderr = child.stderr.take().expect("piped above");
        Self {
            stdin: child.stdin.take(),
            stdout: Transcript::of(format!("stdout of `{shown}`"), stdout),
            stderr: Transcript::of(format!("stderr of `{shown}`"), stderr),
            command: shown,
            child,
            finished: false,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line of stdout that contains `wanted`.
    #[track_caller]
    pub fn wait_line(&self, wanted: &str) -> String {
        self.stdout.wait_line(wanted)
    }

    #[track_caller]
    pub fn wait_stderr(&self, wanted: &str) -> String {
        self.stderr.wait_line(wanted)
    }

    /// Feeds stdin and leaves it open.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let stdin = self.stdin.as_mut().expect("stdin is still open");
        stdin
            .write_all(bytes.as_ref())
            .expect("the program reads its stdin");
        self
    }

    /// Feeds stdin from a thread of its own and closes it, whatever the program makes of it: one
    /// that leaves early must not fail the test by a broken pipe.
    pub fn feed(&mut self, bytes: Vec<u8>) -> &mut Self {
        let mut stdin = self.stdin.take().expect("stdin is still open");
        std::thread::spawn(move || stdin.write_all(&bytes));
        self
    }

    pub fn close_stdin(&mut self) -> &mut Self {
        self.stdin = None;
        self
    }

    pub fn signal(&self, signal: Signal) -> &Self {
        process::send(self.pid(), signal);
        self
    }

    /// What Ctrl-C does.
    pub fn sigint(&self) -> &Self {
        self.signal(Signal::INT)
    }

    /// A frozen program, as by Ctrl-Z or a suspended laptop.
    pub fn freeze(&self) -> &Self {
        self.signal(Signal::STOP)
    }

    pub fn thaw(&self) -> &Self {
        self.signal(Signal::CONT)
    }

    pub fn kill9(mut self) -> Output {
        self.signal(Signal::KILL);
        self.wait_by(Deadline::usual())
    }

    /// Waits for the end, with stdin as it is.
    #[track_caller]
    pub fn wait(mut self) -> Output {
        self.wait_by(Deadline::usual())
    }

    /// `true` when the program has ended by then, of itself.
    pub fn end_by(&mut self, deadline: Deadline) -> bool {
        let pidfd = pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty());
        deadline.poll(pidfd.expect("our child is still ours"), PollFlags::IN)
    }

    #[track_caller]
    fn wait_by(&mut self, deadline: Deadline) -> Output {
        assert!(
            self.end_by(deadline),
            "`{}` has not ended in time",
            self.command
        );
        self.finished = true;
        let status = self.child.wait().expect("our child is still ours");
        // A background process may hold the pipes for longer than the program lived: what it says
        // belongs to the output, and the deadline bounds it.
        let stdout = self.stdout.wait_end(deadline);
        let stderr = self.stderr.wait_end(deadline);
        Output {
            command: self.command.clone(),
            status,
            stdout,
            stderr,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        show_if_failing(
            &format!("`{}`, killed at the end of the test", self.command),
            || {
                let (stdout, stderr) = (self.stdout.text(), self.stderr.text());
                format!("{}\n{}", block("stdout", &stdout), block("stderr", &stderr))
            },
        );
    }
}

/// The command as one would type it, without the environment.
pub fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program
        .file_name()
        .unwrap_or(command.get_program())
        .to_string_lossy();
    let quoted = command.get_args().map(|word| {
        let word = word.to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,%+".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word.into_owned()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    });
    std::iter::once(name.into_owned())
        .chain(quoted)
        .collect::<Vec<_>>()
        .join(" ")
}
