//! What the mux says in a conversation, and what is made of it.

use bytes::Bytes;
use outlast_protocol::control::to_cli::{Record, ToCli};
use outlast_protocol::id::Seq;
use outlast_protocol::record::RecordKind;
use outlast_rendezvous::failpoint;

use super::{Ask, Conversation};
use crate::cli::error::Error;
use crate::cli::request::unexpected;
use crate::control::connection::Connection;
use crate::output::page::Page;

/// Output that is written out in one go, in bytes.
const PAGE: usize = 64 * 1024;

/// What came in and is still to be written out.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) page: Page,
    bytes: usize,
    pub(super) last: Option<Seq>,
    pub(super) finished: bool,
}

impl Conversation {
    /// Takes in a message and what else is already here, up to a page.
    pub(super) async fn batch(
        &mut self,
        message: ToCli,
        body: Bytes,
        connection: &mut Connection,
    ) -> Result<Batch, Error> {
        let mut batch = Batch::default();
        // Words on the way to a session do not mean that it is there.
        let arrived = !matches!(
            message,
            ToCli::Failed(_) | ToCli::Notice(_) | ToCli::Question(_)
        );
        if arrived && self.absence.ends() {
            self.sink.resumed(&self.session, &mut batch.page);
        }
        let mut next = Some((message, body));
        while let Some((message, body)) = next {
            self.take(message, body, &mut batch).await?;
            if batch.finished || batch.bytes >= PAGE {
                break;
            }
            // An end or an error shows again in the next read, when this is written out.
            next = connection.next_now().await.unwrap_or(None);
        }
        Ok(batch)
    }

    async fn take(&mut self, message: ToCli, body: Bytes, batch: &mut Batch) -> Result<(), Error> {
        let computer = self.session.computer_name.clone();
        self.accepted |= matches!(message, ToCli::Accepted(_));
        match message {
            ToCli::Record(record) => {
                if record.kind == RecordKind::Started {
                    self.begin_tty()?;
                }
                self.record(&record, body, batch);
            }
            ToCli::StdinTaken(taken) => {
                self.window.taken(taken.offset, taken.closed);
                if taken.closed {
                    self.input = None;
                }
            }
            ToCli::Accepted(accepted) if accepted.ahead > 0 && !self.broken => {
                let ahead = accepted.ahead;
                let note = format!("{computer}: waiting behind {ahead} of the session's commands");
                self.client.output.note(&note);
            }
            ToCli::Accepted(_) => failpoint::reach("cli.accepted"),
            ToCli::Interrupted(lost) => {
                self.sink
                    .interrupted(&self.session, &lost.reason, &mut batch.page);
            }
            ToCli::Resumed(_) => self.sink.resumed(&self.session, &mut batch.page),
            ToCli::Notice(notice) => {
                self.client
                    .output
                    .note(&format!("{computer}: {}", notice.text));
            }
            ToCli::Question(question) => {
                self.questioning.ask(&self.client, computer, question);
            }
            ToCli::QuestionOver(over) => self.questioning.over(over.question),
            ToCli::Sessions(some) => self.left.extend(some.sessions),
            ToCli::Finished(_) => {
                self.sink.finish(&mut batch.page);
                batch.finished = true;
            }
            ToCli::Failed(failed) => {
                // What came before it is output all the same.
                self.sink.finish(&mut batch.page);
                self.client
                    .output
                    .print(std::mem::take(&mut batch.page))
                    .await?;
                return Err(Error::Refused(failed));
            }
            other => return Err(unexpected("Record or Finished", &other)),
        }
        Ok(())
    }

    fn record(&mut self, record: &Record, body: Bytes, batch: &mut Batch) {
        if self.consumed >= Some(record.seq) {
            batch.last = Some(record.seq);
            return;
        }
        let ours = match &self.ask {
            Ask::Invoke(invoke, _) => record.invocation == Some(invoke.invocation),
            Ask::Receive(..) => true,
        };
        if let RecordKind::Completed(outcome) = &record.kind
            && ours
        {
            self.outcome = Some(outcome.clone());
        }
        if let RecordKind::Gap(gap) = &record.kind {
            self.missing = self.missing.saturating_add(gap.bytes);
        }
        batch.bytes = batch.bytes.saturating_add(body.len());
        batch.last = Some(record.seq);
        self.sink
            .record(&self.session, record, body, &mut batch.page);
    }
}
