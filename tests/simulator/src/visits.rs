//! The witness's book of visits: what was typed and arrived, and how each ended.

use std::collections::BTreeMap;
use std::time::Duration;

use outlast_protocol::id::InvocationId;
use outlast_protocol::link::TerminalSize;

use crate::violation::{Violation, ensure};

/// A visit to the session's terminal.
#[derive(Clone, Debug)]
pub struct Visit {
    /// Its ID, made before it is sent.
    pub invocation: InvocationId,
    /// The number of what is typed.
    pub number: u64,
    /// How much is typed.
    pub keys: u64,
    /// Whether the shell ends it behind that; else the visitor leaves.
    pub exits: bool,
    /// Whether it may wait for its turn.
    pub wait: bool,
    /// The visitor's terminal.
    pub size: TerminalSize,
    /// And its size when half is typed.
    pub resized: TerminalSize,
}

/// What became of one.
#[derive(Clone, Debug)]
pub struct Course {
    /// What was asked for.
    pub visit: Visit,
    /// By whom.
    pub user: usize,
    /// Keys that arrived.
    pub fed: u64,
    /// Whether it was taken out of its visitor's hands.
    pub shown_out: bool,
    /// When its visitor was there last.
    seen: Duration,
    began: Option<Beginning>,
}

#[derive(Clone, Copy, Debug)]
struct Beginning {
    at: Duration,
    /// What may take the session from its visitor, counted so far.
    disturbances: u64,
}

/// The book.
#[derive(Default)]
pub struct Visits {
    courses: BTreeMap<InvocationId, Course>,
    /// How often something was begun that may take the session from a visitor.
    pub disturbances: u64,
}

/// How long a visitor is waited for, at least.
const GRACE: Duration = Duration::from_secs(15);

impl Visits {
    /// A user asks for one.
    pub fn asked(&mut self, visit: &Visit, user: usize) {
        let course = Course {
            visit: visit.clone(),
            user,
            fed: 0,
            shown_out: false,
            seen: Duration::ZERO,
            began: None,
        };
        self.courses.insert(visit.invocation, course);
    }

    /// The visitor of one is there.
    pub fn seen(&mut self, invocation: InvocationId, now: Duration) {
        if let Some(course) = self.courses.get_mut(&invocation) {
            course.seen = now;
        }
    }

    /// One of them.
    #[must_use]
    pub fn course(&self, invocation: InvocationId) -> Option<&Course> {
        self.courses.get(&invocation)
    }

    /// Its turn has come.
    pub fn begins(&mut self, invocation: InvocationId, now: Duration) -> Result<&Visit, Violation> {
        let disturbances = self.disturbances;
        let course = self.courses.get_mut(&invocation);
        let course = course.ok_or_else(|| Violation("a visit nobody asked for".to_owned()))?;
        let before = course.began.replace(Beginning {
            at: now,
            disturbances,
        });
        ensure(before.is_none(), || {
            format!("at-most-once: visit {invocation} began a second time")
        })?;
        Ok(&course.visit)
    }

    /// The terminal is to get another size.
    pub fn resized(&self, size: TerminalSize) -> Result<(), Violation> {
        let mut all = self.courses.values().map(|course| &course.visit);
        ensure(all.any(|it| it.size == size || it.resized == size), || {
            format!("the terminal got the size {size:?}, which nobody has")
        })
    }

    /// Keys arrived at the terminal.
    pub fn fed(&mut self, invocation: InvocationId, fed: u64) {
        if let Some(course) = self.courses.get_mut(&invocation) {
            course.fed = fed;
        }
    }

    /// A visit was ended from outside. `disturbed` says whether somebody may take the session from
    /// that user now.
    pub fn shown_out(
        &mut self,
        invocation: InvocationId,
        now: Duration,
        disturbed: &dyn Fn(usize) -> bool,
    ) -> Result<(), Violation> {
        let disturbances = self.disturbances;
        let Some(course) = self.courses.get_mut(&invocation) else {
            return Ok(());
        };
        course.shown_out = true;
        let Some(began) = course.began else {
            return Ok(());
        };
        let away = now.saturating_sub(began.at.max(course.seen));
        let undisturbed = began.disturbances == disturbances && !disturbed(course.user);
        ensure(!undisturbed || away >= GRACE, || {
            format!("grace: visit {invocation} was ended {away:?} after its visitor was there")
        })
    }

    /// A visitor was told that it is over, in the usual way.
    pub fn over(&self, invocation: InvocationId) -> Result<(), Violation> {
        let Some(course) = self.courses.get(&invocation) else {
            return Ok(());
        };
        let (fed, keys) = (course.fed, course.visit.keys);
        ensure(course.shown_out || fed == keys, || {
            format!("keystrokes: of {keys} typed in visit {invocation}, {fed} arrived")
        })
    }
}
