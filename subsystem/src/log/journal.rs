//! Appending: memory first, then disk.

use bytes::Bytes;
use outlast_protocol::id::{InvocationId, Seq};
use outlast_rendezvous::{DirectoryError, PrivateDirectory};

use super::encoding::MAX_PAYLOAD;
use super::hold::Hold;
use super::lost::Lost;
use super::policy::{Buffering, Policy};
use super::position::Position;
use super::record::{GapCause, Record, RecordKind};
use super::share::Share;
use super::spool::Spool;
use super::status::{Status, Trouble};
use super::tail::Tail;

/// Output shorter than this is copied on arrival: as a slice it would keep its whole read buffer
/// alive, and the memory bound would mean nothing.
const COPY_BELOW: usize = 4096;

/// All that a session has said.
pub struct Log {
    pub(super) policy: Policy,
    pub(super) tail: Tail,
    pub(super) spool: Option<Spool>,
    pub(super) share: Option<Share>,
    /// The first record that is not on disk.
    pub(super) unwritten: Seq,
    pub(super) lost: Lost,
    pub(super) trouble: Option<Trouble>,
    /// What `Block` does not drop.
    pub(super) held: Hold,
    pub(super) now_ms: u64,
    pub(super) scratch: Vec<u8>,
    /// Records that are nowhere any more, where somebody wants to have a last look at them.
    pub(super) dropped: Option<Vec<Record>>,
    /// Bytes written since the active segment was last seen to have a name.
    pub(super) unchecked: usize,
}

impl Log {
    /// Starts the log of a new session in `session`, the session's directory. `epoch` tells it
    /// from any other log there has been under that name. `Drop` makes no file.
    pub fn create(
        session: &PrivateDirectory,
        epoch: u64,
        policy: Policy,
    ) -> Result<Self, DirectoryError> {
        let spool = match policy.buffering {
            Buffering::Drop => None,
            Buffering::Spool | Buffering::Block => Some(Spool::create(session, epoch)?),
        };
        Ok(Self::new(policy, spool, Position::START))
    }

    /// A log that makes no file, whatever the policy says.
    #[must_use]
    pub fn in_memory(policy: Policy) -> Self {
        Self::new(policy, None, Position::START)
    }

    /// Keeps to a share of what all logs of a user may keep. A log with few segments may always
    /// have those, so that a new session is not silenced by old ones.
    #[must_use]
    pub fn with_share(mut self, share: Share) -> Self {
        self.share = Some(share);
        self
    }

    pub(super) fn new(policy: Policy, spool: Option<Spool>, end: Position) -> Self {
        Self {
            policy,
            tail: Tail::new(end),
            spool,
            share: None,
            unwritten: end.seq,
            lost: Lost::default(),
            trouble: None,
            held: Hold::ALL,
            now_ms: 0,
            scratch: Vec::new(),
            dropped: None,
            unchecked: 0,
        }
    }

    /// Has the records that are dropped without having been written kept for [`Self::dropped`].
    #[must_use]
    pub fn with_last_look(mut self) -> Self {
        self.dropped = Some(Vec::new());
        self
    }

    /// The records that were dropped since this was last asked, in order.
    pub fn dropped(&mut self) -> impl Iterator<Item = Record> {
        self.dropped
            .iter_mut()
            .flat_map(|records| records.drain(..))
    }

    /// Adds a record; `bytes` is the output, empty for every other kind. Output beyond
    /// [`MAX_PAYLOAD`] becomes several records. Returns the last one's number. Trouble with the
    /// disk is no error here: it shows in [`Log::status`], and as a gap in what readers get.
    pub fn append(
        &mut self,
        now_ms: u64,
        invocation: Option<InvocationId>,
        kind: RecordKind,
        mut bytes: Bytes,
    ) -> Seq {
        self.now_ms = now_ms;
        while bytes.len() > MAX_PAYLOAD {
            let piece = bytes.split_to(MAX_PAYLOAD);
            self.push(invocation, kind.clone(), piece);
        }
        self.push(invocation, kind, bytes)
    }

    fn push(&mut self, invocation: Option<InvocationId>, kind: RecordKind, bytes: Bytes) -> Seq {
        let seq = self.next();
        let bytes = if bytes.len() < COPY_BELOW {
            Bytes::copy_from_slice(&bytes)
        } else {
            bytes
        };
        self.tail.push(Record {
            seq,
            time_ms: self.now_ms,
            invocation,
            kind,
            bytes,
        });
        if self.tail.cost() > self.memory_limit() {
            self.flush();
            self.evict();
        }
        seq
    }

    fn memory_limit(&self) -> usize {
        if self.writes() {
            self.policy.memory_bytes
        } else {
            self.policy.ring_bytes()
        }
    }

    /// Output behind the record `seq`, as far as it is in memory.
    #[must_use]
    pub fn bytes_behind(&self, seq: Seq) -> u64 {
        let from = self.tail.locate(seq.next());
        let from = from.unwrap_or_else(|| self.tail.start());
        self.tail.end().offset.saturating_sub(from.offset)
    }

    /// Whether records are meant to go to disk.
    pub(super) fn writes(&self) -> bool {
        self.spool
            .as_ref()
            .is_some_and(|spool| !spool.is_read_only())
    }

