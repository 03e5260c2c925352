//! The wire between the two, what happens to it, and what must be true in the end.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::id::{InvocationId, ReaderId, Seq};
use outlast_protocol::link::to_host::{ReaderOpen, Submit};
use outlast_protocol::link::{Command, From, Source};
use outlast_protocol::record::RecordKind;
use uuid::Uuid;

use super::client::Client;
use super::host::{Host, HostLink};

/// How a link ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Both ends notice at once.
    Cut,
    /// Nothing arrives any more and nobody is told.
    Silence,
}

/// A run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// After how many carried bytes each link in turn ends; the ones after them last.
    pub(crate) cuts: Vec<usize>,
    pub(crate) fate: Fate,
    /// Bytes carried in each direction in one step.
    pub(crate) chunk: usize,
    /// Steps between a cut and the next link.
    pub(crate) pause: usize,
    /// Records the host keeps for readers.
    pub(crate) kept: usize,
    /// Bytes a reader may be ahead of its acknowledgements.
    pub(crate) credit: u32,
}

pub(crate) struct World {
    plan: Plan,
    now: Duration,
    client: Client,
    host: Host,
    host_link: Option<HostLink>,
    upward: VecDeque<u8>,
    downward: VecDeque<u8>,
    carried: usize,
    dead: bool,
    pause: usize,
    pub(crate) total: usize,
    steps: usize,
}

const INPUTS: [(u128, &[&[u8]]); 4] = [
    (9, &[b"the quick ", b"brown fox", b" jumps"]),
    (3, &[]),
    (7, &[b"over the lazy dog"]),
    (1, &[]),
];

fn invocation(number: u128) -> InvocationId {
    InvocationId(Uuid::from_u128(number))
}

impl World {
    pub(crate) fn new(plan: Plan) -> Self {
        let mut host = Host::default();
        host.kept = plan.kept;
        Self {
            plan,
            now: Duration::ZERO,
            client: Client::default(),
            host,
            host_link: None,
            upward: VecDeque::new(),
            downward: VecDeque::new(),
            carried: 0,
            dead: false,
            pause: 0,
            total: 0,
            steps: 0,
        }
    }

    /// What the user does in this step, link or no link.
    fn act(&mut self) {
        if self.steps == 0 {
            self.client.attachment.open_reader(ReaderOpen {
                reader: ReaderId(0),
                source: Source::Log,
                from: From::Seq(Seq::FIRST),
                only: None,
                skip: Vec::new(),
                credit: self.plan.credit,
                owed: 0,
            });
        }
        // Two commands at once, so that their order matters; then input, piece by piece.
        for (at, (number, pieces)) in INPUTS.iter().enumerate() {
            let begin = 4 + (at / 2) * 12;
            let id = invocation(*number);
            if self.steps == begin {
                let submit = Submit {
                    invocation: id,
                    command: Command::Script,
                    environment_len: 0,
                    arguments_len: 0,
                    more_len: 0,
                    stdin: !pieces.is_empty(),
                    terminal: None,
                    agent: false,
                    timeout_ms: None,
                    kill_after_ms: None,
                    wait: true,
                    extensions: Vec::new(),
                };
                self.client
                    .attachment
                    .submit(submit, Bytes::from_static(b"cat"));
            }
            for (index, piece) in pieces.iter().enumerate() {
                if self.steps == begin + 1 + index * 2 {
                    self.client.attachment.stdin(id, Bytes::from_static(piece));
                }
            }
            if !pieces.is_empty() && self.steps == begin + 2 + pieces.len() * 2 {
                self.client.attachment.stdin_end(id);
            }
        }
    }

    fn cut(&mut self) {
        self.client.cut();
        self.host_link = None;
        self.upward.clear();
        self.downward.clear();
        self.carried = 0;
        self.dead = false;
        self.pause = self.plan.pause;
        if !self.plan.cuts.is_empty() {
            self.plan.cuts.remove(0);
        }
    }

    /// Whether the link may carry one more byte.
    fn carries(&mut self) -> bool {
        if self.dead {
            return false;
        }
        if self.plan.cuts.first() == Some(&self.carried) {
            match self.plan.fate {
                Fate::Cut => self.cut(),
                Fate::Silence => self.dead = true,
            }
            return false;
        }
        self.carried += 1;
        self.total += 1;
        true
    }

    fn carry(&mut self) {
        let mut up = Vec::new();
        while up.len() < self.plan.chunk && !self.upward.is_empty() && self.carries() {
            up.extend(self.upward.pop_front());
        }
        if let Some(link) = self.host_link.as_mut().filter(|_| !up.is_empty()) {
            self.host.input(link, &up);
        }
        let mut down = Vec::new();
        while down.len() < self.plan.chunk && !self.downward.is_empty() && self.carries() {
            down.extend(self.downward.pop_front());
        }
        if !down.is_empty() {
            self.client.input(self.now, &down);
        }
    }

    fn step(&mut self) {
        self.now += Duration::from_millis(250);
        if self.host_link.is_none() {
            if self.pause == 0 {
                self.client.connect(self.now);
                self.host_link = Some(HostLink::new());
            } else {
                self.pause -= 1;
            }
        }
        self.act();
        match self.client.step(self.now) {
            Ok(bytes) => self.upward.extend(bytes),
            Err(_) => self.cut(),
        }
        self.host.step(self.host_link.as_mut());
        if let Some(link) = &mut self.host_link {
            self.downward.extend(link.output.drain(..));
        }
        self.carry();
        self.steps += 1;
    }

    fn finished(&self) -> bool {
        let last = self.host.last();
        self.steps > 40
            && self.host.started.len() == INPUTS.len()
            && matches!(
                self.host.log.last(),
                Some((_, _, RecordKind::Completed(_), _))
            )
            && self.client.last() == last
            && self.host.acked == last
    }

    /// Runs until everything arrived and was acknowledged, and judges it. Returns the number of
    /// links and of gaps.
    pub(crate) fn run(&mut self) -> (usize, usize) {
        while !self.finished() {
            self.step();
            assert!(self.steps < 20_000, "it hangs: {:?}", self.plan);
        }
        (self.client.links, self.judge())
    }

    fn judge(&self) -> usize {
        let order: Vec<_> = INPUTS
            .iter()
            .map(|&(number, _)| invocation(number))
            .collect();
        assert_eq!(
            self.host.started, order,
            "each once and in order: {:?}",
            self.plan
        );
        for (number, pieces) in INPUTS {
            let fed = self.host.fed(invocation(number));
            assert_eq!(fed, pieces.concat(), "{:?}", self.plan);
        }
        let mut next = Seq::FIRST;
        let mut gaps = 0;
        for entry in &self.client.received {
            let (seq, _, kind, _) = entry;
            if let RecordKind::Gap(gap) = kind {
                assert_eq!(gap.first, next, "{:?}", self.plan);
                gaps += 1;
            } else {
                assert_eq!(*seq, next, "{:?}", self.plan);
                let index = usize::try_from(seq.0 - 1).expect("small");
                assert_eq!(*entry, self.host.log[index], "{:?}", self.plan);
            }
            next = seq.next();
        }
        assert_eq!(next, self.host.last().next(), "{:?}", self.plan);
        gaps
    }
}
