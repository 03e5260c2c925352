//! What a client must not forget while links come and go: submissions without an answer,
//! standard input the command has not taken, readers and how far they are.
//!
//! The machine outlives every link. On each new one [`Attachment::link_up`] queues what has to
//! be said again; the host recognises what it already has by invocation ID, stdin offset and
//! record number, so nothing happens twice. Output is deduplicated here by record number.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use bytes::{Buf, Bytes};

use super::to_client::{Record, StdinTaken, Submitted};
use super::to_host::{Cancel, ReaderAck, ReaderClose, ReaderOpen, Stdin, StdinEnd, Submit, ToHost};
use super::{From, Level};
use crate::id::{InvocationId, ReaderId, Seq};
use crate::limits::{MAX_CHUNK, MAX_READERS, RECORD_COST, STDIN_WINDOW};

/// A message with the raw bytes behind it.
pub type Outgoing = (ToHost, Bytes);

#[derive(Debug)]
struct Reader {
    open: ReaderOpen,
    /// Number of the last record handed on.
    last: Option<Seq>,
    /// Number of the last record the consumer has written out.
    consumed: Option<Seq>,
    /// What the records handed on behind that one cost: the consumer may stand still while links
    /// come and go, and must not be given a whole credit by each.
    unconsumed: VecDeque<(Seq, u64)>,
}

#[derive(Debug, Default)]
struct Input {
    /// Everything below was taken by the command. More than was given here, where an earlier
    /// attachment had given it.
    taken: u64,
    /// Bytes from `taken` on, given but perhaps not taken.
    pending: VecDeque<Bytes>,
    /// How much was given in all.
    given: u64,
    /// How much of it was sent on this link.
    sent: u64,
    ended: bool,
    end_sent: bool,
    closed: bool,
}

/// The client's memory of one attached session.
#[derive(Debug, Default)]
pub struct Attachment {
    up: bool,
    next_reader: u32,
    /// In the order they were submitted: it is the order in which they are to run.
    unanswered: Vec<(Submit, Bytes)>,
    inputs: BTreeMap<InvocationId, Input>,
    /// What is to be stopped, and how hard, and is not known to be over.
    cancels: BTreeMap<InvocationId, Level>,
    readers: BTreeMap<ReaderId, Reader>,
    /// Readers closed lately: their last acknowledgement may have been lost with a link.
    closed: VecDeque<ReaderOpen>,
    outbox: VecDeque<Outgoing>,
}

impl Attachment {
    /// The session is attached on a fresh link: says again what may not have arrived.
    pub fn link_up(&mut self) {
        self.up = true;
        self.outbox.clear();
        for (submit, body) in &self.unanswered {
            self.outbox.push_back((submit.clone().into(), body.clone()));
        }
        for reader in self.readers.values() {
            let mut open = reader.open.clone();
            if let Some(last) = reader.last {
                open.from = From::Seq(last.next());
                open.owed = reader.unconsumed.iter().map(|(_, cost)| cost).sum();
            }
            let reader_id = open.reader;
            self.outbox.push_back((open.into(), Bytes::new()));
            // The last acknowledgement may have been lost with the old link, or was never sent;
            // without it the host would keep what nobody needs.
            if let Some(seq) = reader.consumed {
                let ack = ReaderAck {
                    reader: reader_id,
                    seq,
                };
                self.outbox.push_back((ack.into(), Bytes::new()));
            }
        }
        for open in &self.closed {
            // A reader that begins there has no use for what is before.
            let close = ReaderClose {
                reader: open.reader,
            };
            self.outbox.push_back((open.clone().into(), Bytes::new()));
            self.outbox.push_back((close.into(), Bytes::new()));
        }
        for (invocation, level) in &self.cancels {
            let cancel = Cancel {
                invocation: *invocation,
                level: *level,
            };
            self.outbox.push_back((cancel.into(), Bytes::new()));
        }
        for input in self.inputs.values_mut() {
            input.sent = input.taken;
            input.end_sent = false;
        }
        let waiting: Vec<InvocationId> = self.inputs.keys().copied().collect();
        for invocation in waiting {
            // Input of a command whose submission is unanswered follows right behind it.
            self.send_input(invocation);
        }
    }

    /// The link is gone.
    pub fn link_down(&mut self) {
        self.up = false;
        self.outbox.clear();
    }

    /// Submits a command.
    pub fn submit(&mut self, submit: Submit, body: Bytes) {
        if submit.stdin {
            // Input resumed from an offset stays as it is.
            self.inputs.entry(submit.invocation).or_default();
        }
        self.answered(submit.invocation);
        self.unanswered.push((submit.clone(), body.clone()));
        self.say(submit.into(), body);
    }

