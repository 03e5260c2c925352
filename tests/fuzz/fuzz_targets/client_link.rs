//! Everything that can happen to a client's link and its memory of the session, in any order:
//! nothing panics, standard input leaves in order and within its window, no record is taken twice.
#![no_main]

use std::collections::BTreeMap;
use std::time::Duration;

use arbitrary::Arbitrary;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use outlast_protocol::frame;
use outlast_protocol::hello::MAGIC;
use outlast_protocol::id::{InvocationId, ReaderId, Seq};
use outlast_protocol::limits::STDIN_WINDOW;
use outlast_protocol::link::attachment::Attachment;
use outlast_protocol::link::connection::{ClientLink, LinkEvent, hello};
use outlast_protocol::link::to_client::{Record, StdinTaken, Submitted, ToClient};
use outlast_protocol::link::to_host::{ReaderOpen, Submit, ToHost};
use outlast_protocol::link::{Command, From, Source};
use outlast_protocol::record::RecordKind;
use uuid::Uuid;

#[derive(Arbitrary, Debug)]
enum Happening {
    Bytes(Vec<u8>),
    Frame {
        number: u8,
        payload: Vec<u8>,
    },
    Greeting,
    End,
    Wait {
        ms: u16,
    },
    Cut,
    Up,
    Submit {
        invocation: u8,
        stdin: bool,
    },
    Submitted {
        invocation: u8,
        offset: u64,
    },
    Refused {
        invocation: u8,
    },
    Completed {
        invocation: u8,
    },
    ResumeInput {
        invocation: u8,
        offset: u32,
    },
    Stdin {
        invocation: u8,
        length: u32,
    },
    StdinEnd {
        invocation: u8,
    },
    StdinTaken {
        invocation: u8,
        offset: u64,
        closed: bool,
    },
    Open,
    Record {
        reader: u8,
        seq: u64,
    },
    Consumed {
        reader: u8,
        seq: u64,
    },
    Close {
        reader: u8,
    },
}

fn invocation(number: u8) -> InvocationId {
    InvocationId(Uuid::from_u128(u128::from(number % 4)))
}

struct World {
    now: Duration,
    link: ClientLink,
    attachment: Attachment,
    /// Where each input goes on, on this link.
    offsets: BTreeMap<InvocationId, u64>,
    /// What the host said it took.
    taken: BTreeMap<InvocationId, u64>,
    records: BTreeMap<ReaderId, Seq>,
}

impl World {
    fn new() -> Self {
        let now = Duration::from_secs(1);
        Self {
            now,
            link: ClientLink::new(now, hello("fuzz", "u", "h")),
            attachment: Attachment::default(),
            offsets: BTreeMap::new(),
            taken: BTreeMap::new(),
            records: BTreeMap::new(),
        }
    }

    fn input(&mut self, bytes: &[u8]) {
        if self.link.handle_input(self.now, bytes).is_err() {
            self.cut();
        }
        while let Some(event) = self.link.poll_event() {
            match event {
                LinkEvent::Message(ToClient::Record(record), _) => self.record(&record),
                LinkEvent::Message(ToClient::Submitted(answer), _) => self.submitted(&answer),
                LinkEvent::Message(ToClient::StdinTaken(taken), _) => self.stdin_taken(&taken),
                LinkEvent::Message(..) | LinkEvent::Open(_) => {}
            }
        }
    }

    fn cut(&mut self) {
        self.link = ClientLink::new(self.now, hello("fuzz", "u", "h"));
        self.attachment.link_down();
        assert_eq!(self.attachment.poll_message(), None);
        self.offsets.clear();
    }

    fn record(&mut self, record: &Record) {
        if self.attachment.accept(record, 1) {
            let last = self.records.insert(record.reader, record.seq);
            assert!(
                last.is_none_or(|last| last < record.seq),
                "a record was taken twice"
            );
        }
    }

    fn note_taken(&mut self, invocation: InvocationId, offset: u64) {
        let taken = self.taken.entry(invocation).or_default();
        *taken = (*taken).max(offset);
    }

    fn submitted(&mut self, answer: &Submitted) {
        self.note_taken(answer.invocation, answer.stdin_offset);
        self.attachment.submitted(answer);
    }

    fn stdin_taken(&mut self, taken: &StdinTaken) {
        self.note_taken(taken.invocation, taken.offset);
        self.attachment.stdin_taken(taken);
    }

    /// A new input under an old ID starts anew.
    fn forget(&mut self, invocation: InvocationId) {
        self.offsets.remove(&invocation);
        self.taken.remove(&invocation);
    }

