//! The session's state: its log, its invocations, who holds it. Nothing here waits.

use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::id::{InvocationId, Lease, ReaderId, Seq};
use outlast_protocol::link::refusal::RefusalCode;
use outlast_protocol::link::{AttachMode, Source, TerminalSize};
use outlast_protocol::outcome::Outcome;
use outlast_protocol::record::RecordKind;
use outlast_protocol::session::{End, Holder, IdleTimeout, Life, SessionInfo};
use outlast_rendezvous::PrivateDirectory;

use super::absence::Absence;
use super::agent::Connections;
use super::audit::Audit;
use super::consumption::Consumption;
use super::holding::{Attaching, Holding};
use super::invocations::{Finished, Invocation, Invocations, NotAccepted};
use super::ledger::{Completed, Entry, Ledger};
use super::outcomes::Outcomes;
use super::places::Places;
use super::progress::{Progress, Wait};
use super::question::Questions;
use super::reader::Reader;
use super::standing::{Standing, Verdict};
use super::surroundings::Surroundings;
use super::terminal::Terminal;
use super::work::Work;
use crate::log::{Log, Position};
use crate::registry::{Meta, MetaLife};

/// The session's state. Borrowed for single steps, never across an await.
pub(super) struct Core {
    pub(super) meta: Meta,
    pub(super) log: Log,
    pub(super) terminal: Terminal,
    pub(super) questions: Questions,
    pub(super) invocations: Invocations,
    pub(super) outcomes: Outcomes,
    pub(super) holding: Holding,
    /// To the holder's SSH agent.
    pub(super) agents: Connections,
    pub(super) surroundings: Surroundings,
    /// What the system's log is told.
    pub(super) audit: Audit,
    /// Whether its shell lives, and why not.
    life: Life,
    /// Where its properties are written; none where they stay as they were found.
    directory: Option<PrivateDirectory>,
    /// Where commands are written down; none where none will run.
    ledger: Option<Ledger>,
    /// Of the visitor.
    pub(super) absence: Absence,
    /// What nobody has consumed yet.
    consumption: Consumption,
    /// Where clients may want to go on reading.
    places: Places,
    /// Whether commands in the foreground are read.
    pub(super) progress: Progress,
    /// What somebody left running on the terminal.
    left_running: Option<String>,
    /// A size that the terminal is to get.
    size: Option<TerminalSize>,
    /// Since when the session has been idle and unattended, on the boot-time clock.
    unattended_since: Option<Duration>,
    /// Whether it was made for one command or visit.
    temporary: bool,
    /// Set when a client asked for the end.
    removal: bool,
    /// When the session ended, on the boot-time clock.
    ended_at: Option<Duration>,
    /// Set when a client has heard of the end.
    end_heard: bool,
}

impl Core {
    /// Of a session whose shell has just opened.
    pub(super) fn hosted(
        meta: Meta,
        log: Log,
        ledger: Ledger,
        directory: PrivateDirectory,
        surroundings: Surroundings,
    ) -> Self {
        Self {
            directory: Some(directory),
            ledger: Some(ledger),
            ..Self::new(meta, Life::Live, log, surroundings)
        }
    }

    /// Of a session without a shell.
    pub(super) fn recovered(
        meta: Meta,
        life: Life,
        log: Log,
        (invocations, outcomes): (Invocations, Outcomes),
    ) -> Self {
        Self {
            invocations,
            outcomes,
            holding: Holding::shared(),
            ..Self::new(meta, life, log, Surroundings::here())
        }
    }

    fn new(meta: Meta, life: Life, log: Log, surroundings: Surroundings) -> Self {
        let unattended_since = Some(surroundings.boot_time());
        Self {
            meta,
            log,
            terminal: Terminal::new(),
            questions: Questions::default(),
            invocations: Invocations::default(),
            outcomes: Outcomes::default(),
            holding: Holding::default(),
            agents: Connections::default(),
            surroundings,
            audit: Audit::off(),
            life,
            directory: None,
            ledger: None,
            absence: Absence::default(),
            consumption: Consumption::default(),
            places: Places::default(),
            progress: Progress::default(),
            left_running: None,
            size: None,
            unattended_since,
            temporary: false,
            removal: false,
            ended_at: None,
            end_heard: false,
        }
    }

