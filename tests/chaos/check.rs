//! Holding what was delivered against what was promised.
//!
//! All command lines of all machines together have seen the session's log: what they say of the
//! same record must agree, and what they say of a job must be what the job prints.

use std::collections::BTreeMap;

use crate::actor::{Actor, Submission, Submitted};
use crate::counts::Counts;
use crate::delivery::{Delivery, Item, Printed, What};
use crate::faults::Calm;
use crate::log::{Log, Run, by_label};

/// What a killed command line may have written out without its being known: it writes a page of
/// 64 KiB and says so when it is written, while it writes the next one. A page ends with a whole
/// record, and a record is at most 64 KiB.
const UNACKNOWLEDGED: u64 = 2 * (64 + 64) * 1024;

pub(crate) fn session(actor: &Actor<'_>, calm: &Calm, counts: &Counts) -> Result<(), String> {
    let log = Log::of(&actor.deliveries)?;
    log.check_gaps()?;
    let runs = log.runs()?;
    let by_label = by_label(&runs)?;
    let ledger = ledger(actor)?;
    for submission in &actor.submissions {
        let label = &submission.job.label;
        let ran = ledger.contains(label);
        if submission.submitted == Submitted::Certainly && !ran {
            return Err(format!("{label} was accepted and never ran"));
        }
        counts.add("invocations", ran.into());
        match by_label.get(label.as_str()) {
            Some(run) => check_run(submission, run)?,
            None if ran && log.gaps.is_empty() && !submission.cancelled => {
                return Err(format!("{label} ran, and the log does not know it"));
            }
            None => {}
        }
    }
    if let Some(label) = by_label
        .keys()
        .find(|label| !ledger.contains(&(**label).to_owned()))
    {
        return Err(format!("the log has output of {label}, which never ran"));
    }
    check_sum(actor, &log, &ledger)?;
    actor.check_typed()?;
    counts.add("gaps", log.gaps.len() as u64);
    for delivery in &actor.deliveries {
        check_raw(delivery, actor, &by_label)?;
    }
    for machine in (0..actor.known.len()).filter(|machine| actor.known[*machine]) {
        check_deliveries(actor, machine, &log, &by_label, calm, counts)?;
    }
    Ok(())
}

/// The jobs that ran, in order; each signs once, and all in the one shell.
fn ledger(actor: &Actor<'_>) -> Result<Vec<String>, String> {
    let path = actor.stage.ledger(&actor.plan.name);
    let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
    let mut ran: Vec<String> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let (label, ordinal) = line.split_once(' ').unwrap_or((line, ""));
        if ran.iter().any(|before| before == label) {
            return Err(format!("{label} ran twice:\n{text}"));
        }
        // A job whose ^C came between the counting and the program has counted and not signed.
        let ordinal: usize = ordinal.parse().unwrap_or(0);
        let cancelled = actor.submissions.iter().filter(|one| one.cancelled).count();
        if ordinal < at + 1 || ordinal > at + 1 + cancelled {
            return Err(format!(
                "the shell counts {ordinal} at the job {}:\n{text}",
                at + 1
            ));
        }
        ran.push(label.to_owned());
    }
    Ok(ran)
}

fn check_run(submission: &Submission, run: &Run<'_>) -> Result<(), String> {
    let label = &submission.job.label;
    let expected = submission.job.output();
    for (stream, expected) in expected.iter().enumerate() {
        let got = &run.streams[stream];
        let exact = if submission.cancelled {
            expected.starts_with(got)
        } else {
            got == expected
        };
        if !exact {
            return Err(difference(
                &format!("the log of {label}, stream {}", stream + 1),
                got,
                expected,
            ));
        }
    }
    match (submission.cancelled, run.completed) {
        (true, Some(("cancelled", _))) => Ok(()),
        (false, Some(("completed", code))) if code == Some(submission.job.exit.into()) => Ok(()),
        (_, completed) => Err(format!(
            "{label} should have ended with {}{}, and ended with {completed:?}",
            submission.job.exit,
            if submission.cancelled {
                " or been cancelled"
            } else {
                ""
            },
        )),
    }
}

/// Everything that ran has printed what is known and what the gaps say, and no byte more or less.
fn check_sum(actor: &Actor<'_>, log: &Log, ledger: &[String]) -> Result<(), String> {
    if log.gaps.is_empty() {
        return Ok(());
    }
    let mut expected = 0;
    for submission in &actor.submissions {
        if ledger.contains(&submission.job.label) {
            expected += submission
                .job
                .output()
                .iter()
                .map(|stream| stream.len() as u64)
                .sum::<u64>();
        }
    }
    // A later reader's gap may lie around an earlier one's.
    let widest = log.gaps.iter().filter(|(first, last, _)| {
        let mut others = log.gaps.iter();
        !others.any(|(a, b, _)| a <= first && last <= b && (a, b) != (first, last))
    });
    let mut known: u64 = log.records.values().map(Item::output_len).sum();
    for (first, last, bytes) in widest {
        let inside = log.records.range(first..=last);
        known += bytes - inside.map(|(_, item)| item.output_len()).sum::<u64>();
    }
    if known == expected {
        Ok(())
    } else {
        Err(format!(
            "the jobs printed {expected} bytes; the records and gaps have {known}: {:?}",
            log.gaps
        ))
    }
}

