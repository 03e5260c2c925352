//! What the user of one client has got of a session through all of its command lines.

use outlast_protocol::id::Seq;

/// How the user stands to one record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// It has not come.
    #[default]
    Due,
    /// A command line wrote it out; its mux does not know yet.
    Written,
    /// The mux knows; the disk does not.
    Noted,
    /// The mux has saved that.
    Saved,
    /// It was written out, and a mux that died took the knowledge with it.
    Forgotten,
}

/// What a user has got.
#[derive(Clone, Debug, Default)]
pub struct Got(Vec<State>);

impl Got {
    fn state(&mut self, seq: Seq) -> &mut State {
        let at = usize::try_from(seq.0).unwrap_or_default();
        if self.0.len() <= at {
            self.0.resize(at.saturating_add(1), State::Due);
        }
        // It was made long enough just now.
        #[allow(clippy::indexing_slicing)]
        &mut self.0[at]
    }

    fn look(&self, seq: Seq) -> State {
        let at = usize::try_from(seq.0).unwrap_or(usize::MAX);
        self.0.get(at).copied().unwrap_or_default()
    }

    /// A command line wrote it out, or a gap that covers it.
    pub fn written(&mut self, seq: Seq) {
        let state = self.state(seq);
        if matches!(state, State::Due | State::Forgotten) {
            *state = State::Written;
        }
    }

    /// The mux heard that it was written out.
    pub fn noted(&mut self, seq: Seq) {
        let state = self.state(seq);
        if *state == State::Written {
            *state = State::Noted;
        }
    }

    /// The mux has saved what it knows.
    pub fn saved(&mut self) {
        for state in self.0.iter_mut().filter(|state| **state == State::Noted) {
            *state = State::Saved;
        }
    }

    /// The mux died.
    pub fn forgotten(&mut self) {
        for state in &mut self.0 {
            if matches!(state, State::Noted | State::Written) {
                *state = State::Forgotten;
            }
        }
    }

    /// Whether it was written out at some time.
    #[must_use]
    pub fn has(&self, seq: Seq) -> bool {
        self.look(seq) != State::Due
    }

    /// Whether the mux knows that it was, so that it must not come again.
    #[must_use]
    pub fn is_noted(&self, seq: Seq) -> bool {
        matches!(self.look(seq), State::Noted | State::Saved)
    }
}
