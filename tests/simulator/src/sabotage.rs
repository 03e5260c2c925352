//! Promises broken on purpose, in the client or on the way, to see that it is noticed: a check
//! that cannot fail proves nothing.

use bytes::Bytes;
use outlast_protocol::id::{InvocationId, Seq};
use outlast_protocol::link::to_client::Record;
use outlast_protocol::link::to_host::Submit;
use outlast_protocol::record::RecordKind;
use uuid::Uuid;

use crate::task::Heard;

/// What is done wrong, once or always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// A record is delivered twice.
    Repeat,
    /// A record is left out.
    Omit,
    /// Two records change places.
    Swap,
    /// A byte of output is altered.
    Alter,
    /// A gap is kept from the user.
    HideGap,
    /// A gap is made up.
    InventGap,
    /// What was consumed is not acknowledged.
    DropAck,
    /// A command that is submitted again gets another ID.
    NewId,
    /// A command's end is kept from the user.
    HideOutcome,
}

/// Who does it.
#[derive(Clone, Debug, Default)]
pub struct Saboteur {
    what: Option<Sabotage>,
    seen: u64,
    held: Option<(Record, Bytes)>,
    submitted: Vec<InvocationId>,
}

impl Saboteur {
    /// One who does that.
    #[must_use]
    pub fn new(what: Sabotage) -> Self {
        Self {
            what: Some(what),
            ..Self::default()
        }
    }

    /// What becomes of a record on its way to its reader.
    pub fn records(&mut self, record: Record, body: Bytes) -> Vec<Heard> {
        let output = matches!(record.kind, RecordKind::Output(_));
        let same = |record: Record, body: Bytes| vec![Heard::Record(record, body)];
        let Some(what) = self.what else {
            return same(record, body);
        };
        match (what, &record.kind) {
            (Sabotage::HideGap, RecordKind::Gap(_))
            | (Sabotage::HideOutcome, RecordKind::Completed(_)) => return Vec::new(),
            _ => {}
        }
        self.seen = self.seen.saturating_add(u64::from(output));
        if let Some((held, bytes)) = self.held.take() {
            return vec![Heard::Record(record, body), Heard::Record(held, bytes)];
        }
        if !output || self.seen != 3 {
            return same(record, body);
        }
        match what {
            Sabotage::Repeat => vec![
                Heard::Record(record.clone(), body.clone()),
                Heard::Record(record, body),
            ],
            Sabotage::Omit => Vec::new(),
            Sabotage::Swap => {
                self.held = Some((record, body));
                Vec::new()
            }
            Sabotage::Alter => {
                let mut bytes = body.to_vec();
                if let Some(last) = bytes.last_mut() {
                    *last ^= 1;
                }
                same(record, bytes.into())
            }
            Sabotage::InventGap => {
                let gap = outlast_protocol::record::Gap {
                    first: record.seq,
                    bytes: body.len() as u64,
                    cause: outlast_protocol::record::GapCause::Quota,
                };
                let kind = RecordKind::Gap(gap);
                let invocation = None;
                same(
                    Record {
                        kind,
                        invocation,
                        ..record
                    },
                    Bytes::new(),
                )
            }
            _ => same(record, body),
        }
    }

    /// Whether an acknowledgement gets lost.
    #[must_use]
    pub fn drops_ack(&self) -> bool {
        self.what == Some(Sabotage::DropAck)
    }

    /// What becomes of a submission.
    pub fn submission(&mut self, mut submit: Submit) -> Submit {
        if self.what == Some(Sabotage::NewId) {
            if self.submitted.contains(&submit.invocation) {
                let other = submit.invocation.0.as_u128() ^ u128::from(Seq::FIRST.0);
                submit.invocation = InvocationId(Uuid::from_u128(other));
            } else {
                self.submitted.push(submit.invocation);
            }
        }
        submit
    }
}
