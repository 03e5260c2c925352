//! The terminal of a held session.

use std::rc::Rc;

use outlast_protocol::id::{InvocationId, Seq};
use outlast_protocol::link::to_host::ReaderOpen;
use outlast_protocol::link::{From, Source, TerminalSize};

use super::{Held, Reader, from_everything};

impl Held {
    /// Opens a reader of what the session's terminal shows, for that visit or look and no other: it
    /// skips nothing of it, which tells the host.
    pub(in crate::mux) fn open_terminal(
        self: &Rc<Self>,
        from: From,
        visit: InvocationId,
    ) -> Reader {
        self.open(ReaderOpen {
            skip: vec![(visit, Seq(0))],
            ..from_everything(Source::Terminal, from)
        })
    }

    /// A command line shows the session's terminal until the returned value is dropped.
    pub(in crate::mux) fn show(self: &Rc<Self>, size: TerminalSize) -> Showing {
        let mut inner = self.inner.borrow_mut();
        inner.shown = inner.shown.saturating_add(1);
        inner.attachment.resize(size);
        drop(inner);
        self.wake.notify_one();
        Showing { held: self.clone() }
    }
}

/// A command line that shows the terminal of a held session.
pub(in crate::mux) struct Showing {
    held: Rc<Held>,
}

impl Showing {
    /// Its own terminal has another size now.
    pub(in crate::mux) fn resize(&self, size: TerminalSize) {
        self.held.inner.borrow_mut().attachment.resize(size);
        self.held.wake.notify_one();
    }
}

impl Drop for Showing {
    fn drop(&mut self) {
        let mut inner = self.held.inner.borrow_mut();
        inner.shown = inner.shown.saturating_sub(1);
        if inner.shown == 0 {
            inner.attachment.forget_size();
        }
    }
}
