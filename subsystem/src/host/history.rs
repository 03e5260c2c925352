//! What a log tells of its session's invocations.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use outlast_protocol::id::{InvocationId, Seq};
use outlast_protocol::limits::MAX_OUTCOMES;
use outlast_protocol::outcome::Outcome;
use outlast_protocol::record::{GapCause, RecordKind};

use super::invocations::Invocations;
use super::ledger::Entry;
use super::outcomes::Outcomes;
use crate::log::{From, Log, MAX_PAYLOAD, Position, Record};

/// The traces of one invocation.
struct Trace {
    first: Seq,
    last: Seq,
    /// Whether its first record is here, and nothing of it is gone.
    whole: bool,
    completed: bool,
}

/// What a log tells.
#[derive(Default)]
pub(super) struct History {
    traces: BTreeMap<InvocationId, Trace>,
    /// What was started last: everything before it was over then.
    started: Option<InvocationId>,
    /// When the last record was made.
    time_ms: u64,
    /// What was written down of the invocations; none where nothing was.
    ledger: Option<Vec<Entry>>,
}

impl History {
    /// Reads the whole log, beside what the session's ledger says.
    pub(super) fn of(log: &mut Log, ledger: Option<Vec<Entry>>) -> Self {
        let mut history = Self {
            ledger,
            ..Self::default()
        };
        let mut cursor = log.cursor(From::Start);
        while let Ok(Some(record)) = log.read(&mut cursor, MAX_PAYLOAD) {
            history.take(&record);
        }
        history
    }

    fn take(&mut self, record: &Record) {
        self.time_ms = record.time_ms;
        let Some(id) = record.invocation else {
            return;
        };
        let starts = record.kind == RecordKind::Started;
        let trace = self.traces.entry(id).or_insert(Trace {
            first: record.seq,
            last: record.seq,
            // One that never ran has no other record than its end.
            whole: starts || matches!(record.kind, RecordKind::Completed(_)),
            completed: false,
        });
        trace.last = record.seq;
        trace.completed |= matches!(record.kind, RecordKind::Completed(_));
        if starts {
            self.started = Some(id);
        }
        if self.traces.len() > MAX_OUTCOMES.saturating_mul(2) {
            self.forget();
        }
    }

    /// Forgets the older half: a live host would not remember them either.
    fn forget(&mut self) {
        let mut lasts: Vec<Seq> = self.traces.values().map(|trace| trace.last).collect();
        lasts.sort_unstable();
        if let Some(middle) = lasts.get(lasts.len() / 2).copied() {
            self.traces.retain(|_, trace| trace.last >= middle);
        }
    }

    /// Puts an end to what has none in the log: those who wait for one get it behind everything
    /// else, with the same number however often the log is read out.
    pub(super) fn conclude(&mut self, log: &mut Log, reason: &str, cause: GapCause) {
        if let Some(end) = self.noted_end() {
            // Ends that were written down and have no record are told in place of the gap.
            log.lose(end, cause);
        }
        let ends = match &self.ledger {
            Some(ledger) => self.ends_by_ledger(ledger, reason),
            None => self.ends_by_log(reason),
        };
        for (id, outcome) in ends {
            let kind = RecordKind::Completed(outcome);
            log.append(self.time_ms, Some(id), kind, Bytes::new());
        }
    }

    /// The place behind the last end that was written down.
    fn noted_end(&self) -> Option<Position> {
        let ends = self
            .ledger
            .iter()
            .flatten()
            .filter_map(|entry| match entry {
                Entry::Completed(end) => Some(Position {
                    seq: end.seq.next(),
                    offset: end.offset,
                }),
                Entry::Accepted { .. } => None,
            });
        ends.max_by_key(|end| end.seq)
    }

    /// By what was written down: first what ran, then what waited.
    fn ends_by_ledger(&self, ledger: &[Entry], reason: &str) -> Vec<(InvocationId, Outcome)> {
        let completed: BTreeSet<InvocationId> = ledger
            .iter()
            .filter(|entry| matches!(entry, Entry::Completed(_)))
            .map(Entry::invocation)
            .collect();
        let mut ends = Vec::new();
        for entry in ledger {
            let Entry::Accepted { invocation, .. } = entry else {
                continue;
            };
            let trace = self.traces.get(invocation);
            if completed.contains(invocation) || trace.is_some_and(|trace| trace.completed) {
                continue;
            }
            let (place, text) = match trace {
                Some(trace) => (trace.first, reason.to_owned()),
                None => {
                    let text = format!("{reason}; by its log the command had not begun");
                    (Seq(u64::MAX), text)
                }
            };
            ends.push((place, *invocation, Outcome::SessionEnded(text)));
        }
        // What waited stays in its order.
        ends.sort_by_key(|(place, ..)| *place);
        ends.into_iter()
            .map(|(_, id, outcome)| (id, outcome))
            .collect()
    }

