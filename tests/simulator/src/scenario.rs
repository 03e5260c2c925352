//! Worlds that are made on purpose: one conversation that is broken behind every byte and at
//! every step, and links under the worst load.

use std::str::FromStr;
use std::time::Duration;

use outlast_subsystem::log::Policy;

use crate::fault::Fault;
use crate::job::Job;
use crate::plan::{Plan, Script};
use crate::run::{Failed, Report, run};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// The conversation, broken in that direction (0 up, 1 down) behind that byte.
    Byte(Fault, usize, u64),
    /// The conversation, with a fault at that step.
    Step(Fault, u64),
    /// So many megabytes of backlog over links that live for two seconds.
    Backlog(u64),
    /// Both directions of every new link filled up before anything comes through.
    BothFull,
    /// Visits one after the other, and a client that is lost whole at that step.
    Visits(u64),
}

/// How a connection breaks behind every byte.
pub const CUTS: [(&str, Fault); 3] = [
    ("cut", Fault::Cut),
    ("late", Fault::Late),
    ("silence", Fault::Silence),
];

/// What dies at every step.
pub const CRASHES: [(&str, Fault); 6] = [
    ("mux", Fault::CrashMux),
    ("cli", Fault::CrashCli),
    ("client", Fault::CrashClient),
    ("host", Fault::CrashHost),
    ("power", Fault::PowerCut),
    ("relay", Fault::KillRelay),
];

impl Scenario {
    /// Its laws.
    #[must_use]
    pub fn plan(self) -> Plan {
        match self {
            Self::Byte(fault, direction, byte) => Plan {
                cut_at: Some((direction, byte, fault)),
                ..conversation()
            },
            Self::Step(fault, step) => Plan {
                fault_at: Some((step, fault)),
                ..conversation()
            },
            Self::Backlog(megabytes) => backlog(megabytes),
            Self::BothFull => both_full(),
            Self::Visits(step) => Plan {
                fault_at: Some((step, Fault::CrashClient)),
                ..visits()
            },
        }
    }

    /// Runs it.
    pub fn run(self) -> Result<Report, Box<Failed>> {
        run(self.plan())
    }
}

/// A conversation with a bit of everything: standard input, both outputs, a command nobody waits
/// for, one with late output, receiving, leaving, coming back.
#[must_use]
pub fn conversation() -> Plan {
    let invoke = |number, output, input, detached, parallel| Script::Invoke {
        job: Job {
            output,
            input: if input == 0 { 0 } else { u64::MAX },
            late: if detached { 40 } else { 0 },
            asks: number == 2,
            ..Job::new(number)
        },
        input: (input > 0).then_some(input),
        detached,
        parallel,
    };
    let script = vec![
        invoke(1, [700, 90], 300, false, false),
        invoke(2, [60, 10], 0, false, true),
        invoke(3, [250, 30], 0, true, false),
        Script::Visit {
            keys: 40,
            parallel: true,
        },
        invoke(5, [30, 0], 0, false, true),
        Script::Receive,
        Script::Disconnect,
        invoke(4, [40, 10], 20, false, false),
    ];
    Plan {
        chunk: 512,
        capacity: 4096,
        credit: 500,
        fault_steps: 100_000,
        most_steps: 300_000,
        saves: true,
        script: Some(script),
        ..Plan::calm(1)
    }
}

/// One visit, one that waits behind it, and one that comes when both are over or lost.
#[must_use]
pub fn visits() -> Plan {
    let visit = |parallel| Script::Visit { keys: 40, parallel };
    Plan {
        script: Some(vec![visit(false), visit(true), visit(false)]),
        ..conversation()
    }
}

