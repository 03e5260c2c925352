//! The way where the system's `ssh` connects: what it looks up and dials is its own affair, and
//! tells only where it fails.

use std::rc::Rc;

use outlast_protocol::control::target::Target;
use outlast_protocol::control::to_mux::Surroundings;
use outlast_protocol::finding::{Finding, Verdict};

use super::{Layer, bad, channel, connection, remote, stage};
use crate::mux::Mux;
use crate::mux::caller::{Caller, Stop};
use crate::mux::carrier::{FALLBACK, SUBSYSTEM};
use crate::mux::transport::Opened;
use crate::mux::waking::Waking;
use crate::mux::wire::Wire;
use crate::ssh::{Desk, Master, MasterLink, Plan, Prompt};

/// Goes there by a master of its own.
pub(super) async fn examine(
    mux: &Rc<Mux>,
    caller: &mut Caller,
    target: Target,
    surroundings: Surroundings,
) -> Result<(), Stop> {
    let computer = target.destination.clone();
    let asks = mux.clone();
    let planned = stage(caller, async move |_| {
        plan(&asks, &target, &surroundings).await
    });
    let Some(plan) = planned.await? else {
        return Ok(());
    };
    let desk = mux.hosts.desk().clone();
    let connected = stage(caller, async move |prompt| {
        connect(&plan, &*prompt, &desk).await
    });
    let Some(master) = connected.await? else {
        return Ok(());
    };
    let master = Rc::new(master);
    let (over, waking) = (master.clone(), mux.hosts.waking().clone());
    let greeted = stage(caller, async move |_| open(&over, &computer, waking).await);
    if let Some(wire) = greeted.await? {
        stage(caller, async move |_| remote::examine(wire).await).await?;
    }
    master.end().await;
    Ok(())
}

/// What `ssh -G` makes of it.
async fn plan(mux: &Mux, target: &Target, surroundings: &Surroundings) -> Layer<Plan> {
    const LAYER: &str = "configuration";
    match mux.hosts.plan(target, surroundings).await {
        Ok(plan) => {
            let text = format!("{}, port {}, by the system's ssh", plan.host, plan.port);
            let finding = Finding::new(LAYER, Verdict::Good, text)
                .value("host", &plan.host)
                .value("port", plan.port);
            Layer::passed(vec![finding], plan)
        }
        Err(failure) => Layer::stopped(Vec::new(), bad(LAYER, &failure)),
    }
}

async fn connect(plan: &Plan, prompt: &dyn Prompt, desk: &Desk) -> Layer<Master> {
    match Master::connect(plan, prompt, desk).await {
        Ok(master) => {
            let findings = met(plan, &master);
            Layer::passed(findings, master)
        }
        Err(error) => Layer::stopped(Vec::new(), connection::stopped(&error)),
    }
}

/// Of every connection on the way, the first that was made first.
fn met(plan: &Plan, master: &Master) -> Vec<Finding> {
    let mut warnings = master.warnings();
    let mut findings = Vec::new();
    for leg in master.route() {
        // Which of them a warning is about is not said.
        let warnings = std::mem::take(&mut warnings);
        findings.extend(connection::met(&leg.host, &leg.description, &warnings));
    }
    if findings.is_empty() {
        findings = connection::met(&plan.host, &master.description(), &warnings);
    }
    findings
}

async fn open(master: &Master, computer: &str, waking: Waking) -> Layer<Wire> {
    match master.open_link(SUBSYSTEM, FALLBACK).await {
        Ok(link) => {
            let granted = channel::granted(link.is_in_place());
            channel::greet(opened(link), computer, waking)
                .await
                .behind(granted)
        }
        Err(error) => Layer::stopped(Vec::new(), channel::refused(error)),
    }
}

fn opened(link: MasterLink) -> Opened {
    let words = link.last_words();
    (Box::new(link), Box::new(move || words.text()))
}
