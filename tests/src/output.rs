//! What a finished program has left, and the things a test says about it.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use serde_json::Value;

use crate::failure::block;
use crate::stream::assert_stream;

/// Every assertion prints the command, the status and both streams when it does not hold.
#[derive(Clone)]
pub struct Output {
    pub command: String,
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Output {
    #[track_caller]
    pub fn success(&self) -> &Self {
        self.code(0)
    }

    #[track_caller]
    pub fn code(&self, expected: i32) -> &Self {
        let holds = self.status.code() == Some(expected);
        self.insist(holds, &format!("exit code {expected}"))
    }

    /// Died of a signal itself, instead of leaving with a code.
    #[track_caller]
    pub fn signal(&self, expected: i32) -> &Self {
        let holds = self.status.signal() == Some(expected);
        self.insist(holds, &format!("death by signal {expected}"))
    }

    #[track_caller]
    pub fn stdout_is(&self, expected: &str) -> &Self {
        let holds = self.stdout == expected.as_bytes();
        self.insist(holds, &format!("stdout {expected:?}"))
    }

    #[track_caller]
    pub fn stdout_has(&self, expected: &str) -> &Self {
        let holds = self.stdout_text().contains(expected);
        self.insist(holds, &format!("{expected:?} in stdout"))
    }

    /// For long or binary streams: names the first difference.
    #[track_caller]
    pub fn stdout_is_stream(&self, expected: impl AsRef<[u8]>) -> &Self {
        assert_stream(&self.stdout, expected.as_ref());
        self
    }

    #[track_caller]
    pub fn stderr_is(&self, expected: &str) -> &Self {
        let holds = self.stderr == expected.as_bytes();
        self.insist(holds, &format!("stderr {expected:?}"))
    }

    #[track_caller]
    pub fn stderr_has(&self, expected: &str) -> &Self {
        let holds = self.stderr_text().contains(expected);
        self.insist(holds, &format!("{expected:?} in stderr"))
    }

    /// No program of ours panics, whatever it is given.
    #[track_caller]
    pub fn no_panic(&self) -> &Self {
        let text = self.stderr_text();
        let holds = !text.contains("panicked at") && !text.contains("RUST_BACKTRACE");
        self.insist(holds, "no panic")
    }

    /// stdout as one JSON document.
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_slice(&self.stdout) {
            Ok(value) => value,
            Err(error) => panic!("stdout is no JSON: {error}\n{self}"),
        }
    }

    /// stdout as one JSON document per line.
    #[track_caller]
    pub fn ndjson(&self) -> Vec<Value> {
        let parse = |line: &str| match serde_json::from_str(line) {
            Ok(value) => value,
            Err(error) => panic!("the line {line:?} is no JSON: {error}\n{self}"),
        };
        self.stdout_text().lines().map(parse).collect()
    }

    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    #[track_caller]
    fn insist(&self, holds: bool, expected: &str) -> &Self {
        assert!(holds, "expected {expected}\n{self}");
        self
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "$ {}\n{}", self.command, self.status)?;
        writeln!(f, "{}", block("stdout", &self.stdout_text()))?;
        write!(f, "{}", block("stderr", &self.stderr_text()))
    }
}