fn backlog(megabytes: u64) -> Plan {
    let job = Job {
        output: [megabytes.saturating_mul(1 << 20), 0],
        ..Job::new(1)
    };
    let policy = Policy {
        quota_bytes: megabytes.saturating_mul(2 << 20).max(64 << 20),
        ..Policy::default()
    };
    let script = vec![
        Script::Invoke {
            job,
            input: None,
            detached: true,
            parallel: false,
        },
        Script::Disconnect,
        Script::Receive,
    ];
    Plan {
        policy,
        capacity: 2_200_000,
        tick_us: 20,
        link_life: Some(Duration::from_secs(2)),
        // A link of 100 Mbit/s.
        bytes_per_ms: Some(12_500),
        patient: true,
        fault_steps: u64::MAX,
        most_steps: u64::MAX,
        script: Some(script),
        ..Plan::calm(2)
    }
}

fn both_full() -> Plan {
    let megabyte = 1 << 20;
    let invoke = |number| Script::Invoke {
        job: Job {
            output: [6 * megabyte, 2 * megabyte],
            input: u64::MAX,
            ..Job::new(number)
        },
        input: Some(2 * megabyte),
        detached: false,
        parallel: true,
    };
    Plan {
        capacity: 2_200_000,
        tick_us: 20,
        stall: Some(Duration::from_secs(15)),
        link_life: Some(Duration::from_secs(17)),
        bytes_per_ms: Some(4_000),
        cut_at: Some((1, 3_000_000, Fault::Cut)),
        fault_steps: u64::MAX,
        most_steps: u64::MAX,
        script: Some((1..=4).map(invoke).collect()),
        ..Plan::calm(3)
    }
}

/// Every scenario of the conversation, each `stride`th byte and step.
pub fn every(stride: u64) -> Result<Vec<Scenario>, Box<Failed>> {
    let whole = run(conversation())?;
    let stride = usize::try_from(stride.max(1)).unwrap_or(1);
    let mut all = Vec::new();
    for (_, fault) in CUTS {
        for (direction, carried) in whole.carried.iter().enumerate() {
            let bytes = (1..=*carried).step_by(stride);
            all.extend(bytes.map(|byte| Scenario::Byte(fault, direction, byte)));
        }
    }
    for (_, fault) in CRASHES {
        let steps = (1..=whole.steps).step_by(stride);
        all.extend(steps.map(|step| Scenario::Step(fault, step)));
    }
    Ok(all)
}

impl std::fmt::Display for Scenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = |of: &[(&'static str, Fault)], fault: &Fault| {
            let found = of.iter().find(|(_, it)| it == fault);
            found.map_or("?", |(name, _)| *name)
        };
        match self {
            Self::Byte(fault, direction, byte) => {
                let direction = if *direction == 0 { "up" } else { "down" };
                write!(f, "{}:{direction}:{byte}", name(&CUTS, fault))
            }
            Self::Step(fault, step) => write!(f, "{}:step:{step}", name(&CRASHES, fault)),
            Self::Backlog(megabytes) => write!(f, "backlog:{megabytes}"),
            Self::BothFull => f.write_str("both-full"),
            Self::Visits(step) => write!(f, "visits:{step}"),
        }
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || {
            format!(
                "{text:?} is no scenario: try cut:down:100, late:up:20, silence:up:3, \
                 mux:step:50, host:step:9, backlog:200, both-full, visits:90"
            )
        };
        let of = |list: &[(&'static str, Fault)], name: &str| {
            let found = list.iter().find(|(it, _)| *it == name);
            found.map(|(_, fault)| *fault).ok_or_else(unknown)
        };
        let number = |text: &str| text.parse::<u64>().map_err(|_| unknown());
        let parts: Vec<&str> = text.split(':').collect();
        match parts.as_slice() {
            ["both-full"] => Ok(Self::BothFull),
            ["backlog", megabytes] => Ok(Self::Backlog(number(megabytes)?)),
            ["visits", step] => Ok(Self::Visits(number(step)?)),
            [name, "up", byte] => Ok(Self::Byte(of(&CUTS, name)?, 0, number(byte)?)),
            [name, "down", byte] => Ok(Self::Byte(of(&CUTS, name)?, 1, number(byte)?)),
            [name, "step", step] => Ok(Self::Step(of(&CRASHES, name)?, number(step)?)),
            _ => Err(unknown()),
        }
    }
}
