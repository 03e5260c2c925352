//! What happened in a round, for its summary.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;

#[derive(Default)]
pub(crate) struct Counts(Mutex<Inner>);

#[derive(Clone, Default)]
struct Inner {
    counts: BTreeMap<&'static str, u64>,
    peaks: BTreeMap<&'static str, u64>,
}

impl Counts {
    pub(crate) fn add(&self, what: &'static str, count: u64) {
        let mut inner = self.0.lock().unwrap();
        *inner.counts.entry(what).or_default() += count;
    }

    pub(crate) fn one(&self, what: &'static str) {
        self.add(what, 1);
    }

    pub(crate) fn peak(&self, what: &'static str, value: u64) {
        let mut inner = self.0.lock().unwrap();
        let peak = inner.peaks.entry(what).or_default();
        *peak = value.max(*peak);
    }

    /// The highest value of a peak; 0 where none was seen.
    pub(crate) fn highest(&self, what: &str) -> u64 {
        self.0.lock().unwrap().peaks.get(what).copied().unwrap_or(0)
    }

    /// Takes another round's counts in.
    pub(crate) fn take_in(&self, other: &Self) {
        let other = other.0.lock().unwrap().clone();
        for (what, count) in other.counts {
            self.add(what, count);
        }
        for (what, value) in other.peaks {
            self.peak(what, value);
        }
    }

    pub(crate) fn line(&self) -> String {
        let inner = self.0.lock().unwrap();
        let mut line = String::new();
        for (what, count) in &inner.counts {
            let _ = write!(line, "{what} {count}, ");
        }
        for (what, value) in &inner.peaks {
            let _ = write!(line, "{what} ≤ {value}, ");
        }
        line.trim_end_matches(", ").to_owned()
    }
}
