//! What the session's terminal showed lately, and who reads it.
//!
//! It is a log of its own, in memory: what the screen showed is not output to be received, and
//! hours of a screen that changes must not push out what was.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::id::{InvocationId, Lease, ReaderId, Seq};
use outlast_protocol::limits::TERMINAL_HISTORY;
use outlast_protocol::record::{RecordKind, Stream};
use outlast_protocol::session::Buffering;
use outlast_protocol::terminal::follower::Follower;

use super::progress::{Progress, Wait};
use crate::log::{From, Log, MAX_PAYLOAD, Policy};

/// Programs on the terminal wait for a visitor who has so much to read.
const AHEAD: u64 = 256 * 1024;
/// Under what the readers of all visitors are counted.
const VISITORS: InvocationId = InvocationId(uuid::Uuid::nil());

/// The terminal's log.
pub(super) struct Terminal {
    log: Log,
    readers: Progress,
    /// For which visit each reads, where it says so.
    visits: BTreeMap<(Lease, ReaderId), Option<InvocationId>>,
    /// The modes before the first record that is kept.
    modes: Follower,
    /// The lines it has, each from a record on that is kept.
    rows: VecDeque<(Seq, u16)>,
}

impl Terminal {
    pub(super) fn new() -> Self {
        let policy = Policy {
            buffering: Buffering::Drop,
            memory_bytes: TERMINAL_HISTORY,
            ..Policy::default()
        };
        Self {
            log: Log::in_memory(policy).with_last_look(),
            readers: Progress::default(),
            visits: BTreeMap::new(),
            modes: Follower::default(),
            rows: VecDeque::new(),
        }
    }

    /// What readers read.
    pub(super) fn log(&mut self) -> &mut Log {
        &mut self.log
    }

    /// The number of the next record.
    pub(super) fn next(&self) -> Seq {
        self.log.next()
    }

    /// The terminal said something, while that invocation had it.
    pub(super) fn said(&mut self, now_ms: u64, invocation: Option<InvocationId>, bytes: Bytes) {
        let kind = RecordKind::Output(Stream::Pty);
        self.log.append(now_ms, invocation, kind, bytes);
        self.settle();
    }

    /// Something became of a visit.
    pub(super) fn note(&mut self, now_ms: u64, visit: InvocationId, kind: RecordKind) {
        self.log.append(now_ms, Some(visit), kind, Bytes::new());
        self.settle();
    }

    /// It has so many lines now.
    pub(super) fn resized(&mut self, rows: u16) {
        let next = self.next();
        // Nothing was said in between.
        if self.rows.back().is_some_and(|(since, _)| *since == next) {
            self.rows.pop_back();
        }
        self.rows.push_back((next, rows));
    }

    /// What brings a terminal on which nothing is set to where this one was before that record;
    /// none where nothing is missing before it.
    pub(super) fn before(&mut self, seq: Seq) -> Option<Bytes> {
        if seq <= Seq::FIRST {
            return None;
        }
        // Only the modes of what is gone are known by heart: the rest can be read.
        let mut modes = self.modes.clone();
        let mut rows = self.rows.iter().peekable();
        let mut cursor = self.log.cursor(From::Seq(self.log.first()));
        while cursor.position().seq < seq
            && let Ok(Some(record)) = self.log.read(&mut cursor, MAX_PAYLOAD)
        {
            while let Some((_, rows)) = rows.next_if(|(since, _)| *since <= record.seq) {
                modes.resized(*rows);
            }
            modes.push(&record.bytes);
        }
        for (_, rows) in rows.take_while(|(since, _)| *since <= seq) {
            modes.resized(*rows);
        }
        Some(modes.restoring().into())
    }

    /// Looks at what is dropped before it is gone.
    fn settle(&mut self) {
        self.log.flush();
        for record in self.log.dropped() {
            while let Some((since, rows)) = self.rows.front()
                && *since <= record.seq
            {
                self.modes.resized(*rows);
                self.rows.pop_front();
            }
            self.modes.push(&record.bytes);
        }
    }

    /// A reader that may write has come, for that visit if it says so.
    pub(super) fn opened(
        &mut self,
        reader: (Lease, ReaderId),
        visit: Option<InvocationId>,
        consumed: Seq,
        now: Duration,
    ) {
        self.readers.opened(reader, VISITORS, consumed, now);
        self.visits.insert(reader, visit);
    }

    /// It has consumed everything up to `seq`.
    pub(super) fn moved(&mut self, reader: (Lease, ReaderId), seq: Seq, now: Duration) {
        self.readers.moved(reader, seq, now);
    }

    /// It is gone.
    pub(super) fn closed(&mut self, reader: (Lease, ReaderId)) {
        self.readers.closed(reader);
        self.visits.remove(&reader);
    }

