//! A visit that takes place: what is typed is shown, as a terminal does, and now and then more.

use bytes::Bytes;
use outlast_protocol::id::InvocationId;
use outlast_subsystem::host::simulation::{Hold, Host, Input};

use crate::ledger::Ledger;
use crate::pattern::Pattern;
use crate::random::Random;
use crate::violation::{Violation, ensure};
use crate::visits::Visit;

/// What the programs of one visit say at most, besides what is typed.
const SAID: u64 = 20_000;

/// The visit.
pub(super) struct Visiting {
    pub(super) invocation: InvocationId,
    number: u64,
    keys: u64,
    exits: bool,
    fed: u64,
    said: u64,
    /// It waits for its bell.
    pub(super) hungry: bool,
    /// Its input has ended.
    pub(super) left: bool,
}

impl Visiting {
    pub(super) fn new(visit: &Visit) -> Self {
        Self {
            invocation: visit.invocation,
            number: visit.number,
            keys: visit.keys,
            exits: visit.exits,
            fed: 0,
            said: 0,
            hungry: false,
            left: false,
        }
    }

    /// Whether its programs have something to say, and may.
    pub(super) fn can_say(&self, host: &Host) -> bool {
        self.said < SAID.min(self.fed.saturating_mul(40)) && host.terminal_hold() == Hold::No
    }

    pub(super) fn say(&mut self, host: &Host, random: &mut Random) {
        let count = random.size(SAID.saturating_sub(self.said));
        let bytes = Pattern::new(self.number, 1).bytes(self.said, to_usize(count));
        self.said = self.said.saturating_add(count);
        host.terminal_said(bytes.into());
    }

    /// Whether the shell's `exit` was typed.
    pub(super) fn has_exited(&self) -> bool {
        self.exits && self.fed >= self.keys
    }

    pub(super) fn types(
        &mut self,
        host: &Host,
        random: &mut Random,
        ledger: &mut Ledger,
    ) -> Result<(), Violation> {
        match host.next_input(self.invocation) {
            Input::Bytes(bytes) => {
                let count = to_usize(random.size(bytes.len() as u64));
                let typed = bytes.get(..count).unwrap_or_default();
                ensure(Pattern::new(self.number, 0).is_at(self.fed, typed), || {
                    format!(
                        "keystrokes: visit {} got wrong ones at {}",
                        self.number, self.fed
                    )
                })?;
                self.fed = self.fed.saturating_add(count as u64);
                ledger.visits.fed(self.invocation, self.fed);
                host.terminal_said(Bytes::copy_from_slice(typed));
                host.input_taken(self.invocation, count);
            }
            Input::Later => self.hungry = true,
            Input::End => self.left = true,
        }
        Ok(())
    }
}

fn to_usize(count: u64) -> usize {
    usize::try_from(count).unwrap_or_default()
}