    /// By the records alone, for sessions from before there was a ledger.
    fn ends_by_log(&self, reason: &str) -> Vec<(InvocationId, Outcome)> {
        let mut open: Vec<(Seq, InvocationId)> = self
            .traces
            .iter()
            .filter(|(id, trace)| !trace.completed && self.started.is_none_or(|it| it == **id))
            .map(|(id, trace)| (trace.first, *id))
            .collect();
        open.sort_unstable();
        open.into_iter()
            .map(|(_, id)| (id, Outcome::SessionEnded(reason.to_owned())))
            .collect()
    }

    /// The invocations for those who ask again, all over, and how they ended.
    pub(super) fn recollect(&self) -> (Invocations, Outcomes) {
        let mut order: Vec<_> = self.traces.iter().collect();
        order.sort_unstable_by_key(|(_, trace)| trace.last);
        let mut invocations = Invocations::default();
        let mut outcomes = Outcomes::default();
        let ledger = self.ledger.iter().flatten();
        let mut noted = BTreeSet::new();
        for entry in ledger {
            match entry {
                Entry::Accepted { invocation, from } => {
                    noted.insert(*invocation);
                    invocations.recall(*invocation, *from);
                }
                Entry::Completed(completed) => outcomes.keep(completed.clone()),
            }
        }
        for (id, trace) in order.into_iter().filter(|(id, _)| !noted.contains(id)) {
            // Where its beginning is gone, its reader has to hear of the gap.
            let from = if trace.whole { trace.first } else { Seq::FIRST };
            invocations.recall(*id, from);
        }
        (invocations, outcomes)
    }
}

#[cfg(test)]
mod tests {
    use outlast_protocol::outcome::ExitStatus;
    use outlast_protocol::record::{Gap, Stream};
    use outlast_rendezvous::PrivateDirectory;
    use uuid::Uuid;

    use super::*;
    use crate::host::ledger::Completed;
    use crate::log::Policy;

    const OUTPUT: RecordKind = RecordKind::Output(Stream::Stdout);

    fn id(number: u128) -> InvocationId {
        InvocationId(Uuid::from_u128(number))
    }

    fn done() -> RecordKind {
        RecordKind::Completed(Outcome::Ended(ExitStatus::Code(0)))
    }

    struct World {
        directory: PrivateDirectory,
        log: Log,
        ledger: Option<Vec<Entry>>,
        _place: tempfile::TempDir,
    }

    fn world(policy: Policy, records: &[(u128, RecordKind)]) -> World {
        let place = tempfile::tempdir().unwrap();
        let directory = PrivateDirectory::open_or_create(place.path().join("s")).unwrap();
        let mut log = Log::create(&directory, 1, policy).unwrap();
        for (time, (number, kind)) in (1u64..).zip(records) {
            let bytes = if *kind == OUTPUT {
                Bytes::from(vec![b'x'; 3000])
            } else {
                Bytes::new()
            };
            log.append(time, Some(id(*number)), kind.clone(), bytes);
            log.flush();
        }
        World {
            directory,
            log,
            ledger: None,
            _place: place,
        }
    }

    /// What recovery adds to the records: whose end, with which number and time.
    fn added(world: &World) -> (History, Vec<(InvocationId, Seq, u64)>) {
        let (mut log, cuts) = Log::recover(&world.directory).unwrap();
        assert_eq!(cuts, []);
        let mut history = History::of(&mut log, world.ledger.clone());
        history.conclude(&mut log, "it died", GapCause::Storage);
        let mut cursor = log.cursor(From::Seq(world.log.next()));
        let mut added = Vec::new();
        while let Some(record) = log.read(&mut cursor, MAX_PAYLOAD).unwrap() {
            let ended = RecordKind::Completed(Outcome::SessionEnded("it died".into()));
            assert_eq!(record.kind, ended);
            added.push((record.invocation.unwrap(), record.seq, record.time_ms));
        }
        (history, added)
    }

