//! What the mux says during a visit, and what is made of it.

use bytes::Bytes;
use outlast_protocol::control::to_cli::{Record, ToCli};
use outlast_protocol::id::Seq;
use outlast_protocol::record::RecordKind;

use super::{Parting, Visit};
use crate::cli::error::Error;
use crate::cli::request::unexpected;

impl Visit {
    /// Takes a message in; says how the visit ended if it did.
    pub(super) fn take(&mut self, message: ToCli, body: Bytes) -> Result<Option<Parting>, Error> {
        let arrived = matches!(
            message,
            ToCli::Record(_) | ToCli::Modes(_) | ToCli::Accepted(_) | ToCli::CaughtUp(_)
        );
        if arrived && self.absence.ends() {
            self.back();
        }
        let computer = self.session.computer_name.clone();
        match message {
            ToCli::Record(record) => self.record(&record, &body)?,
            ToCli::Modes(modes) => self.missing(modes.before, &body),
            ToCli::CaughtUp(_) if self.begun => {
                let drawn = self.front.draw()?;
                self.out.extend(drawn);
            }
            ToCli::StdinTaken(taken) => self.keystrokes.taken(taken.offset, taken.closed),
            ToCli::Accepted(accepted) if accepted.ahead == 0 => {
                // Said once more it means that it began while nobody here heard of it.
                self.begun |= self.accepted || self.broken;
                self.accepted = true;
            }
            ToCli::Accepted(_) if !self.accepted => {
                self.accepted = true;
                self.client.output.note(&format!(
                    "{computer}: waiting for what runs in session {} (Ctrl-C gives up)",
                    self.session.name
                ));
            }
            ToCli::Interrupted(lost) => {
                self.interrupted = true;
                self.lost(&lost.reason);
            }
            ToCli::Resumed(_) => self.back(),
            ToCli::Notice(notice) if !self.front.is_open() => {
                self.client
                    .output
                    .note(&format!("{computer}: {}", notice.text));
            }
            ToCli::Question(question) => self.questioning.ask(&self.client, computer, question),
            ToCli::QuestionOver(over) => self.questioning.over(over.question),
            ToCli::Finished(_) => return self.finished().map(Some),
            ToCli::Failed(failed) => return Err(Error::Refused(failed)),
            ToCli::Sessions(_) | ToCli::Accepted(_) | ToCli::CaughtUp(_) | ToCli::Notice(_) => {}
            other => return Err(unexpected("Record or Finished", &other)),
        }
        Ok(None)
    }

    fn finished(&self) -> Result<Parting, Error> {
        match (&self.outcome, self.leaving) {
            (_, Some(_)) => Ok(Parting::Left),
            (Some(outcome), None) => Ok(Parting::Over(outcome.clone())),
            (None, None) => Err(Error::Protocol(
                "it finished a visit without an outcome".to_owned(),
            )),
        }
    }

    /// What was before that record and is not here yet will not come; `setting` sets the modes that
    /// the terminal was in behind it.
    fn missing(&mut self, before: Seq, setting: &[u8]) {
        if self.seen.map(Seq::next) >= Some(before) {
            return;
        }
        self.seen = Some(Seq(before.0.saturating_sub(1)));
        let out = self.front.restart(setting);
        self.out.extend(out);
    }

    fn record(&mut self, record: &Record, body: &[u8]) -> Result<(), Error> {
        if self.seen >= Some(record.seq) {
            return Ok(());
        }
        self.seen = Some(record.seq);
        let ours = record.invocation == Some(self.message.invocation);
        match &record.kind {
            RecordKind::Started => self.begun |= ours,
            RecordKind::Output(_) => {
                self.nudge.answered();
                let out = self.front.take(body)?;
                self.out.extend(out);
            }
            RecordKind::Completed(outcome) if ours => self.outcome = Some(outcome.clone()),
            RecordKind::Completed(_) => {}
            RecordKind::Gap(_) => {
                let out = self.front.restart(&[]);
                self.out.extend(out);
            }
        }
        Ok(())
    }

    pub(super) fn lost(&mut self, reason: &str) {
        if !self.front.is_open() {
            let note = format!("{}: lost: {reason}", self.session.computer_name);
            return self.client.output.note(&note);
        }
        let status = format!("[outlast: connection lost: {reason}; trying again, ~. to leave]");
        let out = self.front.say(status);
        self.out.extend(out);
        self.front.begin_line();
    }

    fn back(&mut self) {
        self.interrupted = false;
        let mut out = self.front.clear();
        let count = self.keystrokes.unreported();
        if count > 0 {
            let text = format!("[outlast: back; {count} bytes typed meanwhile were dropped]");
            out.extend(self.front.say(text));
        }
        self.out.extend(out);
    }
}