    /// Drops the oldest records from memory: those on disk down to the memory bound, those that
    /// are nowhere else only when the ring is full.
    fn evict(&mut self) {
        while self.tail.cost() > self.policy.memory_bytes {
            let start = self.tail.start();
            if start.seq < self.unwritten {
                self.tail.pop();
                continue;
            }
            if self.tail.cost() <= self.policy.ring_bytes() {
                return;
            }
            if self.policy.buffering == Buffering::Block && self.held.has(start.seq) {
                return;
            }
            let record = self.tail.pop();
            if let Some(dropped) = &mut self.dropped {
                dropped.extend(record);
            }
            self.unwritten = self.tail.start().seq;
            let cause = if self.writes() {
                GapCause::Storage
            } else {
                GapCause::Quota
            };
            self.lost.push(start, self.tail.start(), cause);
        }
    }

    /// Sets what is still to be consumed, as ranges of first and last records, beside all that
    /// is yet to come. `Block` drops none of it. Of a new log everything is to be consumed.
    pub fn hold(&mut self, ranges: impl IntoIterator<Item = (Seq, Seq)>) {
        self.held = Hold::new(ranges, self.next());
    }

    /// Whether commands have to wait: in `Block`, when what is still to be consumed is about to
    /// fill the quota, or fills the memory while the disk fails.
    #[must_use]
    pub fn would_block(&self) -> bool {
        if self.policy.buffering != Buffering::Block {
            return false;
        }
        let pending = self.tail.cost_of(self.unwritten, |seq| self.held.has(seq));
        if self.trouble.is_some() {
            return pending >= self.policy.ring_bytes();
        }
        let segments = self.spool.iter().flat_map(|spool| &spool.segments);
        let held: u64 = segments
            .filter(|segment| self.held.overlaps(segment.start, segment.end))
            .map(|segment| segment.size)
            .sum();
        // Each command's pipes bring some more before they are asked again: the quota is what is
        // never exceeded, not what is aimed at.
        let most = self
            .policy
            .quota_bytes
            .saturating_sub(self.policy.segment_bytes());
        held.saturating_add(pending as u64) >= most
    }

    /// In `Spool`: whether what was not consumed, that is beyond `acked`, is about to be dropped.
    /// For an owner that would rather wait for a reader than lose what it is about to read.
    #[must_use]
    pub fn would_lose(&self, acked: Seq) -> bool {
        // Whole segments are dropped when the next one begins: one of room for each.
        let margin = self.policy.segment_bytes().saturating_mul(2);
        self.policy.buffering == Buffering::Spool
            && self.unread(acked) >= self.policy.quota_bytes.saturating_sub(margin)
    }

    /// Whether a reader that has consumed everything up to `acked` is about as far as the log.
    #[must_use]
    pub fn is_near(&self, acked: Seq) -> bool {
        self.unread(acked) < self.policy.segment_bytes()
    }

    /// Bytes beyond `acked`. While the disk fails, a full memory counts as the whole quota.
    fn unread(&self, acked: Seq) -> u64 {
        let pending = self.tail.cost_of(self.unwritten, |seq| seq > acked);
        if self.trouble.is_some() {
            let full = pending >= self.policy.ring_bytes();
            return if full { self.policy.quota_bytes } else { 0 };
        }
        let segments = self.spool.iter().flat_map(|spool| &spool.segments);
        let unread: u64 = segments
            .filter(|segment| segment.end.seq > acked.next())
            .map(|segment| {
                let mark = segment.mark(acked.next());
                segment.size.saturating_sub(mark.map_or(0, |mark| mark.at))
            })
            .sum();
        unread.saturating_add(pending as u64)
    }

    /// The oldest record there still is; [`Log::next`] if there is none.
    #[must_use]
    pub fn first(&self) -> Seq {
        let oldest = self.spool.as_ref().and_then(|spool| spool.segments.front());
        let in_memory = self.tail.start().seq;
        oldest.map_or(in_memory, |segment| segment.start.seq.min(in_memory))
    }

    /// The place the next record will have.
    #[must_use]
    pub fn end(&self) -> Position {
        self.tail.end()
    }

    /// The number the next record will get.
    #[must_use]
    pub fn next(&self) -> Seq {
        self.tail.end().seq
    }

    /// Output bytes that can still be read.
    #[must_use]
    pub fn retained_bytes(&self) -> u64 {
        let in_memory = self.tail.start().offset;
        let segments = self.spool.iter().flat_map(|spool| &spool.segments);
        let only_on_disk: u64 = segments
            .map(|segment| (segment.start.offset, segment.end.offset.min(in_memory)))
            .map(|(start, end)| end.saturating_sub(start))
            .sum();
        only_on_disk + (self.tail.end().offset - in_memory)
    }

    /// The log's state of health.
    #[must_use]
    pub fn status(&self) -> Status {
        let spool = self.spool.as_ref();
        Status {
            disk_error: self.trouble.as_ref().map(|it| it.error.to_string()),
            segments: spool.map_or(0, |spool| spool.segments.len()),
            disk_bytes: spool.map_or(0, Spool::size),
            memory_bytes: self.tail.cost(),
            lost_records: self.lost.records,
            lost_bytes: self.lost.bytes,
        }
    }
}
