//! What the system's log is told of this session: who came and went, what they asked for and how that
//! ended.

use std::time::Duration;

use outlast_protocol::id::{ClientId, InvocationId, Lease};
use outlast_protocol::link::Level;
use outlast_protocol::outcome::{ExitStatus, Outcome};

use super::work::Work;
use crate::audit::{Line, Login, Settings, Trail};
use crate::registry::Meta;
use crate::runspace::Command;

/// The session's lines.
pub(super) struct Audit {
    trail: Trail,
    session: String,
    name: String,
    /// Few, so that a look at each costs less than a tree would.
    attachments: Vec<Attachment>,
    invocations: Vec<Accepted>,
    /// Who asked for the session's end.
    remover: Option<Login>,
    /// Whether it has ended.
    over: bool,
}

struct Attachment {
    lease: Lease,
    login: Login,
    client: ClientId,
    writes: bool,
}

struct Accepted {
    id: InvocationId,
    login: Login,
    visit: bool,
    began: Option<Duration>,
}

impl Audit {
    /// That says nothing.
    pub(super) fn off() -> Self {
        Self::of(Trail::new(Settings::off()), String::new(), String::new())
    }

    /// Of that session.
    pub(super) fn about(meta: &Meta, settings: &Settings) -> Self {
        let name = meta.name.as_str().to_owned();
        Self::of(
            Trail::new(settings.clone()),
            meta.instance.to_string(),
            name,
        )
    }

    fn of(trail: Trail, session: String, name: String) -> Self {
        Self {
            trail,
            session,
            name,
            attachments: Vec::new(),
            invocations: Vec::new(),
            remover: None,
            over: false,
        }
    }

    fn attachment(&self, lease: Lease) -> Option<&Attachment> {
        self.attachments.iter().find(|it| it.lease == lease)
    }

    fn line(&self, event: &str) -> Line {
        let mut line = Line::of(event);
        line.field("session", &self.session)
            .field("name", &self.name);
        line
    }

    /// Its shell is there.
    pub(super) fn opened(&mut self, login: &Login, configuration: &str) {
        let mut line = self.line("opened");
        login.write(&mut line);
        line.field("configuration", configuration);
        self.trail.send(&line);
    }

    /// It did not come into being.
    pub(super) fn not_opened(&mut self, login: &Login, why: &str) {
        let mut line = self.line("not-opened");
        login.write(&mut line);
        line.field("why", why);
        self.trail.send(&line);
    }

    /// Its host is dead, and another process reads out what is left.
    pub(super) fn recovered(&mut self, login: &Login) {
        let mut line = self.line("recovered");
        login.write(&mut line);
        self.trail.send(&line);
    }

    /// A client has come, and may have put another out.
    pub(super) fn attached(&mut self, lease: Lease, client: ClientId, login: Login, writes: bool) {
        if !self.trail.is_on() {
            return;
        }
        if writes && let Some(at) = self.attachments.iter().position(|it| it.writes) {
            self.put_out(at, client, &login);
        }
        let mut line = self.line("attached");
        login.write(&mut line);
        line.field("client", client.to_string())
            .field("mode", if writes { "write" } else { "read" });
        self.trail.send(&line);
        self.attachments.push(Attachment {
            lease,
            login,
            client,
            writes,
        });
    }

    fn put_out(&mut self, at: usize, by: ClientId, login: &Login) {
        let lost = self.attachments.swap_remove(at);
        if lost.client == by {
            return self.left(&lost, "replaced");
        }
        let mut line = self.line("stolen");
        login.write(&mut line);
        line.field("client", by.to_string())
            .field("stolen_from", lost.client.to_string());
        self.trail.send(&line);
    }

    /// A client has left, for that reason. No news if it was put out before.
    pub(super) fn detached(&mut self, lease: Lease, why: &str) {
        let at = self.attachments.iter().position(|it| it.lease == lease);
        if let Some(at) = at {
            let gone = self.attachments.swap_remove(at);
            self.left(&gone, why);
        }
    }

    fn left(&mut self, gone: &Attachment, why: &str) {
        let why = if self.over { "ended" } else { why };
        let mut line = self.line("detached");
        gone.login.write(&mut line);
        line.field("client", gone.client.to_string())
            .field("why", why);
        self.trail.send(&line);
    }

    fn writer(&self) -> Login {
        let writer = self.attachments.iter().find(|it| it.writes);
        writer.map(|it| it.login.clone()).unwrap_or_default()
    }

