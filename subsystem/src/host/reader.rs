//! One reader of the log on one link: where it is, what it wants, how much it may be sent.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use bytes::Bytes;
use outlast_protocol::id::{InvocationId, ReaderId, Seq};
use outlast_protocol::limits::{MAX_CREDIT, RECORD_COST};
use outlast_protocol::link::to_host::ReaderOpen;
use outlast_protocol::link::{From, Source};
use outlast_protocol::record::RecordKind;

use super::core::Core;
use super::places::Sent;
use crate::log::{Cursor, From as Start, Log, MAX_PAYLOAD, Position, Record};

/// A reader.
pub(super) struct Reader {
    id: ReaderId,
    source: Source,
    cursor: Cursor,
    only: Option<InvocationId>,
    skip: BTreeMap<InvocationId, Seq>,
    credit: u64,
    /// Behind the last record the client has consumed.
    consumed: Position,
    unacknowledged: Rc<RefCell<VecDeque<Sent>>>,
    outstanding: u64,
    told: Option<(Seq, u32)>,
    /// What a gap turned into that has outcomes in it.
    pieces: VecDeque<(Record, Position)>,
    /// The record of the terminal before which the modes are to be told: what it is to be read
    /// behind is not there.
    missing: Option<Seq>,
    /// The one before which they were.
    told_modes: Option<Seq>,
}

/// What a reader has to say next.
pub(super) enum Next {
    /// This record.
    Record(Box<Record>),
    /// What brings a terminal to the modes it had before that record.
    Modes(Seq, Bytes),
    /// It has been sent everything; so many invocations run or wait.
    CaughtUp(Seq, u32),
    /// Nothing for now.
    Nothing,
}

impl Reader {
    pub(super) fn open(request: &ReaderOpen, core: &mut Core) -> Self {
        let first_of = request
            .only
            .and_then(|invocation| core.invocations.from(invocation));
        let at = |seq: Seq| match request.source {
            Source::Log => core.place(seq).map_or(Start::Seq(seq), Start::Position),
            Source::Terminal => Start::Seq(seq),
        };
        let start = match (request.from, first_of) {
            // Before its submission an invocation has no records: no need to look there.
            (From::Start, Some(seq)) => at(seq),
            (From::Start, None) => Start::Start,
            (From::Seq(seq), _) => at(seq),
            (From::Tail(count), _) => Start::Tail(count),
            (From::Bytes(bytes), _) => Start::Bytes(bytes),
        };
        let cursor = log_of(request.source, core).cursor(start);
        let consumed = cursor.position();
        let owed = Sent {
            seq: Seq(consumed.seq.0.saturating_sub(1)),
            cost: request.owed,
            behind: consumed,
        };
        Self {
            id: request.reader,
            source: request.source,
            cursor,
            only: request.only,
            skip: request.skip.iter().copied().collect(),
            credit: u64::from(request.credit.clamp(1, MAX_CREDIT)),
            consumed,
            unacknowledged: Rc::new(RefCell::new(VecDeque::from([owed]))),
            outstanding: request.owed,
            told: None,
            pieces: VecDeque::new(),
            // Who goes on at a record has what is before it, or gets a gap.
            missing: (consumed.offset > 0 && !matches!(request.from, From::Seq(_)))
                .then_some(consumed.seq),
            told_modes: None,
        }
    }

    pub(super) fn id(&self) -> ReaderId {
        self.id
    }

    /// Which log it reads.
    pub(super) fn source(&self) -> Source {
        self.source
    }

    /// The one invocation it reads, if it does not read everything.
    pub(super) fn only(&self) -> Option<InvocationId> {
        self.only
    }

    /// What it was opened to skip: invocations the client has received further than the rest.
    pub(super) fn skipped(&self) -> impl Iterator<Item = (InvocationId, Seq)> {
        self.skip
            .iter()
            .map(|(invocation, seq)| (*invocation, *seq))
    }

    /// The visit that it reads the terminal for, if it says so: it skips nothing of that.
    pub(super) fn visit(&self) -> Option<InvocationId> {
        let mut named = self.skipped();
        let visit = named.find(|(_, received)| *received == Seq(0));
        visit.map(|(visit, _)| visit)
    }

