//! The session's terminal, its visits and what programs ask there, for a simulator.

use bytes::Bytes;
use outlast_protocol::id::{InvocationId, Seq};
use outlast_protocol::link::TerminalSize;

use super::{Cursor, Duration, Hold, Host, MAX_PAYLOAD, Record, Wait};

impl Host {
    /// Those who wait, in the order of their turns.
    #[must_use]
    pub fn waiting(&self) -> Vec<InvocationId> {
        self.session.core().invocations.waiting().collect()
    }

    /// Shows a visitor out who has been gone for long enough. Returns when to look again.
    pub fn look_at_visitor(&self) -> Option<Duration> {
        let left = self.session.core().show_out_the_absent()?;
        Some(self.clock.now().saturating_add(left))
    }

    /// Whether the visitor is to go.
    #[must_use]
    pub fn visitor_leaves(&self) -> bool {
        self.session.core().invocations.leaves()
    }

    /// The terminal said something.
    pub fn terminal_said(&self, bytes: Bytes) {
        self.session.terminal_said(bytes);
    }

    /// Whether it must wait for its visitor.
    #[must_use]
    pub fn terminal_hold(&self) -> Hold {
        let now = self.clock.now();
        match self.session.core().terminal.wait(now) {
            Wait::No => Hold::No,
            Wait::AtMost(left) => Hold::AtMost(left),
            Wait::ForReader => Hold::ForReader,
        }
    }

    /// The size that the terminal is to get, once.
    #[must_use]
    pub fn take_size(&self) -> Option<TerminalSize> {
        self.session.core().take_size()
    }

    /// The oldest record of what the terminal showed that there still is.
    #[must_use]
    pub fn terminal_first(&self) -> Seq {
        self.session.core().terminal.log().first()
    }

    /// A reader of what the terminal showed, for a witness who sees everything.
    #[must_use]
    pub fn terminal_witness(&self) -> Cursor {
        let mut core = self.session.core();
        core.terminal.log().cursor(crate::log::From::Start)
    }

    /// What that witness sees next.
    pub fn see_terminal(&self, cursor: &mut Cursor) -> std::io::Result<Option<Record>> {
        self.session.core().terminal.log().read(cursor, MAX_PAYLOAD)
    }

    /// A program of that invocation asks for something that is not shown.
    pub fn ask(&self, invocation: InvocationId, text: &str) {
        self.session.ask(invocation, text.to_owned());
    }

    /// It asks no more.
    pub fn ask_no_more(&self) {
        self.session.ask_no_more();
    }

    /// What it is answered, once; none in it where nobody could be asked.
    #[must_use]
    pub fn take_answer(&self) -> Option<Option<String>> {
        let answer = self.session.core().questions.take_answer();
        answer.map(|text| text.map(|text| text.reveal().to_owned()))
    }
}
