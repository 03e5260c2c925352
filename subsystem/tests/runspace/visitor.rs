//! Somebody at the terminal of a runspace whose prompts are lines.

use std::time::Duration;

use outlast_protocol::outcome::ExitStatus;
use outlast_subsystem::runspace::{Command, Event, StartSpec};

use super::runspace::Bench;

pub(crate) struct Visitor {
    pub(crate) bench: Bench,
    screen: String,
    left: Option<ExitStatus>,
    number: u64,
}

impl Visitor {
    pub(crate) fn at(bench: Bench) -> Self {
        Self {
            bench,
            screen: String::new(),
            left: None,
            number: 0,
        }
    }

    pub(crate) fn visit(&mut self) {
        self.screen.clear();
        self.left = None;
        self.number = self.bench.next_number();
        let start = StartSpec {
            number: self.number,
            command: Command::Script(Vec::new()),
            stdin: false,
            environment: Vec::new(),
        };
        self.bench.runspace.visit(&start).unwrap();
    }

    async fn step(&mut self) {
        match self.bench.runspace.next_event().await {
            Event::Pty(bytes) => self.screen.push_str(&String::from_utf8_lossy(&bytes)),
            Event::Left { status, number } => {
                assert_eq!(number, self.number);
                self.left = Some(status);
            }
            Event::Free | Event::Typed(_) => {}
            other => panic!("{other:?} with {:?}", self.screen),
        }
    }

    /// Waits for the text, and says what stood before it.
    pub(crate) async fn sees(&mut self, text: &str) -> String {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while !self.screen.contains(text) {
            let step = tokio::time::timeout_at(deadline, self.step()).await;
            assert!(step.is_ok(), "{text:?} is not in {:?}", self.screen);
        }
        let at = self.screen.find(text).unwrap();
        let before = self.screen[..at].to_owned();
        self.screen.drain(..at + text.len());
        before
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

    /// Leaves the shell as it is and has it back for an invocation.
    pub(crate) async fn away(&mut self) {
        self.bench.runspace.leave();
        self.bench.runspace.want_back();
        while !self.bench.runspace.is_free() {
            self.step().await;
        }
    }
}
