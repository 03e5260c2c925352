//! The one loss that no session survives: its host is killed. What is left has to be said honestly.

use outlast_tests::process;
use serde_json::Value;

use crate::actor::Actor;
use crate::delivery::{Item, What, items};
use crate::job::Job;
use crate::plan::{Doom, SessionPlan};
use crate::round::hosts;
use crate::stage::{SERVER, Stage, calmly, json};

/// Kills the host of a session in the middle of a job, and looks at what is left.
pub(crate) fn bring(stage: &Stage, actors: &[Actor<'_>], doom: &Doom) -> Result<(), String> {
    let Some(actor) = actors.get(doom.session) else {
        return Ok(());
    };
    let (plan, machine) = (actor.plan, &stage.machines[actor.plan.owner]);
    let host = hosts(stage)
        .into_iter()
        .find(|host| host.command.contains(&actor.instance))
        .ok_or_else(|| format!("session {} has no host", plan.name))?;
    let script = script(stage, plan, &doom.job);
    let submit = ["invoke", "-q", "-d", "-s", &actor.instance, &script];
    let submitted = machine.client.outlast(&submit);
    std::thread::sleep(doom.after);
    process::kill9(host.pid);
    process::wait_gone(host.pid);
    actor.counts.one("host kills");

    let place = if plan.local { "." } else { SERVER };
    let listed = json(&calmly(machine, &["get", place, "--output", "json"])?)?;
    let found = listed
        .iter()
        .find(|session: &&Value| session["instance_id"] == actor.instance.as_str());
    if found.is_none_or(|session| session["state"] != "Broken") {
        return Err(format!(
            "the host of {} was killed, and it should be Broken: {found:?}",
            plan.name
        ));
    }
    // What reached the log can be read, and nothing hangs or panics over the rest.
    for words in [
        &["receive", "-q", "--output", "ndjson", &actor.instance][..],
        &["invoke", "-q", "-n", "-s", &actor.instance, "true"],
    ] {
        let output = machine.client.outlast(words);
        let refused = output.status.code() == Some(255) || words.contains(&"receive");
        if output.stderr_text().contains("panicked") || !refused {
            return Err(format!("the host of this session was killed\n{output}"));
        }
        check_rest(&doom.job, &items(&output.stdout)?)?;
    }
    let path = stage.ledger(&plan.name);
    let ledger = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let begin = format!("{} ", doom.job.label);
    let ran = ledger
        .lines()
        .filter(|line| line.starts_with(&begin))
        .count();
    if ran > 1 {
        return Err(format!("{} ran {ran} times:\n{ledger}", doom.job.label));
    }
    if submitted.status.code().is_none() {
        return Err(format!("the submission was killed by nobody\n{submitted}"));
    }
    Ok(())
}

/// All before the doomed job was received already: what is left is the beginning of its streams.
fn check_rest(job: &Job, items: &[Item]) -> Result<(), String> {
    let mut streams = [Vec::new(), Vec::new()];
    for item in items {
        match &item.what {
            What::Output(stream, bytes) => streams[*stream].extend(bytes),
            What::Gap { .. } => return Ok(()),
            What::Started | What::Completed { .. } => {}
        }
    }
    for (got, expected) in streams.iter().zip(&job.output()) {
        if !expected.starts_with(got) {
            return Err(format!(
                "the {} bytes left of {} are not the beginning of what it prints: {}",
                got.len(),
                job.label,
                String::from_utf8_lossy(got)
                    .chars()
                    .take(400)
                    .collect::<String>()
            ));
        }
    }
    Ok(())
}

fn script(stage: &Stage, plan: &SessionPlan, job: &Job) -> String {
    let word = |path: std::path::PathBuf| path.to_str().expect("ASCII").to_owned();
    job.script(&word(stage.program()), &word(stage.ledger(&plan.name)))
}
