//! What happened in a world: a hash of everything, and the last events in words.

use std::collections::VecDeque;
use std::time::Duration;

use crate::action::Action;
use crate::random::mix;

/// Events kept for the report.
const KEPT: usize = 80;

/// The trace.
#[derive(Debug, Default)]
pub struct Trace {
    hash: u64,
    last: VecDeque<String>,
    events: VecDeque<(u64, Duration, Action)>,
}

impl Trace {
    /// Something is about to happen.
    pub fn note(&mut self, step: u64, now: Duration, action: &Action) {
        self.add(step);
        self.add(u64::try_from(now.as_micros()).unwrap_or(u64::MAX));
        for number in action.numbers() {
            self.add(number);
        }
        if self.events.len() >= KEPT {
            self.events.pop_front();
        }
        self.events.push_back((step, now, *action));
    }

    /// Something that is no action happened.
    pub fn say(&mut self, step: u64, now: Duration, words: String) {
        for byte in words.bytes() {
            self.add(byte.into());
        }
        if self.last.len() >= KEPT {
            self.last.pop_front();
        }
        self.last.push_back(format!("{step:6} {now:?} {words}"));
    }

    fn add(&mut self, number: u64) {
        self.hash = mix(self.hash.wrapping_add(number).wrapping_add(1));
    }

    /// The same for the same events.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The faults and milestones, then the last events.
    #[must_use]
    pub fn report(&self) -> String {
        let milestones = self.last.iter().cloned();
        let events = self
            .events
            .iter()
            .map(|(step, now, action)| format!("{step:6} {now:?} {action:?}"));
        let all: Vec<String> = milestones
            .chain(std::iter::once("  --".to_owned()))
            .chain(events)
            .collect();
        all.join("\n")
    }
}
