//! A host by the book: PROTOCOL.md's rules for submissions, standard input, records and readers,
//! with commands that copy their standard input to their standard output.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use outlast_protocol::frame::FrameDecoder;
use outlast_protocol::hello::MAGIC;
use outlast_protocol::id::{ClientId, InstanceId, InvocationId, Lease, ReaderId, Seq, SessionName};
use outlast_protocol::limits::{MAX_FRAME, RECORD_COST};
use outlast_protocol::link::From;
use outlast_protocol::link::connection::hello;
use outlast_protocol::link::to_client::{Attached, Pong, Record, StdinTaken, Submitted, ToClient};
use outlast_protocol::link::to_host::{ReaderOpen, Stdin, StdinEnd, Submit, ToHost};
use outlast_protocol::outcome::{ExitStatus, Outcome};
use outlast_protocol::record::{Gap, GapCause, RecordKind, Stream};
use outlast_protocol::session::{Buffering, Holder, IdleTimeout, Life, SessionInfo};
use uuid::Uuid;

/// A record of the log with its bytes.
pub(crate) type Entry = (Seq, Option<InvocationId>, RecordKind, Bytes);

#[derive(Default)]
struct Invocation {
    stdin: bool,
    /// Received and not taken by the command.
    waiting: VecDeque<u8>,
    /// What the command was fed.
    fed: Vec<u8>,
    end: Option<u64>,
    from: Seq,
    over: bool,
}

impl Invocation {
    fn received(&self) -> u64 {
        (self.fed.len() + self.waiting.len()) as u64
    }
}

struct Reader {
    next: Seq,
    credit: usize,
    /// Sent and not acknowledged.
    unacked: VecDeque<(Seq, usize)>,
}

/// What dies with a link.
pub(crate) struct HostLink {
    decoder: FrameDecoder,
    readers: BTreeMap<ReaderId, Reader>,
    pub(crate) output: Vec<u8>,
    heard: bool,
    quiet: usize,
}

/// Steps that make up [`outlast_protocol::limits::HEARTBEAT`].
const HEARTBEAT: usize = 20;

impl HostLink {
    pub(crate) fn new() -> Self {
        let mut link = Self {
            decoder: FrameDecoder::new(MAX_FRAME),
            readers: BTreeMap::new(),
            output: MAGIC.to_vec(),
            heard: false,
            quiet: 0,
        };
        link.say(hello("relay", "u", "db1"), b"");
        link
    }

    /// A client whose own bytes are long under way hears that they arrive: its ping is behind
    /// them.
    fn keep_alive(&mut self) {
        self.quiet = if self.output.is_empty() {
            self.quiet + 1
        } else {
            0
        };
        if self.heard && self.quiet >= HEARTBEAT {
            self.heard = false;
            self.say(Pong { number: 0 }, b"");
        }
    }

    fn say(&mut self, message: impl Into<ToClient>, body: &[u8]) {
        let head = message.into().head(body.len()).expect("it fits");
        self.output.extend_from_slice(&head);
        self.output.extend_from_slice(body);
    }
}

/// What outlives every link.
#[derive(Default)]
pub(crate) struct Host {
    invocations: BTreeMap<InvocationId, Invocation>,
    queue: VecDeque<InvocationId>,
    running: Option<InvocationId>,
    /// Every record there ever was; `kept` are still there for readers.
    pub(crate) log: Vec<Entry>,
    pub(crate) kept: usize,
    lease: u64,
    /// The commands in the order they were started.
    pub(crate) started: Vec<InvocationId>,
    pub(crate) acked: Seq,
}

impl Host {
    pub(crate) fn fed(&self, invocation: InvocationId) -> &[u8] {
        &self.invocations[&invocation].fed
    }

    pub(crate) fn last(&self) -> Seq {
        Seq(self.log.len() as u64)
    }

    fn append(&mut self, invocation: InvocationId, kind: RecordKind, bytes: &[u8]) {
        let seq = self.last().next();
        let bytes = Bytes::copy_from_slice(bytes);
        self.log.push((seq, Some(invocation), kind, bytes));
    }