    /// The standard input of an invocation will be given from `offset` on, by whoever gives it
    /// now. What somebody else gave before and the command has not taken is forgotten: this one
    /// gives it again.
    pub fn resume_input(&mut self, invocation: InvocationId, offset: u64) {
        let known = self.inputs.remove(&invocation).unwrap_or_default();
        let taken = known.taken.max(offset);
        let input = Input {
            taken,
            given: offset,
            sent: taken,
            closed: known.closed,
            ..Input::default()
        };
        self.inputs.insert(invocation, input);
    }

    /// The host's answer to a submission, or its refusal.
    pub fn submitted(&mut self, answer: &Submitted) {
        self.answered(answer.invocation);
        self.input_taken(answer.invocation, answer.stdin_offset, false);
    }

    /// The host refused the submission.
    pub fn refused(&mut self, invocation: InvocationId) {
        self.answered(invocation);
        self.inputs.remove(&invocation);
        self.cancels.remove(&invocation);
    }

    /// Stops an invocation, or withdraws it while it waits: said on every link until it is over.
    pub fn cancel(&mut self, invocation: InvocationId, level: Level) {
        let wanted = self.cancels.entry(invocation).or_insert(level);
        *wanted = level.max(*wanted);
        self.say(Cancel { invocation, level }.into(), Bytes::new());
    }

    /// The invocation is over: its input and the wish to stop it are of no use.
    pub fn completed(&mut self, invocation: InvocationId) {
        self.answered(invocation);
        self.inputs.remove(&invocation);
        self.left(invocation);
    }

    /// Nobody waits for the invocation any more: the wish to stop it is not said again.
    pub fn left(&mut self, invocation: InvocationId) {
        self.cancels.remove(&invocation);
    }

    fn answered(&mut self, invocation: InvocationId) {
        self.unanswered
            .retain(|(submit, _)| submit.invocation != invocation);
    }

    /// More standard input. The caller keeps within [`STDIN_WINDOW`] beyond what was taken.
    pub fn stdin(&mut self, invocation: InvocationId, bytes: Bytes) {
        let Some(input) = self.inputs.get_mut(&invocation) else {
            return;
        };
        if input.closed || bytes.is_empty() {
            return;
        }
        let known = input.taken.saturating_sub(input.given);
        input.given = input.given.saturating_add(bytes.len() as u64);
        let mut bytes = bytes;
        bytes.advance(usize::try_from(known).map_or(bytes.len(), |known| known.min(bytes.len())));
        if !bytes.is_empty() {
            input.pending.push_back(bytes);
        }
        self.send_input(invocation);
    }

    /// The end of standard input.
    pub fn stdin_end(&mut self, invocation: InvocationId) {
        if let Some(input) = self.inputs.get_mut(&invocation) {
            input.ended = true;
            self.send_input(invocation);
        }
    }

    /// The command took input.
    pub fn stdin_taken(&mut self, taken: &StdinTaken) {
        self.input_taken(taken.invocation, taken.offset, taken.closed);
    }

    fn input_taken(&mut self, invocation: InvocationId, offset: u64, closed: bool) {
        let Some(input) = self.inputs.get_mut(&invocation) else {
            return;
        };
        let mut done = offset.saturating_sub(input.taken);
        input.taken = input.taken.saturating_add(done);
        input.sent = input.sent.max(input.taken);
        while let Some(front) = input.pending.front_mut() {
            let step = (front.len() as u64).min(done);
            front.advance(usize::try_from(step).unwrap_or(front.len()));
            done = done.saturating_sub(step);
            if !front.is_empty() {
                break;
            }
            input.pending.pop_front();
        }
        if closed {
            input.closed = true;
            input.pending.clear();
            input.given = input.taken;
        }
        self.send_input(invocation);
    }

