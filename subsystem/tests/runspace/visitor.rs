//! Somebody at the terminal of a runspace.

use std::time::Duration;

use outlast_protocol::outcome::ExitStatus;
use outlast_subsystem::runspace::{Command, Environment, Event, StartSpec};

use super::Bench;

/// For what does not come at all.
const LONGEST: Duration = Duration::from_secs(20);

/// A bench with somebody at the terminal.
pub(crate) struct Visitor {
    pub(crate) bench: Bench,
    pub(crate) screen: String,
    left: Option<ExitStatus>,
    free: bool,
    pub(crate) asked: Vec<String>,
    pub(crate) number: u64,
}

impl Visitor {
    pub(crate) fn at(bench: Bench) -> Self {
        Self {
            bench,
            screen: String::new(),
            left: None,
            free: false,
            asked: Vec::new(),
            number: 0,
        }
    }

    pub(crate) fn spec(&mut self, command: Command) -> StartSpec {
        self.number = self.bench.next_number();
        StartSpec {
            number: self.number,
            command,
            stdin: false,
            environment: Vec::new(),
        }
    }

    pub(crate) fn visit(&mut self) {
        self.visit_with(&Vec::new());
    }

    pub(crate) fn visit_with(&mut self, environment: &Environment) {
        self.screen.clear();
        self.left = None;
        self.number = self.bench.next_number();
        let visited = self.bench.runspace.visit(self.number, environment);
        visited.unwrap();
    }

    pub(crate) fn take(&mut self, event: Event) {
        match event {
            Event::Pty(bytes) => self.screen.push_str(&String::from_utf8_lossy(&bytes)),
            Event::Left { status, number } => {
                assert_eq!(number, self.number);
                self.left = Some(status);
            }
            Event::Free => self.free = true,
            Event::Asked { text } => self.asked.push(text),
            Event::Typed(_) | Event::AskedNoMore => {}
            other => panic!("{other:?} with {:?}", self.screen),
        }
    }

    pub(crate) async fn step(&mut self) {
        let event = self.bench.runspace.next_event().await;
        self.take(event);
    }

    /// Waits until that is shown; what was shown before it, since the last time.
    pub(crate) async fn sees(&mut self, text: &str) -> String {
        let deadline = tokio::time::Instant::now() + LONGEST;
        while !self.screen.contains(text) {
            if tokio::time::timeout_at(deadline, self.step())
                .await
                .is_err()
            {
                let all = self.bench.runspace.pty_tail();
                let all = String::from_utf8_lossy(&all);
                panic!("{text:?} is not shown, but {:?}; all: {all:?}", self.screen);
            }
        }
        let at = self.screen.find(text).unwrap();
        let before = self.screen[..at].to_owned();
        self.screen.drain(..at + text.len());
        before
    }

    /// Waits until a line is just that: not what was typed, which stands behind a prompt. A line
    /// editor goes to the begin of a line in its own way.
    pub(crate) async fn sees_line(&mut self, line: &str) {
        let lines = ["\r", "\n"].map(|before| format!("{before}{line}\r\n"));
        while !lines.iter().any(|it| self.screen.contains(it)) {
            let step = tokio::time::timeout(LONGEST, self.step());
            if step.await.is_err() {
                panic!("the line {line:?} is not shown, but {:?}", self.screen);
            }
        }
        let ends = lines
            .iter()
            .filter_map(|it| Some(self.screen.find(it)? + it.len()));
        let end = ends.min().unwrap();
        self.screen.drain(..end);
    }

    pub(crate) async fn prompt(&mut self) {
        self.sees("prompt> ").await;
    }

    pub(crate) async fn types(&mut self, keys: &str) {
        self.bench.runspace.type_in(keys.to_owned().into());
        while !self.bench.runspace.has_typed() {
            self.step().await;
        }
    }

    pub(crate) async fn is_gone(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.left.take() {
                return status;
            }
            self.step().await;
        }
    }

    pub(crate) async fn is_free(&mut self) {
        while !self.bench.runspace.is_free() {
            self.step().await;
        }
    }

    /// Leaves the shell as it is and has it back for an invocation.
    pub(crate) async fn away(&mut self) {
        self.bench.runspace.leave();
        self.bench.runspace.want_back();
        self.is_free().await;
    }

    pub(crate) async fn runs(&mut self, script: &str) -> String {
        let ran = self.bench.run(script).await;
        assert_eq!(ran.status, ExitStatus::Code(0), "{ran:?}");
        ran.out().to_owned()
    }
}