    pub(crate) fn input(&mut self, link: &mut HostLink, bytes: &[u8]) {
        link.heard = true;
        link.decoder.push(bytes);
        while let Some(frame) = link.decoder.next_frame().expect("a length in bounds") {
            let (message, body) = ToHost::decode(&frame).expect("a client that keeps to the rules");
            self.handle(link, message, &body);
        }
    }

    fn handle(&mut self, link: &mut HostLink, message: ToHost, body: &[u8]) {
        match message {
            ToHost::Attach(_) => {
                self.lease += 1;
                let lease = Lease(self.lease);
                let info = self.info();
                link.say(
                    Attached {
                        hello: hello("host", "u", "db1"),
                        lease,
                        info,
                    },
                    b"",
                );
            }
            ToHost::Submit(submit) => self.submit(link, &submit),
            ToHost::Stdin(stdin) => self.stdin(link, &stdin, body),
            ToHost::StdinEnd(end) => self.stdin_end(end),
            ToHost::ReaderOpen(open) => self.open_reader(link, &open),
            ToHost::ReaderAck(ack) => {
                self.acked = self.acked.max(ack.seq);
                let reader = link.readers.get_mut(&ack.reader).expect("an open reader");
                reader.unacked.retain(|&(seq, _)| seq > ack.seq);
            }
            ToHost::Ping(ping) => link.say(
                Pong {
                    number: ping.number,
                },
                b"",
            ),
            ToHost::Hello(_) | ToHost::Pong(_) => {}
            other => panic!("not said by this client: {}", other.name()),
        }
    }

    fn submit(&mut self, link: &mut HostLink, submit: &Submit) {
        let from = self.last().next();
        let invocation = submit.invocation;
        let known = self.invocations.entry(invocation).or_insert_with(|| {
            self.queue.push_back(invocation);
            Invocation {
                stdin: submit.stdin,
                from,
                ..Invocation::default()
            }
        });
        let (stdin_offset, from) = (known.fed.len() as u64, known.from);
        link.say(
            Submitted {
                invocation,
                ahead: 0,
                stdin_offset,
                from,
            },
            b"",
        );
    }

    fn stdin(&mut self, link: &mut HostLink, stdin: &Stdin, body: &[u8]) {
        let Stdin { invocation, offset } = *stdin;
        let known = self
            .invocations
            .get_mut(&invocation)
            .expect("submitted before");
        let received = known.received();
        assert!(
            offset <= received,
            "input was left out: {offset} after {received}"
        );
        let have = usize::try_from(received - offset).expect("small");
        if !known.over {
            known.waiting.extend(body.iter().skip(have));
        }
        if have > 0 {
            // Said again: the client did not hear how far the command was.
            let (offset, closed) = (known.fed.len() as u64, known.over);
            link.say(
                StdinTaken {
                    invocation,
                    offset,
                    closed,
                },
                b"",
            );
        }
    }

    fn stdin_end(&mut self, end: StdinEnd) {
        let known = self
            .invocations
            .get_mut(&end.invocation)
            .expect("submitted before");
        assert_eq!(
            known.received(),
            end.offset,
            "the end is where the bytes end"
        );
        known.end = Some(end.offset);
    }

    fn open_reader(&self, link: &mut HostLink, open: &ReaderOpen) {
        let next = match open.from {
            From::Start => Seq::FIRST,
            From::Seq(seq) => seq,
            From::Bytes(_) => Seq::FIRST,
            From::Tail(count) => Seq(self.last().0.saturating_sub(count)).next(),
        };
        let reader = Reader {
            next,
            credit: usize::try_from(open.credit).expect("small"),
            unacked: VecDeque::from([(
                Seq(next.0.saturating_sub(1)),
                usize::try_from(open.owed).expect("small"),
            )]),
        };
        let old = link.readers.insert(open.reader, reader);
        assert!(old.is_none(), "a reader's ID is new on its attachment");
    }