    /// Adds a record and writes it through, so that it survives this process.
    pub(super) fn record(
        &mut self,
        invocation: InvocationId,
        kind: RecordKind,
        bytes: Bytes,
    ) -> Seq {
        let (now, place) = (self.surroundings.wall_ms(), self.log.end());
        if let RecordKind::Completed(outcome) = &kind {
            let completed = Completed {
                invocation,
                seq: place.seq,
                offset: place.offset,
                time_ms: now,
                outcome: outcome.clone(),
            };
            if let Some(ledger) = &mut self.ledger {
                ledger.note(&Entry::Completed(completed.clone()));
            }
            self.outcomes.keep(completed);
        }
        let seq = self.log.append(now, Some(invocation), kind, bytes);
        self.log.flush();
        self.consumption.recorded(invocation, place.seq, seq);
        seq
    }

    /// Accepts a command, once, and writes that down before anything is done about it. Returns
    /// how many run or wait before it and the number below which it has no record.
    pub(super) fn submit(
        &mut self,
        invocation: Invocation,
        wait: bool,
    ) -> Result<(u32, Seq), NotAccepted> {
        let visit = matches!(invocation.work, Work::Visit);
        let next = if visit {
            self.terminal.next()
        } else {
            self.log.next()
        };
        let id = invocation.id;
        let known = self.invocations.from(id).is_some();
        // Said below, where it has been taken.
        let line = (!known).then(|| self.audit.acceptance(id, &invocation.work));
        let accepted = self.invocations.submit(invocation, wait, next);
        if let (Some(Some(line)), Ok(_)) = (line, &accepted) {
            self.audit.accepted(id, visit, &line);
        }
        // A visit is nothing that anybody asks about when this process is gone.
        if let (false, false, Ok((_, from))) = (visit, known, &accepted) {
            let (invocation, from) = (id, *from);
            if let Some(ledger) = &mut self.ledger {
                ledger.note(&Entry::Accepted { invocation, from });
            }
            // Whoever comes for this command begins here.
            self.places.note(self.log.end());
        }
        self.note_idleness();
        accepted
    }

    /// Whether the shell lives.
    pub(super) fn is_live(&self) -> bool {
        self.life == Life::Live
    }

    /// Why nothing more can be asked of the session; none while its shell lives.
    pub(super) fn over(&self) -> Option<(RefusalCode, String)> {
        match &self.life {
            Life::Live => None,
            Life::Ended(end) => Some((
                RefusalCode::ENDED,
                format!("the session has ended: {}", words(end)),
            )),
            Life::Broken(reason) => Some((
                RefusalCode::BROKEN,
                format!("the session is broken: {reason}"),
            )),
        }
    }

    /// What to say of the session where it is broken.
    pub(super) fn broken(&self) -> Option<String> {
        let over = self.over();
        over.and_then(|(code, text)| (code == RefusalCode::BROKEN).then_some(text))
    }

    /// How long an invocation's output must wait for a reader.
    pub(super) fn wait(&self, invocation: InvocationId) -> Wait {
        if !self.is_live() {
            return Wait::No;
        }
        let now = self.surroundings.boot_time();
        if self.log.would_block() {
            // Others' unread output fills the quota. That is no reason to hold up a command
            // whose own reader has read all but the last of it.
            let read = self.progress.slowest(invocation);
            return match read {
                Some(consumed) if self.log.is_near(consumed) => Wait::No,
                _ => Wait::ForReader,
            };
        }
        match self.progress.patience(invocation, now) {
            Some((consumed, left)) if self.log.would_lose(consumed) => Wait::AtMost(left),
            _ => Wait::No,
        }
    }

    /// A reader of that attachment consumed everything up to `seq` of what the terminal showed.
    pub(super) fn acknowledge_terminal(&mut self, reader: (Lease, ReaderId), seq: Seq) {
        let now = self.surroundings.boot_time();
        self.terminal.moved(reader, seq, now);
    }

    /// A reader of that attachment consumed everything up to `seq`, of one invocation or of all.
    pub(super) fn acknowledge(
        &mut self,
        reader: (Lease, ReaderId),
        only: Option<InvocationId>,
        seq: Seq,
    ) {
        let seq = seq.min(Seq(self.log.next().0.saturating_sub(1)));
        // A watcher sees, and leaves everything to be received.
        if !self.holding.may_write(reader.0) {
            return;
        }
        let now = self.surroundings.boot_time();
        self.progress.moved(reader, seq, now);
        if self.consumption.consumed(only, seq) {
            self.log.hold(self.consumption.spans());
        }
    }

