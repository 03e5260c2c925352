//! A command line: it asks its mux, writes out what comes, says so, and asks again when the mux
//! dies.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::control::window::{Step, Window};
use outlast_protocol::id::{InvocationId, Seq};
use outlast_protocol::limits::MAX_CHUNK;
use outlast_protocol::link::refusal::RefusalCode;
use outlast_protocol::link::to_client::Record;
use outlast_protocol::link::to_host::Create;
use outlast_protocol::link::{AttachMode, From, Level, TerminalSize};
use outlast_protocol::outcome::Outcome;
use outlast_protocol::record::RecordKind;
use outlast_protocol::session::End;

use crate::got::Got;
use crate::job::Job;
use crate::ledger::Ledger;
use crate::pattern::Pattern;
use crate::random::Random;
use crate::shown::Screen;
use crate::view::{Losses, View};
use crate::violation::{Violation, ensure};
use crate::visits::Visit;

/// A command to run.
#[derive(Clone, Debug)]
pub struct Invoke {
    /// Its ID, made before it is sent.
    pub invocation: InvocationId,
    /// What it does.
    pub job: Job,
    /// How much standard input the user gives; none if `None`.
    pub input: Option<u64>,
    /// Whether nobody waits for it.
    pub detached: bool,
    /// Whether it may wait for its turn.
    pub wait: bool,
    /// When it is to be stopped.
    pub timeout: Option<Duration>,
    /// After how many records the user interrupts it, and how hard.
    pub cancel: Option<(u64, Level)>,
}

/// What a user asks for.
#[derive(Clone, Debug)]
pub enum Ask {
    /// A session.
    New(Box<Create>),
    /// A command.
    Invoke(Box<Invoke>),
    /// A visit to the terminal.
    Visit(Box<Visit>),
    /// What was not received yet, and what comes while anything runs.
    Receive {
        /// Whether to stay while anything runs.
        follow: bool,
        /// Whether everything is to come again.
        from_start: bool,
    },
    /// To hold the session.
    Connect(AttachMode),
    /// To leave it running.
    Disconnect,
    /// To end it.
    Remove,
}

impl Ask {
    /// Whether it may take the session from a visitor of the same client.
    #[must_use]
    pub fn disturbs(&self) -> bool {
        !matches!(
            self,
            Self::Invoke(_) | Self::Receive { .. } | Self::Visit(_)
        )
    }

    /// What it submits.
    #[must_use]
    pub fn invocation(&self) -> Option<InvocationId> {
        match self {
            Self::Invoke(invoke) => Some(invoke.invocation),
            Self::Visit(visit) => Some(visit.invocation),
            _ => None,
        }
    }
}

/// Why something did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Somebody let go of the session.
    Detached,
    /// Somebody took it.
    Stolen,
    /// It is over.
    Ended(End),
    /// The remote end said no.
    Refused(RefusalCode, String),
    /// The link was lost before the session was held.
    Unreachable,
    /// A visit ended while nobody heard of it.
    Unheard,
    /// The command line was killed.
    Killed,
}

/// What a mux says to a command line.
#[derive(Clone, Debug)]
pub enum ToCli {
    /// A record.
    Record(Record, Bytes),
    /// Standard input was taken.
    Taken(u64, bool),
    /// A program asks.
    Question(u32, String),
    /// All is said and done.
    Finished,
    /// It will not be.
    Failed(Failure),
}

/// What a command line says to its mux.
#[derive(Clone, Debug)]
pub enum ToMux {
    /// Standard input.
    Stdin(Bytes),
    /// Its end.
    StdinEnd,
    /// What a program asked is answered.
    Answer(u32, String),
    /// The terminal has another size.
    Resize(TerminalSize),
    /// An interrupt.
    Cancel(Level),
    /// Everything up to this record was written out: these, to be exact.
    Consumed(Seq, Vec<(Seq, InvocationId)>),
}

/// How a command line is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It will ask its mux at that time.
    Asks(Duration),
    /// It talks with it.
    Talks,
    /// It has ended.
    Done(Result<(), Failure>),
}

/// A command line.
pub struct Cli {
    /// Whose.
    pub user: usize,
    /// What it is for.
    pub ask: Ask,
    /// How it is doing.
    pub state: State,
    /// What it has said and the mux has not heard.
    pub to_mux: VecDeque<ToMux>,
    /// What the mux has said and it has not read.
    pub from_mux: VecDeque<ToCli>,
    /// Output bytes in that.
    pub waiting: usize,
    /// It is stopped until then.
    pub frozen: Duration,
    /// Whether it lost a mux on the way.
    pub broken: bool,
    /// The last record it has written out.
    pub consumed: Option<Seq>,
    /// How its command ended.
    pub outcome: Option<Outcome>,
    /// Where it goes on: behind that record, and at that offset of its standard input.
    pub resume: Option<(Seq, u64)>,
    window: Window,
    given: u64,
    view: View,
    screen: Screen,
    records: u64,
    cancelled: bool,
}