    /// Sends input not yet sent on this link, within the window.
    fn send_input(&mut self, invocation: InvocationId) {
        if !self.up {
            return;
        }
        let Some(input) = self.inputs.get_mut(&invocation) else {
            return;
        };
        if input.closed {
            return;
        }
        let mut offset = input.taken;
        for piece in &input.pending {
            let mut piece = piece.clone();
            let start = offset;
            offset = offset.saturating_add(piece.len() as u64);
            if offset <= input.sent {
                continue;
            }
            let skip = usize::try_from(input.sent.saturating_sub(start)).unwrap_or(piece.len());
            piece.advance(skip.min(piece.len()));
            let window = input.taken.saturating_add(STDIN_WINDOW);
            while !piece.is_empty() && input.sent < window {
                let room = usize::try_from(window.saturating_sub(input.sent)).unwrap_or(MAX_CHUNK);
                let part = piece.split_to(piece.len().min(MAX_CHUNK).min(room));
                let message = Stdin {
                    invocation,
                    offset: input.sent,
                };
                input.sent = input.sent.saturating_add(part.len() as u64);
                self.outbox.push_back((message.into(), part));
            }
        }
        // Sent can be above what was given: the command had taken more from somebody else before.
        if input.ended && !input.end_sent && input.sent >= input.given {
            input.end_sent = true;
            let message = StdinEnd {
                invocation,
                offset: input.sent,
            };
            self.outbox.push_back((message.into(), Bytes::new()));
        }
    }

    /// Opens a reader; the caller's `open.reader` is replaced by a fresh ID, which is returned.
    pub fn open_reader(&mut self, mut open: ReaderOpen) -> ReaderId {
        self.next_reader = self.next_reader.wrapping_add(1);
        let reader = ReaderId(self.next_reader);
        open.reader = reader;
        self.readers.insert(
            reader,
            Reader {
                open: open.clone(),
                last: None,
                consumed: None,
                unconsumed: VecDeque::new(),
            },
        );
        self.say(open.into(), Bytes::new());
        reader
    }

    /// Whether `record` is new for its reader. A record that came before on another link, or
    /// belongs to a closed reader, is not.
    #[must_use]
    pub fn accept(&mut self, record: &Record, body: usize) -> bool {
        let Some(reader) = self.readers.get_mut(&record.reader) else {
            return false;
        };
        if reader.last.is_some_and(|last| record.seq <= last) {
            return false;
        }
        reader.last = Some(record.seq);
        reader
            .unconsumed
            .push_back((record.seq, RECORD_COST.saturating_add(body as u64)));
        true
    }

    /// The consumer has written out everything up to `seq`.
    pub fn consumed(&mut self, reader: ReaderId, seq: Seq) {
        if let Some(known) = self.readers.get_mut(&reader) {
            known.consumed = known.consumed.max(Some(seq));
            while known
                .unconsumed
                .front()
                .is_some_and(|(held, _)| *held <= seq)
            {
                known.unconsumed.pop_front();
            }
            self.say(ReaderAck { reader, seq }.into(), Bytes::new());
        }
    }

    /// Closes a reader.
    pub fn close_reader(&mut self, reader: ReaderId) {
        if let Some(known) = self.readers.remove(&reader) {
            if let Some(consumed) = known.consumed {
                self.closed.push_back(ReaderOpen {
                    from: From::Seq(consumed.next()),
                    credit: 1,
                    owed: 0,
                    ..known.open
                });
            }
            if self.closed.len() > MAX_READERS {
                self.closed.pop_front();
            }
            self.say(ReaderClose { reader }.into(), Bytes::new());
        }
    }

    /// Says something that is not repeated on another link.
    pub fn say(&mut self, message: ToHost, body: Bytes) {
        if self.up {
            self.outbox.push_back((message, body));
        }
    }