    /// The last record before where it began, or that the client consumed.
    pub(super) fn consumed(&self) -> Seq {
        Seq(self.consumed.seq.0.saturating_sub(1))
    }

    /// Behind what the client has consumed.
    pub(super) fn place(&self) -> Position {
        self.consumed
    }

    /// What is on its way to the client: from behind any of it, it may go on.
    pub(super) fn way(&self) -> &Rc<RefCell<VecDeque<Sent>>> {
        &self.unacknowledged
    }

    /// The client consumed everything up to `seq`.
    pub(super) fn acknowledge(&mut self, seq: Seq) {
        let mut way = self.unacknowledged.borrow_mut();
        while let Some(sent) = way.front().filter(|sent| sent.seq <= seq) {
            self.outstanding = self.outstanding.saturating_sub(sent.cost);
            self.consumed = sent.behind;
            way.pop_front();
        }
    }

    fn wants(&self, record: &Record) -> bool {
        if matches!(record.kind, RecordKind::Gap(_)) {
            return true;
        }
        match record.invocation {
            Some(invocation) => self.wants_of(invocation, record.seq),
            None => self.only.is_none(),
        }
    }

    fn wants_of(&self, invocation: InvocationId, seq: Seq) -> bool {
        let received = self.skip.get(&invocation);
        self.only.is_none_or(|only| only == invocation)
            && received.is_none_or(|received| seq > *received)
    }

    /// What to send next within the credit.
    pub(super) fn next(&mut self, core: &mut Core) -> Next {
        if self.outstanding >= self.credit {
            return Next::Nothing;
        }
        loop {
            if let Some((seq, modes)) = self.modes(core) {
                return Next::Modes(seq, modes);
            }
            let Some((record, behind)) = self.read(core) else {
                break;
            };
            if !self.wants(&record) {
                continue;
            }
            let gap = matches!(record.kind, RecordKind::Gap(_));
            if gap && self.source == Source::Terminal && self.told_modes != Some(behind.seq) {
                // A link that is lost in between must not leave a gap behind and no modes: they
                // come first.
                self.pieces.push_front((record, behind));
                self.missing = Some(behind.seq);
                continue;
            }
            let cost = RECORD_COST.saturating_add(record.bytes.len() as u64);
            self.outstanding = self.outstanding.saturating_add(cost);
            self.unacknowledged.borrow_mut().push_back(Sent {
                seq: record.seq,
                cost,
                behind,
            });
            return Next::Record(Box::new(record));
        }
        let active = core.invocations.active();
        let now = (log_of(self.source, core).next(), active);
        if self.told == Some(now) {
            return Next::Nothing;
        }
        self.told = Some(now);
        Next::CaughtUp(now.0, now.1)
    }

    /// The modes that are to be told before the next record.
    fn modes(&mut self, core: &mut Core) -> Option<(Seq, Bytes)> {
        let seq = self.missing.take()?;
        self.told_modes = Some(seq);
        if self.source != Source::Terminal || self.only.is_some() {
            return None;
        }
        Some((seq, core.terminal.before(seq)?))
    }

    /// The next record there is, and the place behind it.
    fn read(&mut self, core: &mut Core) -> Option<(Record, Position)> {
        if self.pieces.is_empty() {
            let before = self.cursor.position();
            let log = log_of(self.source, core);
            let record = log.read(&mut self.cursor, MAX_PAYLOAD).ok()??;
            let behind = self.cursor.position();
            let wanted = |invocation, seq| self.wants_of(invocation, seq);
            self.pieces = match self.source {
                Source::Log => core.outcomes.restore(record, before, behind, wanted),
                Source::Terminal => VecDeque::from([(record, behind)]),
            };
        }
        self.pieces.pop_front()
    }
}

fn log_of(source: Source, core: &mut Core) -> &mut Log {
    match source {
        Source::Log => &mut core.log,
        Source::Terminal => core.terminal.log(),
    }
}
