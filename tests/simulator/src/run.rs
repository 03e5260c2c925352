//! Running worlds: one, or many on all processors.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::plan::Plan;
use crate::world::World;

/// How a world went.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Steps it took.
    pub steps: u64,
    /// Faults in it.
    pub faults: u64,
    /// Links that were opened.
    pub links: u32,
    /// Records that were made.
    pub records: u64,
    /// Bytes that came through, up and down.
    pub carried: [u64; 2],
    /// What tells its course from any other.
    pub hash: u64,
    /// Output bytes that were told as lost.
    pub missing: u64,
    /// Most bytes that were under way in both directions of a channel at once.
    pub both_full: u64,
    /// Virtual time it took, in milliseconds.
    pub time_ms: u64,
}

/// A world in which a promise was broken.
#[derive(Clone, Debug)]
pub struct Failed {
    /// Its seed, or the number of its scenario's variant.
    pub seed: u64,
    /// At which step.
    pub step: u64,
    /// What.
    pub violation: String,
    /// The last events.
    pub trace: String,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}\nseed {}, step {}: {}",
            self.trace, self.seed, self.step, self.violation
        )
    }
}

/// Where worlds keep their files: in memory, if there is such a place.
fn parent() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() {
        memory
    } else {
        std::env::temp_dir()
    }
}

/// Runs a world to its end.
pub fn run(plan: Plan) -> Result<Report, Box<Failed>> {
    let seed = plan.seed;
    let broken = |step: u64, violation: String, trace: String| {
        Box::new(Failed {
            seed,
            step,
            violation,
            trace,
        })
    };
    let root = tempfile::Builder::new()
        .prefix("outlast-simulator-")
        .tempdir_in(parent())
        .map_err(|error| broken(0, format!("no place for files: {error}"), String::new()))?;
    let mut world = World::new(plan, root.path());
    match world.run() {
        Ok(()) => Ok(Report {
            steps: world.step,
            faults: world.faults,
            links: world.opened,
            records: world.computer.ledger.last().0,
            carried: world.carried,
            hash: world.trace.hash(),
            missing: world.missing(),
            both_full: world.both_full,
            time_ms: u64::try_from(world.now.as_millis()).unwrap_or(u64::MAX),
        }),
        Err(violation) => Err(broken(world.step, violation.0, world.trace.report())),
    }
}

/// Runs the world of each seed from `first` on, `count` of them, on all processors. Stops at the
/// first in which a promise is broken, or notes up to `most` of them.
#[must_use]
pub fn run_many(
    first: u64,
    count: u64,
    most: usize,
    plan: &(dyn Fn(u64) -> Plan + Sync),
) -> (Report, Vec<Failed>) {
    let next = AtomicU64::new(first);
    let end = first.saturating_add(count);
    let sum = Mutex::new((Report::default(), Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let result = run(plan(seed));
                    let Ok(mut sum) = sum.lock() else { return };
                    let (total, failed) = &mut *sum;
                    match result {
                        Ok(report) => total.add(&report),
                        Err(failure) => {
                            failed.push(Failed { seed, ..*failure });
                            if failed.len() >= most {
                                next.store(end, Ordering::Relaxed);
                            }
                        }
                    }
                }
            });
        }
    });
    let (report, mut failed) = sum.into_inner().unwrap_or_default();
    failed.sort_by_key(|failure| failure.seed);
    (report, failed)
}

impl Report {
    fn add(&mut self, other: &Self) {
        self.steps = self.steps.saturating_add(other.steps);
        self.faults = self.faults.saturating_add(other.faults);
        self.links = self.links.saturating_add(other.links);
        self.records = self.records.saturating_add(other.records);
        for (sum, carried) in self.carried.iter_mut().zip(other.carried) {
            *sum = sum.saturating_add(carried);
        }
        self.missing = self.missing.saturating_add(other.missing);
        self.both_full = self.both_full.max(other.both_full);
        self.time_ms = self.time_ms.saturating_add(other.time_ms);
    }
}
