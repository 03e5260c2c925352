//! One reader of the log on one link: where it is, what it wants, how much it may be sent.

use std::collections::{BTreeMap, VecDeque};

use outlast_protocol::id::{InvocationId, ReaderId, Seq};
use outlast_protocol::limits::{MAX_CREDIT, RECORD_COST};
use outlast_protocol::link::From;
use outlast_protocol::link::to_host::ReaderOpen;
use outlast_protocol::record::RecordKind;

use super::core::Core;
use crate::log::{Cursor, From as Start, MAX_PAYLOAD, Record};

/// A reader.
pub(super) struct Reader {
    id: ReaderId,
    cursor: Cursor,
    only: Option<InvocationId>,
    skip: BTreeMap<InvocationId, Seq>,
    credit: u64,
    unacknowledged: VecDeque<(Seq, u64)>,
    outstanding: u64,
    told: Option<(Seq, u32)>,
}

/// What a reader has to say next.
pub(super) enum Next {
    /// This record.
    Record(Box<Record>),
    /// It has been sent everything; so many invocations run or wait.
    CaughtUp(Seq, u32),
    /// Nothing for now.
    Nothing,
}

impl Reader {
    pub(super) fn open(request: &ReaderOpen, core: &Core) -> Self {
        let first_of = request
            .only
            .and_then(|invocation| core.invocations.from(invocation));
        let start = match (request.from, first_of) {
            // Before its submission an invocation has no records: no need to look there.
            (From::Start, Some(seq)) => Start::Seq(seq),
            (From::Start, None) => Start::Start,
            (From::Seq(seq), _) => Start::Seq(seq),
            (From::Tail(count), _) => Start::Tail(count),
        };
        let cursor = core.log.cursor(start);
        let before = Seq(cursor.position().seq.0.saturating_sub(1));
        Self {
            id: request.reader,
            cursor,
            only: request.only,
            skip: request.skip.iter().copied().collect(),
            credit: u64::from(request.credit.clamp(1, MAX_CREDIT)),
            unacknowledged: VecDeque::from([(before, request.owed)]),
            outstanding: request.owed,
            told: None,
        }
    }

    pub(super) fn id(&self) -> ReaderId {
        self.id
    }

    /// The client consumed everything up to `seq`.
    pub(super) fn acknowledge(&mut self, seq: Seq) {
        while let Some((sent, cost)) = self.unacknowledged.front().copied() {
            if sent > seq {
                break;
            }
            self.unacknowledged.pop_front();
            self.outstanding = self.outstanding.saturating_sub(cost);
        }
    }

    fn wants(&self, record: &Record) -> bool {
        if matches!(record.kind, RecordKind::Gap(_)) {
            return true;
        }
        let Some(invocation) = record.invocation else {
            return self.only.is_none();
        };
        self.only.is_none_or(|only| only == invocation)
            && self
                .skip
                .get(&invocation)
                .is_none_or(|received| record.seq > *received)
    }

    /// What to send next within the credit.
    pub(super) fn next(&mut self, core: &mut Core) -> Next {
        if self.outstanding >= self.credit {
            return Next::Nothing;
        }
        while let Ok(Some(record)) = core.log.read(&mut self.cursor, MAX_PAYLOAD) {
            if !self.wants(&record) {
                continue;
            }
            let cost = RECORD_COST.saturating_add(record.bytes.len() as u64);
            self.outstanding = self.outstanding.saturating_add(cost);
            self.unacknowledged.push_back((record.seq, cost));
            return Next::Record(Box::new(record));
        }
        let now = (core.log.next(), core.invocations.active());
        if self.told == Some(now) {
            return Next::Nothing;
        }
        self.told = Some(now);
        Next::CaughtUp(now.0, now.1)
    }
}