    fn flush(&mut self) {
        while let Some((message, body)) = self.attachment.poll_message() {
            match &message {
                ToHost::Stdin(stdin) => {
                    let end = stdin.offset + body.len() as u64;
                    if let Some(next) = self.offsets.insert(stdin.invocation, end) {
                        // It may leap over what the host already has, but never back.
                        assert!(stdin.offset >= next, "input goes back on one link");
                    }
                    let taken = self
                        .taken
                        .get(&stdin.invocation)
                        .copied()
                        .unwrap_or_default();
                    assert!(
                        end <= taken.saturating_add(STDIN_WINDOW),
                        "beyond the window"
                    );
                }
                ToHost::StdinEnd(end) => {
                    if let Some(&next) = self.offsets.get(&end.invocation) {
                        assert!(end.offset >= next, "the end lies before what was sent");
                    }
                }
                _ => {}
            }
            self.link
                .send(&message, body)
                .expect("it fits into a frame");
        }
        while self.link.poll_output().is_some() {}
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Bytes(bytes) => self.input(&bytes),
            Happening::Frame { number, payload } => {
                let mut bytes = frame::head(number, &(), payload.len()).expect("it fits");
                bytes.extend_from_slice(&payload);
                self.input(&bytes);
            }
            Happening::Greeting => {
                self.input(MAGIC);
                let greeting: ToClient = hello("host", "u", "h").into();
                self.input(&greeting.head(0).expect("it fits"));
            }
            Happening::End => {
                let _ = self.link.handle_end();
                self.cut();
            }
            Happening::Wait { ms } => {
                self.now += Duration::from_millis(u64::from(ms));
                if self.link.handle_timeout(self.now).is_err() {
                    self.cut();
                } else {
                    assert!(self.link.poll_timeout() > self.now, "a timer that spins");
                }
            }
            Happening::Cut => self.cut(),
            Happening::Up => {
                self.offsets.clear();
                self.attachment.link_up();
            }
            other => self.session(other),
        }
    }

    fn session(&mut self, happening: Happening) {
        match happening {
            Happening::Submit {
                invocation: id,
                stdin,
            } => {
                let invocation = invocation(id);
                self.forget(invocation);
                let submit = Submit {
                    invocation,
                    stdin,
                    ..Submit::new(invocation, Command::Script)
                };
                // An ID is used once; the caller sees to it.
                self.attachment.completed(invocation);
                self.flush();
                self.forget(invocation);
                self.attachment.submit(submit, Bytes::from_static(b"cat"));
            }
            Happening::Submitted {
                invocation: id,
                offset,
            } => self.submitted(&Submitted {
                invocation: invocation(id),
                ahead: 0,
                stdin_offset: offset,
                from: Seq::FIRST,
            }),
            Happening::Refused { invocation: id } => self.attachment.refused(invocation(id)),
            Happening::Completed { invocation: id } => self.attachment.completed(invocation(id)),
            Happening::ResumeInput {
                invocation: id,
                offset,
            } => {
                let invocation = invocation(id);
                self.attachment.completed(invocation);
                self.flush();
                self.forget(invocation);
                self.note_taken(invocation, u64::from(offset));
                self.attachment.resume_input(invocation, u64::from(offset));
            }
            Happening::Stdin {
                invocation: id,
                length,
            } => {
                let length = usize::try_from(length).unwrap_or_default() % (3 << 19);
                let bytes = Bytes::from(vec![b'x'; length]);
                self.attachment.stdin(invocation(id), bytes);
            }
            Happening::StdinEnd { invocation: id } => self.attachment.stdin_end(invocation(id)),
            Happening::StdinTaken {
                invocation: id,
                offset,
                closed,
            } => {
                self.stdin_taken(&StdinTaken {
                    invocation: invocation(id),
                    offset,
                    closed,
                });
            }
            Happening::Open => {
                self.attachment.open_reader(ReaderOpen {
                    reader: ReaderId(0),
                    source: Source::Log,
                    from: From::Start,
                    only: None,
                    skip: Vec::new(),
                    credit: 1,
                    owed: 0,
                });
            }
            Happening::Record { reader, seq } => self.record(&Record {
                reader: ReaderId(u32::from(reader % 8)),
                seq: Seq(seq),
                time_ms: 0,
                invocation: None,
                kind: RecordKind::Started,
            }),
            Happening::Consumed { reader, seq } => {
                self.attachment
                    .consumed(ReaderId(u32::from(reader % 8)), Seq(seq));
            }
            Happening::Close { reader } => {
                self.attachment
                    .close_reader(ReaderId(u32::from(reader % 8)));
            }
            _ => {}
        }
    }
}

fuzz_target!(|happenings: Vec<Happening>| {
    let mut world = World::new();
    for happening in happenings {
        world.happen(happening);
        world.flush();
    }
});