    fn oldest(&self) -> Seq {
        Seq((self.log.len().saturating_sub(self.kept) + 1) as u64)
    }

    /// The shell goes on, whether anybody listens or not.
    pub(crate) fn step(&mut self, mut link: Option<&mut HostLink>) {
        if self.running.is_none() {
            self.running = self.queue.pop_front();
            if let Some(invocation) = self.running {
                self.started.push(invocation);
                self.append(invocation, RecordKind::Started, b"");
            }
        }
        if let Some(invocation) = self.running {
            self.run(invocation, link.as_deref_mut());
        }
        if let Some(link) = link {
            self.feed(link);
            link.keep_alive();
        }
    }

    fn run(&mut self, invocation: InvocationId, link: Option<&mut HostLink>) {
        let known = self.invocations.get_mut(&invocation).expect("it runs");
        let piece: Vec<u8> = (0..5).map_while(|_| known.waiting.pop_front()).collect();
        known.fed.extend_from_slice(&piece);
        let offset = known.fed.len() as u64;
        let over = !known.stdin || known.end == Some(offset);
        known.over = over;
        if let Some(link) = link.filter(|_| !piece.is_empty() || over) {
            link.say(
                StdinTaken {
                    invocation,
                    offset,
                    closed: over,
                },
                b"",
            );
        }
        if !piece.is_empty() {
            self.append(invocation, RecordKind::Output(Stream::Stdout), &piece);
        }
        if over {
            let outcome = Outcome::Ended(ExitStatus::Code(0));
            self.append(invocation, RecordKind::Completed(outcome), b"");
            self.running = None;
        }
    }

    /// Sends every reader what its credit allows.
    fn feed(&self, link: &mut HostLink) {
        let mut said = Vec::new();
        for (&reader, state) in &mut link.readers {
            while state.next <= self.last() {
                let outstanding: usize = state.unacked.iter().map(|&(_, bytes)| bytes).sum();
                if outstanding >= state.credit {
                    break;
                }
                let (seq, invocation, kind, bytes) = self.entry(state.next);
                let cost = usize::try_from(RECORD_COST).expect("small") + bytes.len();
                state.unacked.push_back((seq, cost));
                state.next = seq.next();
                said.push((
                    Record {
                        reader,
                        seq,
                        time_ms: 0,
                        invocation,
                        kind,
                    },
                    bytes,
                ));
            }
        }
        for (record, bytes) in said {
            link.say(record, &bytes);
        }
    }

    /// The record with that number, or the gap that begins with it.
    fn entry(&self, seq: Seq) -> Entry {
        let index = |seq: Seq| usize::try_from(seq.0 - 1).expect("small");
        if seq >= self.oldest() {
            return self.log[index(seq)].clone();
        }
        let missing = &self.log[index(seq)..index(self.oldest())];
        let bytes = missing.iter().map(|(.., bytes)| bytes.len() as u64).sum();
        let gap = Gap {
            first: seq,
            bytes,
            cause: GapCause::Quota,
        };
        let last = Seq(self.oldest().0 - 1);
        (last, None, RecordKind::Gap(gap), Bytes::new())
    }

    fn info(&self) -> SessionInfo {
        SessionInfo {
            instance: InstanceId(Uuid::from_u128(1)),
            name: SessionName::new("s").expect("a name"),
            configuration: "bash".into(),
            life: Life::Live,
            holder: Some(Holder {
                client: ClientId(Uuid::from_u128(2)),
                user: "u".into(),
                host: "h".into(),
                address: String::new(),
                since_ms: 0,
            }),
            running: self.running,
            queued: 0,
            running_since_ms: None,
            activity: String::new(),
            asks: None,
            created_ms: 0,
            disconnected_ms: None,
            expires_ms: None,
            idle_timeout: IdleTimeout::Never,
            buffering: Buffering::Spool,
            host_pid: 1,
            first: self.oldest(),
            next: self.last().next(),
            extensions: Vec::new(),
        }
    }
}