    #[test]
    fn what_ran_gets_an_end_and_always_the_same() {
        let records = [
            (1, RecordKind::Started),
            (1, OUTPUT),
            (1, done()),
            (2, RecordKind::Started),
            // A background job of the first.
            (1, OUTPUT),
            (2, OUTPUT),
        ];
        let world = world(Policy::default(), &records);
        let (history, first) = added(&world);
        assert_eq!(first, [(id(2), Seq(7), 6)]);
        assert_eq!(added(&world).1, first);
        let (mut invocations, _) = history.recollect();
        assert_eq!(invocations.from(id(1)), Some(Seq(1)));
        assert_eq!(invocations.from(id(2)), Some(Seq(4)));
        assert_eq!(invocations.from(id(3)), None);
        assert_eq!(invocations.active(), 0);
        assert_eq!(invocations.start_next(0).map(|it| it.id), None);
    }

    #[test]
    fn nothing_is_added_where_everything_had_ended() {
        let world = world(
            Policy::default(),
            &[
                (1, RecordKind::Started),
                (1, done()),
                (2, RecordKind::Completed(Outcome::NeverRan)),
            ],
        );
        assert_eq!(added(&world).1, []);
    }

    #[test]
    fn of_what_lost_its_beginning_only_what_can_have_run_gets_an_end() {
        let small = Policy {
            quota_bytes: 16 * 1024,
            segment_bytes: 4096,
            memory_bytes: 4096,
            ..Policy::default()
        };
        let mut records = vec![(1, RecordKind::Started)];
        records.extend(vec![(1, OUTPUT); 40]);
        let alone = world(small, &records);
        assert!(alone.log.first() > Seq::FIRST, "the quota was reached");
        let (history, ends) = added(&alone);
        assert_eq!(ends, [(id(1), Seq(42), 41)]);
        let from = history.recollect().0.from(id(1));
        assert_eq!(from, Some(Seq::FIRST), "its reader hears of the gap");

        // Its own end is gone as well, but not that another one was started after it.
        records.push((1, done()));
        records.extend(vec![(1, OUTPUT); 40]);
        records.push((2, RecordKind::Started));
        records.push((1, OUTPUT));
        let (_, ends) = added(&world(small, &records));
        assert_eq!(ends.iter().map(|(id, ..)| *id).collect::<Vec<_>>(), [id(2)]);
    }

    #[test]
    fn the_ledger_knows_of_what_left_no_record() {
        let records = [
            (1, RecordKind::Started),
            (1, done()),
            (2, RecordKind::Started),
        ];
        let mut world = world(Policy::default(), &records);
        let accepted = |number, from| Entry::Accepted {
            invocation: id(number),
            from: Seq(from),
        };
        let ended = Completed {
            invocation: id(2),
            seq: Seq(4),
            offset: 0,
            time_ms: 9,
            outcome: Outcome::Ended(ExitStatus::Code(7)),
        };
        world.ledger = Some(vec![
            accepted(1, 1),
            accepted(2, 1),
            accepted(4, 3),
            accepted(3, 4),
            Entry::Completed(ended),
        ]);
        let (mut log, _) = Log::recover(&world.directory).unwrap();
        let mut history = History::of(&mut log, world.ledger.clone());
        history.conclude(&mut log, "it died", GapCause::Storage);
        let mut cursor = log.cursor(From::Seq(Seq(4)));
        let mut ends = Vec::new();
        while let Some(record) = log.read(&mut cursor, MAX_PAYLOAD).unwrap() {
            ends.push((record.invocation, record.seq, record.kind));
        }
        let waited = || {
            let text = "it died; by its log the command had not begun";
            RecordKind::Completed(Outcome::SessionEnded(text.into()))
        };
        let gap = RecordKind::Gap(Gap {
            first: Seq(4),
            bytes: 0,
            cause: GapCause::Storage,
        });
        assert_eq!(
            ends,
            [
                // Its record is the only thing the host did not get to: its outcome fills this.
                (None, Seq(4), gap),
                (Some(id(4)), Seq(5), waited()),
                (Some(id(3)), Seq(6), waited()),
            ]
        );
        let (invocations, _) = history.recollect();
        assert_eq!(invocations.from(id(3)), Some(Seq(4)));
    }
}
