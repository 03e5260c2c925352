//! One round: a world is set, sessions work while things break, and then everything is looked at.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use outlast_tests::process::{self, Process};
use rustix::process::Signal;
use serde_json::Value;

use crate::actor::Actor;
use crate::counts::Counts;
use crate::faults::{Calm, bring_about};
use crate::plan::{MACHINES, Plan, SessionPlan};
use crate::stage::{
    Machine, SERVER, Stage, calmly, descriptors, json, local_hosts, muxes, nothing_left,
    peak_memory_kib, words_of,
};
use crate::visiting::PROMPT;
use crate::{check, doom, evidence};

/// What a mux may have open beyond what it had when its sessions were made: connections that are
/// still being closed.
const SPARE_DESCRIPTORS: usize = 6;

/// Longer than a dead link is kept.
const CLOSING: Duration = Duration::from_secs(45);

/// The most a process of ours may ever have used in a debug build, in KiB.
const MOST_MEMORY: [(&str, u64); 2] = [("host KiB", 32 * 1024), ("mux KiB", 160 * 1024)];

/// Plays a round; a violation comes with the directory of its evidence.
pub(crate) fn play(plan: &Plan, counts: &Counts) -> Result<(), String> {
    let stage = Stage::set();
    let calm = Calm::default();
    let mut actors = Vec::new();
    let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for session in &plan.sessions {
            let made = new_session(&stage, session)?;
            actors.push(Actor::new(&stage, session, &calm, counts, made));
        }
        let before = open_descriptors(&stage);
        rough(&stage, plan, &calm, counts, &mut actors)?;
        settle(&mut actors)?;
        for actor in &actors {
            check::session(actor, &calm, counts).map_err(|why| {
                format!("session {} ({}): {why}", actor.plan.name, actor.instance)
            })?;
        }
        check_listed(&stage, &actors)?;
        check_resources(&stage, &before, counts)?;
        if let Some(doom) = &plan.doom {
            doom::bring(&stage, &actors, doom)?;
        }
        strike(&stage, &actors)
    }));
    let result = played.unwrap_or_else(|panic| Err(words_of(&panic)));
    result.map_err(|why| {
        // Nothing moves any more while the evidence is taken.
        calm.declare();
        let kept = evidence::keep(plan, &stage, &actors, &why);
        format!("{why}\nevidence is kept in {kept}")
    })
}

fn new_session(stage: &Stage, plan: &SessionPlan) -> Result<(String, String), String> {
    std::fs::write(stage.ledger(&plan.name), "").map_err(|error| error.to_string())?;
    let host = if plan.local { "." } else { SERVER };
    let machine = &stage.machines[plan.owner];
    let made = calmly(
        machine,
        &["new", host, "-n", &plan.name, "--output", "json"],
    )?;
    let made = json(&made)?;
    let prompt = format!("PS1='{PROMPT}'");
    calmly(machine, &["invoke", "-q", "-n", "-s", &plan.name, &prompt])?;
    let text = |name: &str| {
        let text = made.first().and_then(|session| session[name].as_str());
        text.map(str::to_owned)
            .ok_or_else(|| format!("no {name} in {made:?}"))
    };
    Ok((text("instance_id")?, text("computer_name")?))
}