impl Cli {
    /// A command line that is about to ask.
    #[must_use]
    pub fn new(user: usize, ask: Ask, now: Duration) -> Self {
        let only = match &ask {
            Ask::Invoke(invoke) => Some(invoke.invocation),
            _ => None,
        };
        Self {
            user,
            ask,
            state: State::Asks(now),
            to_mux: VecDeque::new(),
            from_mux: VecDeque::new(),
            waiting: 0,
            frozen: Duration::ZERO,
            broken: false,
            consumed: None,
            outcome: None,
            resume: None,
            window: Window::default(),
            given: 0,
            view: View::new(Seq(0), only),
            screen: Screen::default(),
            records: 0,
            cancelled: false,
        }
    }

    /// Whether it may take the session from a visitor of that user.
    #[must_use]
    pub fn disturbs(&self, user: usize) -> bool {
        self.ask.disturbs() || self.user != user
    }

    /// Output bytes it was told are lost.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.view.missing
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done(_))
    }

    /// Asks its mux, or another one where the first one left off. Returns whether it need.
    pub fn begin(&mut self) -> bool {
        if self.broken && self.outcome.is_some() {
            // It is over and written out: another mux would have nothing more to say.
            self.state = State::Done(Ok(()));
            return false;
        }
        self.state = State::Talks;
        self.to_mux.clear();
        self.resume = self
            .broken
            .then(|| (self.consumed.unwrap_or(Seq(0)), self.window.offset()));
        self.window.rewind();
        if self.broken && self.cancelled {
            self.to_mux.push_back(ToMux::Cancel(Level::Interrupt));
        }
        self.feed();
        true
    }

    /// From where a receiver that lost its mux goes on.
    #[must_use]
    pub fn receive_from(&self) -> Option<From> {
        self.consumed.map(|seq| From::Seq(seq.next()))
    }

    /// Its mux died. What had reached it can still be read, up to `arrived` messages.
    pub fn mux_gone(&mut self, arrived: usize) {
        self.from_mux.truncate(arrived);
        self.to_mux.clear();
        self.broken = true;
    }

    /// It is killed.
    pub fn kill(&mut self) {
        self.state = State::Done(Err(Failure::Killed));
        self.from_mux.clear();
        self.to_mux.clear();
    }

    /// Whether it has standard input to give now.
    #[must_use]
    pub fn can_give(&self) -> bool {
        match &self.ask {
            Ask::Invoke(invoke) => {
                self.state == State::Talks
                    && self.window.wants()
                    && invoke.input.is_some_and(|input| self.given <= input)
            }
            Ask::Visit(visit) => {
                self.state == State::Talks && self.window.wants() && self.given <= visit.keys
            }
            _ => false,
        }
    }

    /// Reads some of its own standard input.
    pub fn give(&mut self, random: &mut Random) {
        let (total, command, leaves) = match &self.ask {
            Ask::Invoke(invoke) => (invoke.input.unwrap_or_default(), invoke.job.command, true),
            Ask::Visit(visit) => (visit.keys, visit.number, !visit.exits),
            _ => return,
        };
        let left = total.saturating_sub(self.given);
        if left == 0 {
            if leaves {
                self.window.finish();
            }
            // Never again.
            self.given = u64::MAX;
        } else {
            let count = random.size(left.min(MAX_CHUNK as u64));
            let count = usize::try_from(count).unwrap_or_default();
            let bytes = Pattern::new(command, 0).bytes(self.given, count);
            self.given = self.given.saturating_add(count as u64);
            self.window.push(bytes.into());
            if let Ask::Visit(visit) = &self.ask
                && self.given >= visit.keys / 2
            {
                self.to_mux.push_back(ToMux::Resize(visit.resized));
            }
        }
        self.feed();
    }

    fn feed(&mut self) {
        let feeds = match &self.ask {
            Ask::Invoke(invoke) => invoke.input.is_some(),
            ask => matches!(ask, Ask::Visit(_)),
        };
        if !feeds {
            return;
        }
        while let Some(step) = self.window.step() {
            self.to_mux.push_back(match step {
                Step::Bytes(bytes) => ToMux::Stdin(bytes),
                Step::End => ToMux::StdinEnd,
            });
        }
    }

    /// Reads up to `most` messages and writes out what they bring.
    pub fn read(
        &mut self,
        most: usize,
        ledger: &mut Ledger,
        losses: Losses,
        got: &mut Got,
    ) -> Result<(), Violation> {
        let mut last = None;
        let mut written = Vec::new();
        for _ in 0..most {
            let Some(message) = self.from_mux.pop_front() else {
                break;
            };
            match message {
                ToCli::Record(record, body) if matches!(self.ask, Ask::Visit(_)) => {
                    self.waiting = self.waiting.saturating_sub(body.len());
                    self.show(&record, &body, ledger)?;
                    last = last.max(Some(record.seq));
                }
                ToCli::Record(record, body) => {
                    self.waiting = self.waiting.saturating_sub(body.len());
                    self.record(&record, &body, ledger, losses, got, &mut written)?;
                    last = Some(record.seq);
                }
                ToCli::Taken(offset, closed) => {
                    self.window.taken(offset, closed);
                    self.feed();
                }
                ToCli::Question(number, text) => {
                    let answer = format!("answer to {text}");
                    self.to_mux.push_back(ToMux::Answer(number, answer));
                }
                ToCli::Finished => {
                    self.finished(ledger)?;
                    self.state = State::Done(Ok(()));
                }
                // All was said and done before the mux was lost.
                ToCli::Failed(_) if self.broken && self.outcome.is_some() => {
                    self.state = State::Done(Ok(()));
                }
                ToCli::Failed(failure) => self.state = State::Done(Err(failure)),
            }
        }
        if let Some(seq) = last {
            self.consumed = self.consumed.max(Some(seq));
            for (seq, _) in &written {
                ledger.consume(*seq);
            }
            self.to_mux.push_back(ToMux::Consumed(seq, written));
        }
        Ok(())
    }

    fn record(
        &mut self,
        record: &Record,
        body: &Bytes,
        ledger: &Ledger,
        losses: Losses,
        got: &mut Got,
        written: &mut Vec<(Seq, InvocationId)>,
    ) -> Result<(), Violation> {
        let from_start = matches!(
            self.ask,
            Ask::Receive {
                from_start: true,
                ..
            }
        );
        let known = |seq| !from_start && got.has(seq);
        let told = (record.seq, record.invocation, &record.kind, &body[..]);
        let only = match &self.ask {
            Ask::Invoke(invoke) => {
                self.view.deliver(ledger, losses, told, &|_| false)?;
                Some(invoke.invocation)
            }
            _ => {
                self.view.deliver(ledger, losses, told, &known)?;
                None
            }
        };
        let mut note = |seq| {
            let entry = ledger.entry(seq);
            written.extend(entry.map(|entry| (seq, entry.invocation)));
        };
        match &record.kind {
            RecordKind::Gap(gap) => {
                let mut at = Seq(gap.first.0.saturating_sub(1));
                while let Some(seq) = ledger.due_after(at, only).filter(|s| *s <= record.seq) {
                    note(seq);
                    at = seq;
                }
            }
            RecordKind::Completed(outcome) => {
                note(record.seq);
                if only.is_some() {
                    self.outcome = Some(outcome.clone());
                }
            }
            _ => note(record.seq),
        }
        for (seq, _) in written.iter() {
            got.written(*seq);
        }
        self.records = self.records.saturating_add(1);
        if let Ask::Invoke(invoke) = &self.ask
            && let Some((after, level)) = invoke.cancel
            && self.records >= after
            && !self.cancelled
        {
            self.cancelled = true;
            self.to_mux.push_back(ToMux::Cancel(level));
        }
        Ok(())
    }

    /// A visitor is shown what the terminal said.
    fn show(&mut self, record: &Record, body: &Bytes, ledger: &Ledger) -> Result<(), Violation> {
        let told = (record.seq, record.invocation, &record.kind, &body[..]);
        let new = self.screen.deliver(&ledger.shown, told, self.broken)?;
        if let (RecordKind::Completed(outcome), Ask::Visit(visit)) = (&record.kind, &self.ask)
            && record.invocation == Some(visit.invocation)
            && new
        {
            self.outcome = Some(outcome.clone());
        }
        Ok(())
    }

    fn finished(&self, ledger: &Ledger) -> Result<(), Violation> {
        match &self.ask {
            Ask::Visit(visit) => {
                ensure(self.outcome.is_some(), || {
                    format!(
                        "outcome delivered: visit {} finished without one",
                        visit.number
                    )
                })?;
                match &self.outcome {
                    Some(Outcome::Ended(_)) => ledger.visits.over(visit.invocation),
                    _ => Ok(()),
                }
            }
            Ask::Invoke(invoke) if !invoke.detached => {
                ensure(self.outcome.is_some() || self.view.missing > 0, || {
                    let command = invoke.job.command;
                    format!("outcome delivered: command {command} finished without one")
                })
            }
            _ => Ok(()),
        }
    }
}
