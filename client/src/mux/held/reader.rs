//! A reader of a held session's log.

use std::rc::Rc;

use bytes::Bytes;
use outlast_protocol::id::{ReaderId, Seq};
use outlast_protocol::link::to_client::Record;
use tokio::sync::mpsc;

use super::Held;

/// What a reader hears.
pub(in crate::mux) enum Heard {
    Record(Record, Bytes),
    /// The modes of the terminal before that record, behind others that are missing.
    Modes(Seq, Bytes),
    /// Everything below `next` was sent; so many invocations run or wait. The last that is heard,
    /// if the session is over.
    CaughtUp {
        next: Seq,
        active: u32,
        last: bool,
    },
}

/// A reader of a held session's log. Closed when dropped.
pub(in crate::mux) struct Reader {
    pub(super) held: Rc<Held>,
    pub(super) id: ReaderId,
    pub(super) receiver: mpsc::UnboundedReceiver<Heard>,
}

impl Reader {
    /// What comes next; `None` when the session is not held any more. Cancel-safe.
    pub(in crate::mux) async fn next(&mut self) -> Option<Heard> {
        self.receiver.recv().await
    }

    /// Everything up to `seq` was written out.
    pub(in crate::mux) fn consumed(&self, seq: Seq) {
        self.held
            .inner
            .borrow_mut()
            .attachment
            .consumed(self.id, seq);
        self.held.wake.notify_one();
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut inner = self.held.inner.borrow_mut();
        inner.readers.remove(&self.id);
        inner.own.remove(&self.id);
        inner.attachment.close_reader(self.id);
        drop(inner);
        self.held.wake.notify_one();
    }
}