    /// What to send next.
    pub fn poll_message(&mut self) -> Option<Outgoing> {
        self.outbox.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use uuid::Uuid;

    use super::*;
    use crate::link::Command;
    use crate::record::RecordKind;

    fn submit(invocation: InvocationId) -> Submit {
        Submit {
            invocation,
            command: Command::Script,
            arguments_len: 0,
            stdin: true,
            timeout_ms: None,
            wait: true,
            extensions: Vec::new(),
        }
    }

    fn reader_open() -> ReaderOpen {
        ReaderOpen {
            reader: ReaderId(0),
            from: From::Start,
            only: None,
            skip: Vec::new(),
            credit: 1,
            owed: 0,
        }
    }

    fn drain(attachment: &mut Attachment) -> Vec<Outgoing> {
        core::iter::from_fn(|| attachment.poll_message()).collect()
    }

    fn stdin_of(messages: &[Outgoing]) -> (Option<u64>, Vec<u8>, bool) {
        let mut first = None;
        let mut all = Vec::new();
        let mut end = false;
        for (message, body) in messages {
            match message {
                ToHost::Stdin(stdin) => {
                    first.get_or_insert(stdin.offset);
                    all.extend_from_slice(body);
                }
                ToHost::StdinEnd(_) => end = true,
                _ => {}
            }
        }
        (first, all, end)
    }

    #[test]
    fn an_unanswered_submission_is_said_again_and_an_answered_one_is_not() {
        let id = InvocationId(Uuid::from_u128(1));
        let mut attachment = Attachment::default();
        attachment.submit(submit(id), Bytes::from_static(b"true"));
        assert!(
            drain(&mut attachment).is_empty(),
            "nothing is sent without a link"
        );
        for _ in 0..2 {
            attachment.link_up();
            let said = drain(&mut attachment);
            assert!(matches!(said[0].0, ToHost::Submit(_)));
            attachment.link_down();
        }
        let answer = Submitted {
            invocation: id,
            ahead: 0,
            stdin_offset: 0,
            from: Seq(1),
        };
        attachment.submitted(&answer);
        attachment.link_up();
        assert!(drain(&mut attachment).is_empty());
    }

    #[test]
    fn a_cancel_is_said_on_every_link_until_nobody_waits_any_more() {
        let id = InvocationId(Uuid::from_u128(1));
        let mut attachment = Attachment::default();
        attachment.cancel(id, Level::Interrupt);
        assert!(
            drain(&mut attachment).is_empty(),
            "nothing is sent without a link"
        );
        attachment.cancel(id, Level::Kill);
        attachment.cancel(id, Level::Terminate);
        for _ in 0..2 {
            attachment.link_up();
            let said = drain(&mut attachment);
            assert!(
                matches!(&said[..], [(ToHost::Cancel(cancel), _)] if cancel.level == Level::Kill),
                "{said:?}"
            );
            attachment.link_down();
        }
        attachment.left(id);
        attachment.link_up();
        assert!(drain(&mut attachment).is_empty());
    }

    #[test]
    fn submissions_are_said_again_in_the_order_they_were_made() {
        let ids = [3, 1, 2].map(|n| InvocationId(Uuid::from_u128(n)));
        let mut attachment = Attachment::default();
        for id in ids {
            attachment.submit(submit(id), Bytes::new());
        }
        attachment.link_up();
        let said: Vec<_> = drain(&mut attachment)
            .into_iter()
            .filter_map(|(message, _)| match message {
                ToHost::Submit(submit) => Some(submit.invocation),
                _ => None,
            })
            .collect();
        assert_eq!(said, ids);
    }

    #[test]
    fn what_a_closed_reader_consumed_is_said_again() {
        let mut attachment = Attachment::default();
        attachment.link_up();
        let open = reader_open();
        let reader = attachment.open_reader(open.clone());
        attachment.consumed(reader, Seq(7));
        attachment.close_reader(reader);
        let unread = attachment.open_reader(open);
        attachment.close_reader(unread);
        attachment.link_down();
        attachment.link_up();
        let said = drain(&mut attachment);
        let [
            (ToHost::ReaderOpen(open), _),
            (ToHost::ReaderClose(close), _),
        ] = &said[..]
        else {
            panic!("{said:?}");
        };
        assert_eq!((open.reader, close.reader), (reader, reader));
        assert_eq!(open.from, From::Seq(Seq(8)));
    }

    #[test]
    fn input_is_sent_again_from_where_the_command_took_it() {
        let id = InvocationId(Uuid::from_u128(1));
        let mut attachment = Attachment::default();
        attachment.link_up();
        attachment.submit(submit(id), Bytes::new());
        attachment.stdin(id, Bytes::from_static(b"hello "));
        attachment.stdin(id, Bytes::from_static(b"world"));
        attachment.stdin_end(id);
        assert_eq!(
            stdin_of(&drain(&mut attachment)),
            (Some(0), b"hello world".to_vec(), true)
        );
        attachment.stdin_taken(&StdinTaken {
            invocation: id,
            offset: 8,
            closed: false,
        });
        assert!(drain(&mut attachment).is_empty());
        attachment.link_down();
        attachment.link_up();
        assert_eq!(
            stdin_of(&drain(&mut attachment)),
            (Some(8), b"rld".to_vec(), true)
        );
        attachment.stdin_taken(&StdinTaken {
            invocation: id,
            offset: 9,
            closed: true,
        });
        attachment.link_down();
        attachment.link_up();
        assert_eq!(stdin_of(&drain(&mut attachment)), (None, vec![], false));
    }

    /// The command took a whole window while nobody held the session: what is given again from
    /// where the last attachment knew it to be must not fill this one's window.
    #[test]
    fn input_that_was_taken_meanwhile_is_not_sent_again() {
        let id = InvocationId(Uuid::from_u128(1));
        let mut attachment = Attachment::default();
        attachment.link_up();
        attachment.resume_input(id, 10);
        attachment.submit(submit(id), Bytes::new());
        attachment.submitted(&Submitted {
            invocation: id,
            ahead: 0,
            stdin_offset: 10 + STDIN_WINDOW,
            from: Seq(1),
        });
        let window = usize::try_from(STDIN_WINDOW).unwrap();
        attachment.stdin(id, Bytes::from(vec![1; window - 1]));
        assert_eq!(stdin_of(&drain(&mut attachment)), (None, vec![], false));
        attachment.stdin(id, Bytes::from_static(&[1, 2, 3]));
        attachment.stdin_end(id);
        let rest = (Some(10 + STDIN_WINDOW), vec![2, 3], true);
        assert_eq!(stdin_of(&drain(&mut attachment)), rest);
    }

    /// The same command sent again from another terminal, with the same input from its beginning.
    #[test]
    fn input_given_anew_replaces_what_was_given_and_not_taken() {
        let id = InvocationId(Uuid::from_u128(1));
        let mut attachment = Attachment::default();
        attachment.link_up();
        attachment.submit(submit(id), Bytes::new());
        attachment.stdin(id, Bytes::from_static(b"hello wo"));
        let taken = |offset| StdinTaken {
            invocation: id,
            offset,
            closed: false,
        };
        attachment.stdin_taken(&taken(3));
        drain(&mut attachment);
        attachment.resume_input(id, 0);
        attachment.submit(submit(id), Bytes::new());
        attachment.stdin(id, Bytes::from_static(b"he"));
        attachment.stdin(id, Bytes::from_static(b"llo world"));
        attachment.stdin_end(id);
        assert_eq!(
            stdin_of(&drain(&mut attachment)),
            (Some(3), b"lo world".to_vec(), true)
        );
    }

    #[test]
    fn input_given_anew_that_is_shorter_ends_where_the_command_is() {
        let id = InvocationId(Uuid::from_u128(1));
        let mut attachment = Attachment::default();
        attachment.link_up();
        attachment.resume_input(id, 0);
        attachment.submit(submit(id), Bytes::new());
        attachment.submitted(&Submitted {
            invocation: id,
            ahead: 0,
            stdin_offset: 9,
            from: Seq(1),
        });
        attachment.stdin(id, Bytes::from_static(b"short"));
        attachment.stdin_end(id);
        let said = drain(&mut attachment);
        let end = said.iter().find_map(|(message, _)| match message {
            ToHost::StdinEnd(end) => Some(end.offset),
            _ => None,
        });
        assert_eq!((stdin_of(&said).1, end), (vec![], Some(9)));
    }

    #[test]
    fn input_beyond_the_window_waits_for_the_command() {
        let id = InvocationId(Uuid::from_u128(1));
        let mut attachment = Attachment::default();
        attachment.link_up();
        attachment.submit(submit(id), Bytes::new());
        let window = usize::try_from(STDIN_WINDOW).unwrap();
        // Pieces of odd sizes: the last one sent is cut to what the window leaves.
        attachment.stdin(id, Bytes::from_static(b"odd"));
        attachment.stdin(id, Bytes::from(vec![7; window + 7]));
        attachment.stdin_end(id);
        let (_, sent, end) = stdin_of(&drain(&mut attachment));
        assert_eq!((sent.len(), end), (window, false));
        attachment.stdin_taken(&StdinTaken {
            invocation: id,
            offset: 100,
            closed: false,
        });
        let (first, sent, end) = stdin_of(&drain(&mut attachment));
        assert_eq!((first, sent.len(), end), (Some(window as u64), 10, true));
    }

    #[test]
    fn a_reader_goes_on_behind_the_last_record_and_takes_none_twice() {
        let mut attachment = Attachment::default();
        attachment.link_up();
        let reader = attachment.open_reader(reader_open());
        drain(&mut attachment);
        let record = |seq| Record {
            reader,
            seq: Seq(seq),
            time_ms: 0,
            invocation: None,
            kind: RecordKind::Started,
        };
        assert!(attachment.accept(&record(1), 10));
        assert!(attachment.accept(&record(2), 10));
        attachment.link_down();
        attachment.consumed(reader, Seq(1));
        attachment.link_up();
        let said = drain(&mut attachment);
        assert!(
            matches!(&said[0].0, ToHost::ReaderOpen(open) if open.from == From::Seq(Seq(3)) && open.owed == RECORD_COST + 10),
            "{said:?}"
        );
        assert!(
            matches!(&said[1].0, ToHost::ReaderAck(ack) if ack.seq == Seq(1)),
            "{said:?}"
        );
        assert!(!attachment.accept(&record(2), 10));
        assert!(attachment.accept(&record(3), 10));
    }
}
