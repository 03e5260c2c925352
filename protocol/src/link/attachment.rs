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
use super::to_host::{
    Answer, Cancel, More, ReaderAck, ReaderClose, ReaderOpen, Resize, Stdin, StdinEnd, Submit,
    ToHost,
};
use super::{From, Level, Source, TerminalSize};
use crate::id::{InvocationId, ReaderId, Seq};
use crate::limits::{MAX_CHUNK, MAX_PIECE, MAX_READERS, RECORD_COST, STDIN_WINDOW};

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

impl Reader {
    fn is_of_terminal(&self) -> bool {
        self.open.source == Source::Terminal
    }

    /// What opens it on another link, behind what was handed on.
    fn again(&self) -> impl Iterator<Item = Outgoing> + use<> {
        let mut open = self.open.clone();
        if let Some(last) = self.last {
            open.from = From::Seq(last.next());
            open.owed = self.unconsumed.iter().map(|(_, cost)| cost).sum();
        }
        let reader = open.reader;
        // The last acknowledgement may have been lost with the old link, or was never sent;
        // without it the host would keep what nobody needs.
        let ack = self.consumed.map(|seq| ReaderAck { reader, seq }.into());
        let said = [Some(open.into()), ack];
        said.into_iter()
            .flatten()
            .map(|message| (message, Bytes::new()))
    }
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
    /// The client's terminal, if it has shown one.
    size: Option<TerminalSize>,
    /// What programs asked and is not over, with what was answered.
    questions: BTreeMap<u32, Option<Answer>>,
    outbox: VecDeque<Outgoing>,
}

impl Attachment {
    /// The session is attached on a fresh link: says again what may not have arrived.
    pub fn link_up(&mut self) {
        self.up = true;
        self.outbox.clear();
        // Before anything is submitted: a host takes who reads the terminal for its visitor, and
        // has one who does not go when something else is submitted.
        for reader in self.readers.values().filter(|it| it.is_of_terminal()) {
            self.outbox.extend(reader.again());
        }
        for (submit, body) in &self.unanswered {
            self.outbox.extend(pieces(submit, body));
        }
        if let Some(size) = self.size {
            self.outbox
                .push_back((Resize { size }.into(), Bytes::new()));
        }
        for answer in self.questions.values().flatten() {
            self.outbox.push_back((answer.clone().into(), Bytes::new()));
        }
        for reader in self.readers.values().filter(|it| !it.is_of_terminal()) {
            self.outbox.extend(reader.again());
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
        if self.up {
            self.outbox.extend(pieces(&submit, &body));
        }
        self.unanswered.push((submit, body));
    }

    /// The client's terminal has this size now.
    pub fn resize(&mut self, size: TerminalSize) {
        if self.size.replace(size) != Some(size) {
            self.say(Resize { size }.into(), Bytes::new());
        }
    }

    /// Nobody shows the session's terminal any more.
    pub fn forget_size(&mut self) {
        self.size = None;
    }

    /// A program asks something. Says whether that is news: each new link asks again.
    pub fn asked(&mut self, question: u32) -> bool {
        let new = !self.questions.contains_key(&question);
        self.questions.entry(question).or_insert(None);
        new
    }

    /// What a program's question was answered with: said on every link until it is over.
    pub fn answer(&mut self, answer: Answer) {
        if let Some(known) = self.questions.get_mut(&answer.question) {
            *known = Some(answer.clone());
            self.say(answer.into(), Bytes::new());
        }
    }

    /// A question needs no answer any more.
    pub fn question_over(&mut self, question: u32) {
        self.questions.remove(&question);
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

/// A submission in frames: what does not fit into the first follows.
fn pieces(submit: &Submit, body: &Bytes) -> VecDeque<Outgoing> {
    let mut body = body.clone();
    let first = body.split_to(body.len().min(MAX_PIECE));
    let submit = Submit {
        more_len: u32::try_from(body.len()).unwrap_or(u32::MAX),
        ..submit.clone()
    };
    let invocation = submit.invocation;
    let mut pieces = VecDeque::from([(submit.into(), first)]);
    while !body.is_empty() {
        let piece = body.split_to(body.len().min(MAX_PIECE));
        pieces.push_back((More { invocation }.into(), piece));
    }
    pieces
}

#[cfg(test)]
mod tests;