    /// Keeps a place from which a client may want to go on reading.
    pub(super) fn keep_place(&mut self, place: Position) {
        self.places.note(place);
    }

    /// A reader has come.
    pub(super) fn follow(&mut self, reader: &Reader) {
        self.places.follow(reader.way());
    }

    /// A reader of that attachment is gone.
    pub(super) fn close(&mut self, lease: Lease, reader: &Reader) {
        if reader.source() == Source::Terminal {
            self.terminal.closed((lease, reader.id()));
            self.note_visitor();
            return;
        }
        self.progress.closed((lease, reader.id()));
        self.places.keep(reader.way());
        self.places.note(reader.place());
    }

    /// A place in the log, exact even where nothing is there any more, if it was kept.
    pub(super) fn place(&self, seq: Seq) -> Option<Position> {
        self.places.at(seq)
    }

    /// A client that knew of the session's end has left it.
    pub(super) fn note_end_heard(&mut self) {
        self.end_heard = true;
    }

    /// Whether everything there is has been consumed, and the end been heard of.
    pub(super) fn is_received(&self) -> bool {
        self.end_heard && self.consumption.is_complete()
    }

    /// What is to be done about the session's life now.
    pub(super) fn verdict(&self) -> Verdict {
        let standing = Standing {
            live: self.is_live(),
            removal: self.removal,
            idle_deadline: self.idle_deadline(),
            done: self.is_received() && self.holding.is_free(),
            ended_at: self.ended_at,
        };
        standing.verdict(self.surroundings.boot_time())
    }

    /// It is made for one command or visit.
    pub(super) fn is_temporary(&mut self) {
        self.temporary = true;
    }

    /// The shell is gone, or is about to be.
    pub(super) fn end(&mut self, end: End) {
        if !self.is_live() {
            return;
        }
        if let (true, End::Shell(status)) = (self.temporary, &end)
            && let Some((finished, outcome)) = self.invocations.complete(*status)
        {
            // What took the shell's place was the rest of the command.
            self.finished(&finished, outcome);
        }
        let reason = words(&end);
        for finished in self.invocations.abandon() {
            self.finished(&finished, Outcome::SessionEnded(reason.clone()));
        }
        self.audit.ended(&reason);
        self.life = Life::Ended(end.clone());
        self.meta.life = MetaLife::Ended(end);
        self.ended_at = Some(self.surroundings.boot_time());
        self.save();
    }

    /// An invocation is over.
    pub(super) fn finished(&mut self, finished: &Finished, outcome: Outcome) {
        let now = self.surroundings.boot_time();
        self.audit.completed(finished.id, &outcome, now);
        let kind = RecordKind::Completed(outcome);
        if finished.visit {
            let now = self.surroundings.wall_ms();
            self.terminal.note(now, finished.id, kind);
        } else {
            self.record(finished.id, kind, Bytes::new());
        }
    }

    /// The client's terminal has this size.
    pub(super) fn resize(&mut self, size: TerminalSize) {
        if size.columns > 0 && size.rows > 0 {
            self.size = Some(size);
        }
    }

    /// The size that the terminal is to get, once.
    pub(super) fn take_size(&mut self) -> Option<TerminalSize> {
        let size = self.size.take()?;
        self.terminal.resized(size.rows);
        Some(size)
    }

    /// Something that a visitor started has the terminal, or nothing has. Says whether that is
    /// news.
    pub(super) fn note_left_running(&mut self, what: Option<String>) -> bool {
        let news = self.left_running != what;
        self.left_running = what;
        if news {
            self.note_idleness();
        }
        news
    }

    /// A client asked for the end.
    pub(super) fn request_removal(&mut self) {
        self.removal = true;
    }

    /// Whether a client asked for the end.
    pub(super) fn removal_requested(&self) -> bool {
        self.removal
    }

    /// Writes the meta file. A full disk costs only what others can see after this process.
    pub(super) fn save(&self) {
        let Some(directory) = &self.directory else {
            return;
        };
        if let Err(error) = self.meta.write(directory) {
            super::complain(&format!("cannot update the session's meta file: {error}"));
        }
    }