    /// What there will be to say if that is accepted.
    pub(super) fn acceptance(&self, id: InvocationId, work: &Work) -> Option<Line> {
        if !self.trail.is_on() {
            return None;
        }
        let mut line = self.line("accepted");
        self.writer().write(&mut line);
        line.field("invocation", id.to_string());
        let all = self.trail.tells_commands();
        match work {
            Work::Visit => line.field("kind", "visit"),
            Work::Command(Command::Script(script)) => {
                line.field("kind", "script");
                said(&mut line, all, "command", script)
            }
            Work::Command(Command::File { name, script, args }) => {
                line.field("kind", "file");
                let words = [std::slice::from_ref(name), args.as_slice()].concat();
                said(&mut line, all, "command", &quoted(&words));
                said(&mut line, all, "content", script)
            }
            Work::Command(Command::Argv(words)) => {
                line.field("kind", "argv");
                said(&mut line, all, "command", &quoted(words))
            }
        };
        Some(line)
    }

    /// A command or a visit is in the queue.
    pub(super) fn accepted(&mut self, id: InvocationId, visit: bool, line: &Line) {
        self.trail.send(line);
        self.invocations.push(Accepted {
            id,
            login: self.writer(),
            visit,
            began: None,
        });
    }

    /// Its turn has come.
    pub(super) fn began(&mut self, id: InvocationId, now: Duration) {
        let Some(accepted) = self.invocations.iter_mut().find(|it| it.id == id) else {
            return;
        };
        accepted.began = Some(now);
        // When a command began can be told from how long it ran.
        if !accepted.visit {
            return;
        }
        let login = accepted.login.clone();
        let mut line = self.line("visit-begun");
        login.write(&mut line);
        line.field("invocation", id.to_string());
        self.trail.send(&line);
    }

    /// A client wants it to be stopped.
    pub(super) fn cancelled(&mut self, lease: Lease, id: InvocationId, level: Level) {
        let Some(by) = self.attachment(lease) else {
            return;
        };
        let mut line = self.line("cancel");
        by.login.write(&mut line);
        line.field("invocation", id.to_string()).field(
            "level",
            match level {
                Level::Interrupt => "interrupt",
                Level::Terminate => "terminate",
                Level::Kill => "kill",
            },
        );
        self.trail.send(&line);
    }

    /// It is over.
    pub(super) fn completed(&mut self, id: InvocationId, outcome: &Outcome, now: Duration) {
        let Some(at) = self.invocations.iter().position(|it| it.id == id) else {
            return;
        };
        let accepted = self.invocations.swap_remove(at);
        let event = if accepted.visit && accepted.began.is_some() {
            "visit-ended"
        } else {
            "completed"
        };
        let mut line = self.line(event);
        accepted.login.write(&mut line);
        line.field("invocation", id.to_string());
        match outcome {
            Outcome::Ended(status) => ended(&mut line, "ended", *status),
            Outcome::TimedOut(status) => ended(&mut line, "timed-out", *status),
            Outcome::Cancelled(status) => ended(&mut line, "cancelled", *status),
            Outcome::NeverRan => line.field("outcome", "never-ran"),
            Outcome::SessionEnded(why) => line.field("outcome", "session-ended").field("why", why),
            Outcome::Failed(why) => line.field("outcome", "failed").field("why", why),
        };
        if let Some(began) = accepted.began {
            let ran = now.saturating_sub(began).as_millis();
            line.number("ran_ms", u64::try_from(ran).unwrap_or(u64::MAX));
        }
        self.trail.send(&line);
    }

    /// Somebody asks for the session's end.
    pub(super) fn removal(&mut self, by: Login) {
        self.remover.get_or_insert(by);
    }

    /// A client asks for the session's end.
    pub(super) fn removal_by(&mut self, lease: Lease) {
        let by = self.attachment(lease).map(|by| by.login.clone());
        self.remover = self.remover.take().or(by);
    }

    /// It is over.
    pub(super) fn ended(&mut self, why: &str) {
        self.over = true;
        let mut line = self.line("ended");
        if let Some(by) = &self.remover {
            by.write(&mut line);
        }
        line.field("why", why);
        self.trail.send(&line);
    }
}

fn said<'a>(line: &'a mut Line, all: bool, name: &str, text: &[u8]) -> &'a mut Line {
    if all { line.command(name, text) } else { line }
}

fn ended<'a>(line: &'a mut Line, outcome: &str, status: ExitStatus) -> &'a mut Line {
    line.field("outcome", outcome);
    match status {
        ExitStatus::Code(code) => line.number("code", code.into()),
        ExitStatus::Signal(signal) => line.number("signal", signal.into()),
    }
}

/// Words as one would type them, so that `a b` and `'a b'` are told apart.
fn quoted(words: &[Vec<u8>]) -> Vec<u8> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:,/+@%=".contains(byte);
    let words: Vec<Vec<u8>> = words
        .iter()
        .map(|word| match !word.is_empty() && word.iter().all(plain) {
            true => word.clone(),
            false => crate::runspace::quoted(word),
        })
        .collect();
    words.join(&b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_apart() {
        let words = [
            b"ls".to_vec(),
            b"a b".to_vec(),
            Vec::new(),
            b"it's".to_vec(),
        ];
        assert_eq!(quoted(&words), br"ls 'a b' '' 'it'\''s'");
    }
}