/// A command line that printed its job's streams as they are.
fn check_raw(
    delivery: &Delivery,
    actor: &Actor<'_>,
    by_label: &BTreeMap<&str, &Run<'_>>,
) -> Result<(), String> {
    let Printed::Raw { label, streams } = &delivery.printed else {
        return Ok(());
    };
    let job = actor.submissions.iter().find(|one| one.job.label == *label);
    let Some(job) = job.map(|one| &one.job) else {
        return Err(format!("nobody submitted {label}"));
    };
    let finished = delivery.output.status.code() == Some(job.exit.into());
    for (stream, (got, expected)) in streams.iter().zip(&job.output()).enumerate() {
        let exact = if finished {
            got == expected
        } else {
            expected.starts_with(got)
        };
        let gap = delivery
            .output
            .stderr_text()
            .contains("bytes of output are missing here");
        if !exact && !gap {
            let what = format!("`{}`, descriptor {}", delivery.output.command, stream + 1);
            return Err(difference(&what, got, expected));
        }
    }
    if finished && !by_label.contains_key(label.as_str()) {
        return Err(format!(
            "{label} was delivered, and the log does not know it"
        ));
    }
    Ok(())
}

/// The output records a command line has delivered, with how much it printed behind each.
fn delivered(
    delivery: &Delivery,
    log: &Log,
    by_label: &BTreeMap<&str, &Run<'_>>,
) -> Vec<(u64, u64)> {
    let mut seqs = Vec::new();
    match &delivery.printed {
        Printed::Items(items) => {
            seqs.extend(
                items
                    .iter()
                    .filter(|item| item.output_len() > 0)
                    .map(|item| item.seq),
            );
        }
        Printed::Raw { label, streams } => {
            let run = by_label.get(label.as_str());
            let mut ends = [0, 0];
            for seq in run.iter().flat_map(|run| &run.seqs) {
                if let Some(What::Output(stream, bytes)) =
                    log.records.get(seq).map(|item| &item.what)
                {
                    ends[*stream] += bytes.len();
                    if ends[*stream] <= streams[*stream].len() {
                        seqs.push(*seq);
                    }
                }
            }
        }
    }
    let mut behind = 0;
    let mut marked: Vec<(u64, u64)> = Vec::new();
    for seq in seqs.into_iter().rev() {
        marked.push((seq, behind));
        behind += log.records.get(&seq).map_or(0, Item::output_len);
    }
    marked.reverse();
    marked
}

/// One machine has had every record once. Twice only where the first to print it was killed before
/// it could say so: what it had just printed comes again, and more where the mux was killed too.
fn check_deliveries(
    actor: &Actor<'_>,
    machine: usize,
    log: &Log,
    by_label: &BTreeMap<&str, &Run<'_>>,
    calm: &Calm,
    counts: &Counts,
) -> Result<(), String> {
    let mut had: BTreeMap<u64, (usize, u64)> = BTreeMap::new();
    for (at, delivery) in actor.deliveries.iter().enumerate() {
        if delivery.machine != machine || delivery.output.command.contains("--from") {
            continue;
        }
        for (seq, behind) in delivered(delivery, log, by_label) {
            let Some((before, behind_it)) = had.insert(seq, (at, behind)) else {
                continue;
            };
            let first = &actor.deliveries[before];
            let mux_too = calm.mux_was_killed(machine, first.begun, delivery.begun);
            if first.killed && (mux_too || behind_it <= UNACKNOWLEDGED) {
                counts.one("repeats after a kill");
                continue;
            }
            return Err(format!(
                "record {seq} came twice to machine {machine} ({}killed with {behind_it} bytes \
                 printed behind it; mux killed meanwhile: {mux_too}, after its end: {})\nfirst {}\nthen {}",
                if first.killed { "" } else { "not " },
                calm.mux_was_killed(machine, first.ended, delivery.begun),
                shown(before, first),
                shown(at, delivery),
            ));
        }
    }
    let missing = log.records.iter().find(|(seq, item)| {
        item.output_len() > 0 && !had.contains_key(seq) && !log.is_in_gap(**seq)
    });
    match missing {
        Some((seq, item)) => Err(format!(
            "machine {machine} never had record {seq}: {item:?}"
        )),
        None => Ok(()),
    }
}

fn shown(at: usize, delivery: &Delivery) -> String {
    let command: String = delivery.output.command.chars().take(300).collect();
    format!(
        "delivery {at}: {} ({}, {:?})",
        command, delivery.output.status, delivery.begun
    )
}

/// Where two streams part.
fn difference(what: &str, got: &[u8], expected: &[u8]) -> String {
    let same = got.iter().zip(expected).take_while(|(a, b)| a == b).count();
    let near = |bytes: &[u8]| {
        let from = same.saturating_sub(60).min(bytes.len());
        let part = &bytes[from..bytes.len().min(same + 60)];
        String::from_utf8_lossy(part).into_owned()
    };
    format!(
        "{what} differs at byte {same}: {} bytes, {} expected\ngot      …{:?}…\nexpected …{:?}…",
        got.len(),
        expected.len(),
        near(got),
        near(expected)
    )
}
