//! One reader of a held session's log, on this side.

use std::rc::Rc;

use bytes::Bytes;
use outlast_protocol::id::{ReaderId, Seq};
use outlast_protocol::link::to_client::Record;
use tokio::sync::mpsc;

use super::held::Held;

/// What a reader hears.
pub(super) enum Heard {
    Record(Record, Bytes),
    /// Everything below `next` was sent; so many invocations run or wait.
    CaughtUp {
        next: Seq,
        active: u32,
    },
}

/// A reader of a held session's log. Closed when dropped.
pub(super) struct Reader {
    held: Rc<Held>,
    id: ReaderId,
    receiver: mpsc::UnboundedReceiver<Heard>,
}

impl Reader {
    pub(super) fn new(
        held: Rc<Held>,
        id: ReaderId,
        receiver: mpsc::UnboundedReceiver<Heard>,
    ) -> Self {
        Self { held, id, receiver }
    }

    /// What comes next; `None` when the session is not held any more. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Heard> {
        self.receiver.recv().await
    }

    /// Everything up to `seq` was written out.
    pub(super) fn consumed(&self, seq: Seq) {
        self.held.consumed(self.id, seq);
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.held.close_reader(self.id);
    }
}