    /// Attaches a client, if nobody stands in the way.
    pub(super) fn attach(&mut self, holder: Holder, mode: AttachMode, confirms: bool) -> Attaching {
        let client = holder.client;
        let before = self.holding.holder().map(|before| before.client);
        let attaching = self.holding.attach(holder, mode, confirms);
        if matches!(attaching, Attaching::Granted(_)) {
            if mode != AttachMode::ReadOnly && before.is_some_and(|before| before != client) {
                self.invocations.show_out();
            }
            self.unattended_since = None;
            self.meta.disconnected_ms = None;
            self.agents.fence(self.holding.writer());
            self.note_visitor();
        }
        attaching
    }

    /// Gives the session to a client that was promised it.
    pub(super) fn take_over(&mut self, lease: Lease, holder: Holder) {
        let before = self.holding.holder().map(|before| before.client);
        if before.is_some_and(|before| before != holder.client) {
            self.invocations.show_out();
        }
        self.holding.take_over(lease, holder);
        self.agents.fence(self.holding.writer());
        self.unattended_since = None;
        self.meta.disconnected_ms = None;
        self.note_visitor();
    }

    /// The link of that lease is gone.
    pub(super) fn detach(&mut self, lease: Lease) {
        let was_attached = self.holding.is_attached(lease);
        if self.holding.may_write(lease) {
            // There is no telling when the visitor's client will be back.
            self.absence.ends();
        }
        self.audit.detached(lease, "lost");
        let free = self.holding.detach(lease);
        self.note_visitor();
        self.agents.fence(self.holding.writer());
        if free && was_attached {
            self.meta.disconnected_ms = Some(self.surroundings.wall_ms());
            self.save();
            // What is on disk need not be in memory too while nobody reads.
            self.log.shrink();
        }
        self.note_idleness();
    }

    /// Starts the idle clock if nobody is attached and nothing runs, stops it otherwise.
    pub(super) fn note_idleness(&mut self) {
        // A visitor whose connection is gone may come back, but keeps nothing alive.
        let idle = self.holding.is_free()
            && self.invocations.is_at_leisure()
            && self.left_running.is_none();
        if !idle {
            self.unattended_since = None;
        } else if self.unattended_since.is_none() {
            self.unattended_since = Some(self.surroundings.boot_time());
        }
    }

    /// Changes the idle timeout.
    pub(super) fn set_idle_timeout(&mut self, timeout: IdleTimeout) {
        self.meta.idle_timeout = timeout;
        self.save();
    }

    /// When the idle timeout ends the session, on the boot-time clock.
    pub(super) fn idle_deadline(&self) -> Option<Duration> {
        let timeout = self.meta.idle_timeout.seconds()?;
        Some(
            self.unattended_since?
                .saturating_add(Duration::from_secs(timeout.into())),
        )
    }

    /// The session as it is now.
    pub(super) fn info(&self) -> SessionInfo {
        let expires_ms = self
            .idle_deadline()
            .filter(|_| self.is_live())
            .map(|deadline| {
                let left = deadline.saturating_sub(self.surroundings.boot_time());
                self.surroundings
                    .wall_ms()
                    .saturating_add(u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
            });
        let activity = self.invocations.activity();
        SessionInfo {
            holder: self.holding.holder().cloned(),
            running: self.invocations.running(),
            queued: self.invocations.queued(),
            running_since_ms: activity.map(|(since, _)| since),
            activity: match (activity, &self.left_running) {
                (Some((_, what)), _) => what.to_owned(),
                (None, Some(left)) => left.clone(),
                (None, None) => String::new(),
            },
            asks: self.questions.prompt().filter(|_| self.is_live()),
            expires_ms,
            host_pid: match self.life {
                // Whoever says so is not the process that is meant.
                Life::Broken(_) => 0,
                Life::Live | Life::Ended(_) => self.surroundings.pid,
            },
            first: self.log.first(),
            next: self.log.next(),
            ..self.meta.info(self.life.clone())
        }
    }
}

fn words(end: &End) -> String {
    match end {
        End::Shell(status) => format!("the session's shell ended with {status}"),
        End::Removed => "the session was removed".to_owned(),
        End::IdleTimeout => "the session's idle timeout passed".to_owned(),
        End::OpenFailed(reason) => reason.clone(),
    }
}
