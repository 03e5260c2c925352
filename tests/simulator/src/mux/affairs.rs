//! What a mux does for its command lines.

use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::id::{InvocationId, ReaderId, Seq};
use outlast_protocol::link::to_host::{Detach, End as EndIt, ReaderOpen, Submit};
use outlast_protocol::link::{Command, From, Source};

use super::Mux;
use super::wire::Hold;
use crate::cli::{Ask, Cli, Failure, Invoke, ToCli, ToMux};
use crate::task::{Kind, Shared, Task};
use crate::violation::Violation;
use crate::visits::Visit;

/// How much of what the terminal said lately a visitor begins with.
const LATELY: u64 = 4 * 1024;

impl Mux {
    pub(super) fn say_detach(&mut self) {
        self.wants_out = true;
        let detach = Detach { idle_timeout: None };
        self.attachment.say(detach.into(), Bytes::new());
    }

    pub(super) fn shared<'a>(&'a mut self, save: &'a mut bool) -> Shared<'a> {
        let tasks = self.tasks.values();
        let foreground = tasks.filter_map(Task::own).collect();
        Shared {
            attachment: &mut self.attachment,
            cursor: &mut self.cursor,
            foreground,
            got: &mut self.got,
            save,
        }
    }

    /// Begins what a command line asked for; the session is held.
    pub(super) fn begin(&mut self, at: usize, clis: &mut [Cli], now: Duration) {
        let Some(cli) = clis.get_mut(at).filter(|cli| !cli.is_done()) else {
            return;
        };
        let again = cli.receive_from();
        let resume = cli.resume;
        let task = match cli.ask.clone() {
            Ask::New(_) | Ask::Connect(_) => {
                cli.from_mux.push_back(ToCli::Finished);
                return;
            }
            Ask::Invoke(invoke) => self.invoke(at, &invoke, resume),
            Ask::Visit(visit) => self.visit(at, &visit, resume),
            Ask::Receive { follow, from_start } => {
                let (from, skip, replay) = match again {
                    Some(from) => (from, Vec::new(), true),
                    None if from_start => (From::Start, Vec::new(), true),
                    None => {
                        let (from, skip) = self.cursor.request();
                        (from, skip, false)
                    }
                };
                let reader = self.open_reader(from, None, skip);
                let kind = Kind::Receive {
                    replay,
                    follow,
                    sent: None,
                    consumed: None,
                    end: None,
                };
                Task::new(at, kind, Some(reader))
            }
            Ask::Disconnect => {
                self.say_detach();
                Task::new(at, Kind::Leave, None)
            }
            Ask::Remove => {
                let end = EndIt {
                    extensions: Vec::new(),
                };
                self.attachment.say(end.into(), Bytes::new());
                Task::new(at, Kind::Remove, None)
            }
        };
        self.tasks.insert(at, task);
        self.put_questions(clis);
        let down = matches!(self.hold, Hold::Down(_) | Hold::Again(_));
        if down && matches!(self.tasks.get(&at).map(|it| &it.kind), Some(Kind::Leave)) {
            self.drop_wire();
            self.hold = Hold::Free;
            self.over(&Failure::Detached, clis, now);
        }
    }

    fn invoke(&mut self, at: usize, invoke: &Invoke, resume: Option<(Seq, u64)>) -> Task {
        let invocation = invoke.invocation;
        let submit = Submit {
            stdin: invoke.input.is_some(),
            timeout_ms: invoke
                .timeout
                .map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
            wait: invoke.wait,
            ..Submit::new(invocation, Command::Script)
        };
        let submit = self.saboteur.submission(submit);
        let body = Bytes::from(invoke.job.script());
        if invoke.detached {
            self.attachment.submit(submit, body);
            return Task::new(at, Kind::Background, None);
        }
        let from = match resume {
            Some((seq, offset)) => {
                self.attachment.resume_input(invocation, offset);
                if seq == Seq(0) {
                    From::Start
                } else {
                    From::Seq(seq.next())
                }
            }
            None => From::Start,
        };
        self.attachment.submit(submit, body);
        let reader = self.open_reader(from, Some(invocation), Vec::new());
        let kind = Kind::Foreground {
            invocation,
            from: None,
            records: 0,
            completed: None,
            answered: false,
        };
        Task::new(at, kind, Some(reader))
    }