    /// Whether that attachment reads it for the visit. Older clients do not say for which they
    /// read: that may be any.
    pub(super) fn is_read_for(&self, visit: InvocationId, lease: Lease) -> bool {
        let mut readers = self.visits.iter();
        readers.any(|((of, _), read_for)| *of == lease && read_for.is_none_or(|it| it == visit))
    }

    /// How long the terminal must wait for its visitor.
    pub(super) fn wait(&self, now: Duration) -> Wait {
        match self.readers.patience(VISITORS, now) {
            Some((consumed, left)) if self.log.bytes_behind(consumed) > AHEAD => Wait::AtMost(left),
            _ => Wait::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visitor_who_gets_on_is_waited_for_and_one_who_stands_still_is_not() {
        let mut terminal = Terminal::new();
        let (reader, s) = ((Lease(1), ReaderId(1)), Duration::from_secs);
        terminal.said(0, None, Bytes::from(vec![b'x'; 40_000]));
        terminal.opened(reader, None, Seq(1), s(10));
        for _ in 0..6 {
            terminal.said(0, None, Bytes::from(vec![b'x'; 40_000]));
        }
        assert_eq!(terminal.wait(s(10)), Wait::No);
        terminal.said(0, None, Bytes::from(vec![b'x'; 40_000]));
        assert_eq!(terminal.wait(s(11)), Wait::AtMost(s(1)));
        assert_eq!(terminal.wait(s(12)), Wait::No, "it stands still");
        terminal.moved(reader, Seq(3), s(13));
        assert_eq!(terminal.wait(s(13)), Wait::No, "it has less to read");
    }

    #[test]
    fn who_reads_for_another_visit_is_no_visitor_of_this_one() {
        let mut terminal = Terminal::new();
        let [mine, other] = [1, 2].map(|number| InvocationId(uuid::Uuid::from_u128(number)));
        let (named, unnamed) = ((Lease(1), ReaderId(1)), (Lease(2), ReaderId(1)));
        terminal.opened(named, Some(other), Seq(1), Duration::ZERO);
        assert!(!terminal.is_read_for(mine, Lease(1)) && terminal.is_read_for(other, Lease(1)));
        assert!(!terminal.is_read_for(other, Lease(2)));
        terminal.opened(unnamed, None, Seq(1), Duration::ZERO);
        assert!(terminal.is_read_for(mine, Lease(2)) && terminal.is_read_for(other, Lease(2)));
        terminal.closed(unnamed);
        assert!(!terminal.is_read_for(mine, Lease(2)));
    }

    #[test]
    fn only_what_was_shown_lately_is_kept() {
        let mut terminal = Terminal::new();
        for _ in 0..100 {
            terminal.said(0, None, Bytes::from(vec![b'x'; 40_000]));
        }
        let kept = 101 - terminal.log().first().0;
        assert!((20..=27).contains(&kept), "{kept}");
    }

    /// What is known of the part that is gone, with what is read of the rest, is what is known of
    /// everything: at every record that there is.
    #[test]
    fn the_modes_before_any_record_are_those_that_everything_before_it_set() {
        let mut terminal = Terminal::new();
        let mut everything = Follower::default();
        let mut before = vec![Vec::new()];
        let words = [
            "\x1b[?1049h\x1b[1;20r",
            "\x1b[?1000;1006h",
            "\x1b[?25",
            "l\x1b]2;title\x07",
            "\x1b[?1049l",
            "\x1b[?1000l\x1b[?25h\x1b[?7l",
        ];
        for round in 0..600usize {
            if round % 7 == 0 {
                let rows = u16::try_from(20 + round % 11).unwrap();
                terminal.resized(rows + 1);
                terminal.resized(rows);
                everything.resized(rows);
            }
            let mut said = words[round % words.len()].as_bytes().to_vec();
            if round % 6 != 2 {
                said.resize(5000, b'x');
            }
            everything.push(&said);
            terminal.said(0, None, said.into());
            before.push(everything.restoring());
        }
        assert_eq!(terminal.before(Seq::FIRST), None, "nothing is missing");
        let first = terminal.log().first();
        assert!(first > Seq(300), "{first}");
        // A change of size is one before the next record.
        for seq in first.0..=600 {
            let known = terminal.before(Seq(seq)).unwrap();
            if (seq - 1) % 7 != 0 {
                let index = usize::try_from(seq - 1).unwrap();
                assert_eq!(known, before[index], "before {seq}");
            }
        }
        assert!(terminal.rows.len() < 60, "{}", terminal.rows.len());
    }

    #[test]
    fn sizes_without_a_word_in_between_are_not_kept() {
        let mut terminal = Terminal::new();
        for rows in 1..1000 {
            terminal.resized(rows);
        }
        assert_eq!(terminal.rows.len(), 1);
    }
}
