//! The log of a session, put together from what everybody has seen of it.

use std::collections::BTreeMap;

use crate::delivery::{Delivery, Item, Printed, What};

/// The log, as far as anybody has seen it.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) records: BTreeMap<u64, Item>,
    /// From, to, bytes.
    pub(crate) gaps: Vec<(u64, u64, u64)>,
}

/// What belongs to one invocation.
#[derive(Default)]
pub(crate) struct Run<'a> {
    pub(crate) seqs: Vec<u64>,
    pub(crate) streams: [Vec<u8>; 2],
    started: u32,
    pub(crate) completed: Option<(&'a str, Option<u64>)>,
    /// Records of it may be missing before one of those above.
    holes: bool,
}

impl Log {
    pub(crate) fn of(deliveries: &[Delivery]) -> Result<Self, String> {
        let mut log = Self::default();
        for delivery in deliveries {
            let Printed::Items(items) = &delivery.printed else {
                continue;
            };
            let mut last = 0;
            for item in items {
                if item.seq <= last {
                    return Err(format!(
                        "record {} comes after record {last} in one command line: {}",
                        item.seq, delivery.output.command
                    ));
                }
                last = item.seq;
                log.learn(item)?;
            }
        }
        Ok(log)
    }

    fn learn(&mut self, item: &Item) -> Result<(), String> {
        if let What::Gap { first, bytes } = item.what {
            let gap = (first, item.seq, bytes);
            if !self.gaps.contains(&gap) {
                self.gaps.push(gap);
            }
            return Ok(());
        }
        match self.records.get(&item.seq) {
            Some(known) if known != item => Err(format!(
                "two different records have one number:\n{known:?}\n{item:?}"
            )),
            Some(_) => Ok(()),
            None => {
                self.records.insert(item.seq, item.clone());
                Ok(())
            }
        }
    }

    /// A gap of which everything is known from elsewhere has to have the right size.
    pub(crate) fn check_gaps(&self) -> Result<(), String> {
        for (first, last, bytes) in &self.gaps {
            let known = self.records.range(first..=last);
            let (count, sum) = known.fold((0, 0), |(count, sum), (_, item)| {
                (count + 1, sum + item.output_len())
            });
            let whole = count == last - first + 1;
            if sum > *bytes || whole && sum != *bytes {
                return Err(format!(
                    "the gap of records {first} to {last} says {bytes} bytes; {count} of them are \
                     known and have {sum}"
                ));
            }
        }
        Ok(())
    }

    pub(crate) fn is_in_gap(&self, seq: u64) -> bool {
        self.gaps
            .iter()
            .any(|(first, last, _)| (first..=last).contains(&&seq))
    }

    /// The invocations; every number up to the last has to be known or in a gap.
    pub(crate) fn runs(&self) -> Result<BTreeMap<&str, Run<'_>>, String> {
        let mut runs: BTreeMap<&str, Run<'_>> = BTreeMap::new();
        let mut next = 1;
        let mut hole = false;
        for (seq, item) in &self.records {
            for missing in next..*seq {
                if !self.is_in_gap(missing) {
                    return Err(format!("record {missing} was delivered to nobody"));
                }
                hole = true;
            }
            next = seq + 1;
            let invocation = item.invocation.as_deref().unwrap_or("no invocation");
            let run = runs.entry(invocation).or_insert_with(|| Run {
                holes: true,
                ..Run::default()
            });
            run.seqs.push(*seq);
            run.holes |= hole;
            hole = false;
            match &item.what {
                What::Started => {
                    run.started += 1;
                    run.holes = run.seqs.len() > 1;
                }
                What::Output(stream, bytes) => run.streams[*stream].extend(bytes),
                What::Completed { outcome, code } => {
                    if run.completed.replace((outcome, *code)).is_some() {
                        return Err(format!("invocation {invocation} was completed twice"));
                    }
                }
                What::Gap { .. } => {}
            }
            if run.started > 1 {
                return Err(format!("invocation {invocation} was started twice"));
            }
        }
        Ok(runs)
    }
}

/// Runs by the label their first line begins with.
pub(crate) fn by_label<'a>(
    runs: &'a BTreeMap<&str, Run<'a>>,
) -> Result<BTreeMap<&'a str, &'a Run<'a>>, String> {
    let mut found = BTreeMap::new();
    for (invocation, run) in runs {
        let line = run.streams[0].split(|byte| *byte == b' ').next();
        let label = line
            .and_then(|word| std::str::from_utf8(word).ok())
            .unwrap_or("");
        // With a hole, the first line seen need not be a line's beginning.
        if label.is_empty() || run.holes {
            continue;
        }
        if found.insert(label, run).is_some() {
            return Err(format!(
                "two invocations print as {label}, one of them {invocation}"
            ));
        }
    }
    Ok(found)
}
