//! Bringing the planned faults about.

use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use outlast_tests::process;
use rustix::process::Signal;

use crate::counts::Counts;
use crate::plan::{Fault, MACHINES};
use crate::stage::{Stage, kill_one, local_relays, muxes, peak_memory_kib};

/// More bytes than any round moves: calls a cut off that has not come.
const NEVER: u64 = 1 << 60;

/// The end of a round's roughness, and when muxes were killed.
#[derive(Default)]
pub(crate) struct Calm {
    calm: Mutex<bool>,
    bell: Condvar,
    mux_kills: Mutex<Vec<(usize, Instant)>>,
}

impl Calm {
    /// No fault begins after this, and those under way end.
    pub(crate) fn declare(&self) {
        *self.calm.lock().unwrap() = true;
        self.bell.notify_all();
    }

    /// Lets time pass; says whether it is calm.
    pub(crate) fn pass(&self, time: Duration) -> bool {
        let calm = self.calm.lock().unwrap();
        let waited = self.bell.wait_timeout_while(calm, time, |calm| !*calm);
        *waited.unwrap().0
    }

    /// Whether the machine's mux was killed between these two moments.
    pub(crate) fn mux_was_killed(&self, machine: usize, from: Instant, to: Instant) -> bool {
        let kills = self.mux_kills.lock().unwrap();
        kills
            .iter()
            .any(|(of, at)| *of == machine && (from..=to).contains(at))
    }
}

/// Faults end after so long, that long streams come to an end too.
const ROUGH: Duration = Duration::from_secs(40);

/// Goes through one list of faults until it is calm.
pub(crate) fn bring_about(
    stage: &Stage,
    network: usize,
    faults: &[(Duration, Fault)],
    calm: &Calm,
    counts: &Counts,
) {
    let begun = Instant::now();
    for (pause, fault) in faults {
        if calm.pass(*pause) || begun.elapsed() > ROUGH {
            break;
        }
        one(stage, network, *fault, calm, counts);
    }
    if network < MACHINES {
        let network = &stage.machines[network].network;
        network.cut_after(NEVER);
        network.resume();
    }
}

fn one(stage: &Stage, network: usize, fault: Fault, calm: &Calm, counts: &Counts) {
    let network = &stage.machines[network % MACHINES].network;
    match fault {
        Fault::Cut => {
            counts.one("cuts");
            network.cut();
        }
        Fault::CutAfter(bytes) => {
            counts.one("cuts in flow");
            network.cut_after(bytes);
        }
        Fault::Stall(way, lasting, cut) => {
            counts.one(if way.is_some() {
                "stalls of one way"
            } else {
                "stalls"
            });
            match way {
                Some(way) => network.stall_one(way),
                None => network.stall(),
            }
            calm.pass(lasting);
            if cut {
                counts.one("cuts");
                network.cut();
            }
            network.resume();
        }
        Fault::Trickle {
            bytes,
            every,
            lasting,
        } => {
            counts.one("trickles");
            network.trickle(bytes, every);
            calm.pass(lasting);
            network.resume();
        }
        Fault::HalfOpen(end) => {
            counts.one("half-open");
            network.half_open(end);
        }
        Fault::Refuse(lasting) => {
            counts.one("refusals");
            network.refuse();
            network.cut();
            calm.pass(lasting);
            network.resume();
        }
        Fault::KillConnection(which) => {
            if kill_one(&stage.sshd.connections(), which) {
                counts.one("sshd kills");
            }
        }
        Fault::KillRelay(which) => {
            let mut relays = stage.sshd.relays();
            for machine in &stage.machines {
                relays.extend(local_relays(machine));
            }
            if kill_one(&relays, which) {
                counts.one("relay kills");
            }
        }
        Fault::KillMux(which) => {
            for mux in muxes(&stage.machines[which]) {
                counts.peak("mux KiB", peak_memory_kib(mux.pid).unwrap_or(0));
                // Before it, so that no consequence is seen without its cause.
                calm.mux_kills.lock().unwrap().push((which, Instant::now()));
                process::kill9(mux.pid);
                process::wait_gone(mux.pid);
                calm.mux_kills.lock().unwrap().push((which, Instant::now()));
                counts.one("mux kills");
            }
        }
        Fault::FreezeMux(which, lasting) => {
            for mux in muxes(&stage.machines[which]) {
                counts.one("mux freezes");
                process::send(mux.pid, Signal::STOP);
                calm.pass(lasting);
                process::send(mux.pid, Signal::CONT);
            }
        }
    }
}
