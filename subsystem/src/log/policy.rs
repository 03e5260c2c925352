//! How much a log keeps, and what gives when that is full.

pub use outlast_protocol::session::Buffering;

/// A log's bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What gives when the quota is reached.
    pub buffering: Buffering,
    /// Bytes on disk.
    pub quota_bytes: u64,
    /// Bytes in memory, for readers that keep up.
    pub memory_bytes: usize,
    /// Bytes of one segment file, the unit in which output is dropped.
    pub segment_bytes: u64,
}

/// Memory used where the disk is not, or cannot be.
const RING_BYTES: usize = 1024 * 1024;
/// A quota is at least this many segments, so that dropping one leaves most.
pub(super) const MIN_SEGMENTS: u64 = 4;
/// Segments outside these sizes make no sense, or make recovery read too much at once.
const SEGMENT_RANGE: (u64, u64) = (4 * 1024, MAX_SEGMENT / 2);
/// Longest segment file that is read.
pub(super) const MAX_SEGMENT: u64 = 16 * 1024 * 1024;

impl Policy {
    /// Memory used while the disk cannot be.
    pub(super) fn ring_bytes(&self) -> usize {
        self.memory_bytes.max(RING_BYTES)
    }

    pub(super) fn segment_bytes(&self) -> u64 {
        let (least, most) = SEGMENT_RANGE;
        let bytes = self.segment_bytes.min(self.quota_bytes / MIN_SEGMENTS);
        bytes.clamp(least, most)
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            buffering: Buffering::Spool,
            quota_bytes: 64 * 1024 * 1024,
            memory_bytes: 256 * 1024,
            segment_bytes: 1024 * 1024,
        }
    }
}