    fn visit(&mut self, at: usize, visit: &Visit, resume: Option<(Seq, u64)>) -> Task {
        let invocation = visit.invocation;
        let from = match resume {
            Some((Seq(0), _)) | None => From::Bytes(LATELY),
            Some((seq, _)) => From::Seq(seq.next()),
        };
        // A reader first: the begin of the visit is to be seen.
        let reader = self.open(Source::Terminal, from, None, vec![(invocation, Seq(0))]);
        let offset = resume.map_or(0, |(_, offset)| offset);
        self.attachment.resume_input(invocation, offset);
        let submit = Submit {
            stdin: true,
            terminal: Some(visit.size),
            wait: visit.wait,
            ..Submit::new(invocation, Command::Visit)
        };
        self.attachment.submit(submit, Bytes::new());
        self.attachment.resize(visit.size);
        let kind = Kind::Visit {
            invocation,
            started: false,
            completed: None,
            closed: false,
            sent: None,
            consumed: None,
        };
        Task::new(at, kind, Some(reader))
    }

    fn open_reader(
        &mut self,
        from: From,
        only: Option<InvocationId>,
        skip: Vec<(InvocationId, Seq)>,
    ) -> ReaderId {
        self.open(Source::Log, from, only, skip)
    }

    fn open(
        &mut self,
        source: Source,
        from: From,
        only: Option<InvocationId>,
        skip: Vec<(InvocationId, Seq)>,
    ) -> ReaderId {
        self.attachment.open_reader(ReaderOpen {
            reader: ReaderId(0),
            source,
            from,
            only,
            skip,
            credit: self.credit,
            owed: 0,
        })
    }

    /// Whether an affair can go on, or its command line has said something or is gone.
    #[must_use]
    pub fn is_ready(&self, clis: &[Cli]) -> bool {
        let mut tasks = self.tasks.iter();
        let waits = |at: &usize| clis.get(*at).is_some_and(Cli::is_done);
        self.waiters.iter().any(waits)
            || tasks.any(|(at, task)| {
                clis.get(*at).is_some_and(|cli| {
                    cli.is_done() || !cli.to_mux.is_empty() || task.is_ready(cli)
                })
            })
    }

    /// Goes on with one affair: the `turn`th that can.
    pub fn go(&mut self, turn: usize, now: Duration, clis: &mut [Cli]) -> Result<(), Violation> {
        if self.give_up_waiting(clis, now) {
            return Ok(());
        }
        let mut ready = Vec::new();
        for (at, task) in &self.tasks {
            if let Some(cli) = clis.get(*at)
                && (cli.is_done() || !cli.to_mux.is_empty() || task.is_ready(cli))
            {
                ready.push(*at);
            }
        }
        let turn = turn.checked_rem(ready.len()).unwrap_or(0);
        let Some(at) = ready.get(turn).copied() else {
            return Ok(());
        };
        let (Some(mut task), Some(cli)) = (self.tasks.remove(&at), clis.get_mut(at)) else {
            return Ok(());
        };
        let mut save = false;
        let done = {
            let drop_ack = self.saboteur.drops_ack();
            let mut shared = self.shared(&mut save);
            if cli.is_done() {
                task.put_away(&mut shared);
                true
            } else {
                if let Some(message) = cli.to_mux.pop_front() {
                    if let ToMux::Consumed(_, written) = &message {
                        // The user's book learns what the mux has heard.
                        let receives = matches!(task.kind, Kind::Receive { .. });
                        for (seq, invocation) in written {
                            // A receiver does not speak for commands with their own readers.
                            if !receives || !shared.foreground.contains(invocation) {
                                shared.got.noted(*seq);
                            }
                        }
                    }
                    if !drop_ack || !matches!(message, ToMux::Consumed(..)) {
                        task.hear(message, cli, &mut shared);
                    }
                } else {
                    task.go(cli, &mut shared)?;
                }
                if task.done {
                    task.put_away(&mut shared);
                }
                task.done
            }
        };
        if !done {
            self.tasks.insert(at, task);
        }
        self.put_questions(clis);
        if save || done {
            self.save();
        }
        self.leave_what_is_over(now, clis);
        self.talk();
        Ok(())
    }
}