/// The rough part: every session acts in a thread of its own, and every list of faults too.
fn rough(
    stage: &Stage,
    plan: &Plan,
    calm: &Calm,
    counts: &Counts,
    actors: &mut [Actor<'_>],
) -> Result<(), String> {
    std::thread::scope(|scope| {
        let faults: Vec<_> = plan
            .faults
            .iter()
            .enumerate()
            .map(|(network, list)| {
                scope.spawn(move || bring_about(stage, network, list, calm, counts))
            })
            .collect();
        let acting: Vec<_> = actors
            .iter_mut()
            .map(|actor| scope.spawn(move || actor.act_all()))
            .collect();
        let mut result = Ok(());
        for thread in acting {
            let acted = thread.join().unwrap_or_else(|panic| Err(words_of(&panic)));
            result = result.and(acted);
        }
        calm.declare();
        for thread in faults {
            let ended = thread.join().map_err(|panic| words_of(&panic));
            result = result.and(ended);
        }
        result
    })
}

/// In calm, every machine that knows a session receives what it has not, until all is done.
fn settle(actors: &mut [Actor<'_>]) -> Result<(), String> {
    for actor in actors {
        let instance = actor.instance.clone();
        for machine in (0..MACHINES)
            .filter(|machine| actor.known[*machine])
            .collect::<Vec<_>>()
        {
            if actor.known.iter().filter(|known| **known).count() > 1 {
                actor.insist(
                    machine,
                    &["connect", "-q", "-c", SERVER, &instance, "--steal"],
                )?;
            }
            actor.holder = machine;
            actor.receive(true, None)?;
        }
        let owner = actor.plan.owner;
        if actor.holder != owner {
            actor.insist(owner, &["connect", "-q", &instance, "--steal"])?;
            actor.holder = owner;
        }
        actor.receive_again()?;
    }
    Ok(())
}

/// Every session is on its owner's list, held and free; and on the server's.
fn check_listed(stage: &Stage, actors: &[Actor<'_>]) -> Result<(), String> {
    let everywhere = json(&calmly(
        &stage.machines[0],
        &["get", SERVER, "--output", "json"],
    )?)?;
    for actor in actors {
        let machine = &stage.machines[actor.plan.owner];
        let listed = json(&calmly(machine, &["get", "--output", "json"])?)?;
        let is_it = |session: &&Value| session["instance_id"] == actor.instance.as_str();
        let found = listed.iter().find(is_it);
        let as_it_should = found.is_some_and(|session| {
            session["state"] == "Opened"
                && session["availability"] == "Available"
                && session["running"].is_null()
        });
        if !as_it_should {
            return Err(format!(
                "session {} should be Opened and Available: {found:?}",
                actor.plan.name
            ));
        }
        if !actor.plan.local && !everywhere.iter().any(|session| is_it(&session)) {
            return Err(format!(
                "the server does not list {}: {everywhere:?}",
                actor.plan.name
            ));
        }
    }
    Ok(())
}

pub(crate) fn hosts(stage: &Stage) -> Vec<Process> {
    let mut hosts = stage.sshd.hosts();
    for machine in &stage.machines {
        hosts.extend(local_hosts(machine));
    }
    hosts
}

/// Open descriptors of every host, by process, and of every machine's mux, by machine.
struct Descriptors {
    hosts: BTreeMap<u32, usize>,
    muxes: Vec<usize>,
}

fn of_mux(machine: &Machine) -> usize {
    let muxes = muxes(machine);
    muxes
        .iter()
        .filter_map(|mux| descriptors(mux.pid))
        .max()
        .unwrap_or(0)
}

fn open_descriptors(stage: &Stage) -> Descriptors {
    let count = |host: &Process| descriptors(host.pid).map(|count| (host.pid, count));
    Descriptors {
        hosts: hosts(stage).iter().filter_map(count).collect(),
        muxes: stage.machines.iter().map(of_mux).collect(),
    }
}

fn check_resources(stage: &Stage, before: &Descriptors, counts: &Counts) -> Result<(), String> {
    for host in hosts(stage) {
        counts.peak("host KiB", peak_memory_kib(host.pid).unwrap_or(0));
        let allowed = before.hosts.get(&host.pid).copied().unwrap_or(0);
        until_few(allowed, || descriptors(host.pid).unwrap_or(0)).map_err(|count| {
            format!(
                "host {} has {count} descriptors, {allowed} at first: {}",
                host.pid,
                links(host.pid)
            )
        })?;
    }
    // A machine without sessions of its own had no mux yet.
    let most = before.muxes.iter().max().copied().unwrap_or(0);
    for machine in &stage.machines {
        for mux in muxes(machine) {
            counts.peak("mux KiB", peak_memory_kib(mux.pid).unwrap_or(0));
            counts.peak("mux fds", descriptors(mux.pid).unwrap_or(0) as u64);
            until_few(most + SPARE_DESCRIPTORS, || of_mux(machine)).map_err(|count| {
                format!(
                    "mux {} has {count} descriptors, {most} at first: {}",
                    mux.pid,
                    links(mux.pid)
                )
            })?;
        }
    }
    for (what, most) in MOST_MEMORY {
        let peak = counts.highest(what);
        if peak > most {
            return Err(format!("{what}: {peak}, more than {most}"));
        }
    }
    Ok(())
}

/// Old links are closed a moment after their successor has come.
fn until_few(allowed: usize, count: impl Fn() -> usize) -> Result<(), usize> {
    let until = Instant::now() + CLOSING;
    while count() > allowed {
        if Instant::now() > until {
            return Err(count());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn links(pid: u32) -> String {
    let all = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten();
    let links = all.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    links
        .map(|link| format!("\n  {}", link.display()))
        .collect()
}

/// Removes everything and insists that nothing of it stays.
fn strike(stage: &Stage, actors: &[Actor<'_>]) -> Result<(), String> {
    for actor in actors {
        calmly(
            &stage.machines[actor.plan.owner],
            &["remove", "-q", &actor.instance],
        )?;
    }
    nothing_left(&stage.sshd.session_dir())?;
    for (at, machine) in stage.machines.iter().enumerate() {
        nothing_left(&stage.local_sessions(at))?;
        calmly(machine, &["mux", "stop"])?;
        for process in machine.client.processes() {
            // A relay may still wait for its host to let go.
            process::wait_gone(process.pid);
        }
    }
    for relay in stage.sshd.relays() {
        process::wait_gone(relay.pid);
    }
    let jobs = process::running(&stage.program());
    if jobs.is_empty() {
        Ok(())
    } else {
        for job in &jobs {
            process::send(job.pid, Signal::KILL);
        }
        Err(format!("jobs were left behind: {jobs:?}"))
    }
}
