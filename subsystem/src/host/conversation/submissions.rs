//! Commands that a client submits, and what goes with them: input, cancelling.

use bytes::{Bytes, BytesMut};
use outlast_protocol::id::Lease;
use outlast_protocol::limits::MAX_SCRIPT;
use outlast_protocol::link::refusal::RefusalCode;
use outlast_protocol::link::to_client::{Submitted, ToClient};
use outlast_protocol::link::to_host::{Cancel, More, Stdin, StdinEnd, Submit};
use outlast_protocol::outcome::Outcome;
use outlast_rendezvous::failpoint;

use super::{Conversation, Turn};
use crate::host::invocations::{Cancelled, NotAccepted};
use crate::host::submission;
use crate::refuse::{Explain, refused};

/// A submission of which more is to come.
pub(super) struct Unfinished {
    submit: Submit,
    body: BytesMut,
    missing: usize,
}

impl Conversation {
    pub(super) fn submit(&mut self, submit: Submit, body: Bytes) {
        let missing = usize::try_from(submit.more_len).unwrap_or(usize::MAX);
        if missing == 0 {
            self.accept(&submit, &body);
            return;
        }
        let whole = body.len().saturating_add(missing);
        if whole > MAX_SCRIPT {
            let text = submission::too_long(whole);
            let refusal = refused(0x10, RefusalCode::BAD_REQUEST, text);
            self.refuse(refusal.about(submit.invocation.0));
        }
        // What follows one that is too long is taken in too, and forgotten.
        self.unfinished = Some(Unfinished {
            submit,
            body: body.into(),
            missing,
        });
    }

    /// More of a submission.
    pub(super) fn more(&mut self, more: &More, body: &Bytes) -> Turn {
        let Some(mut unfinished) = self.unfinished.take() else {
            let text = "there is no submission that goes on";
            self.refuse(refused(0x1d, RefusalCode::BAD_REQUEST, text));
            return Turn::Over;
        };
        let wrong = unfinished.submit.invocation != more.invocation
            || body.is_empty()
            || body.len() > unfinished.missing;
        if wrong {
            let text = "that is not how the submission goes on";
            let refusal = refused(0x1d, RefusalCode::BAD_REQUEST, text);
            self.refuse(refusal.about(unfinished.submit.invocation.0));
            return Turn::Over;
        }
        unfinished.missing = unfinished.missing.saturating_sub(body.len());
        let keeps = unfinished.body.len().saturating_add(unfinished.missing) <= MAX_SCRIPT;
        if keeps {
            unfinished.body.extend_from_slice(body);
        }
        if unfinished.missing > 0 {
            self.unfinished = Some(unfinished);
        } else if keeps {
            self.accept(&unfinished.submit, &unfinished.body.freeze());
        }
        Turn::GoesOn
    }

    /// A submission, whole.
    fn accept(&mut self, submit: &Submit, body: &Bytes) {
        let about = submit.invocation;
        let refuse = |code, text: String| refused(0x10, code, text).about(about.0);
        let mut core = self.session.core();
        // What is known of it is told all the same: its reader gets what it came to.
        let known = core.invocations.from(about).is_some();
        if let Some((code, text)) = core.over().filter(|_| !known) {
            drop(core);
            let hint = if code == RefusalCode::BROKEN {
                "`outlast receive` reads what there is of its output; `outlast remove` clears it away"
            } else {
                "`outlast new` starts a fresh one"
            };
            self.refuse(refuse(code, text).hint(hint));
            return;
        }
        let client = core.holding.holder().map(|holder| holder.client);
        let invocation = match submission::invocation(client, submit, body) {
            Ok(invocation) => invocation,
            Err(text) => {
                drop(core);
                self.refuse(refuse(RefusalCode::BAD_REQUEST, text));
                return;
            }
        };
        // Only somebody who is there can be waited for.
        let absent = core.invocations.running() != Some(about) && core.claim_shell();
        let accepted = core.submit(invocation, submit.wait || absent);
        drop(core);
        match accepted {
            Ok((ahead, from)) => {
                failpoint::reach("host.accepted");
                let (stdin_offset, _) = self.session.core().invocations.input_progress(about);
                if submit.stdin {
                    self.inputs.insert(about, (stdin_offset, false));
                }
                self.replies.push_back(ToClient::Submitted(Submitted {
                    invocation: about,
                    ahead,
                    stdin_offset,
                    from,
                }));
                self.session.ring_work();
                self.session.changed();
            }
            Err(NotAccepted::Busy) => {
                let text = "another command is running".to_owned();
                self.refuse(
                    refuse(RefusalCode::BUSY, text)
                        .hint("without --no-wait it runs when its turn comes"),
                );
            }
            Err(NotAccepted::QueueFull) => {
                let text = "too many commands are waiting".to_owned();
                self.refuse(
                    refuse(RefusalCode::BUSY, text)
                        .hint("try again when some of them have run, or make another session"),
                );
            }
        }
    }

    pub(super) fn stdin(&mut self, stdin: &Stdin, body: Bytes) {
        let mut core = self.session.core();
        let known = core.invocations.from(stdin.invocation).is_some();
        let over = core.broken().filter(|_| !known);
        let Some(input) = core.invocations.input(stdin.invocation) else {
            drop(core);
            if let Some(text) = over {
                let refusal = refused(0x11, RefusalCode::BROKEN, text);
                self.refuse(refusal.about(stdin.invocation.0));
                return;
            }
            self.tell_input(stdin.invocation, 0, true);
            return;
        };
        let received = input.receive(stdin.offset, body);
        drop(core);
        self.inputs.entry(stdin.invocation).or_insert((0, false));
        match received {
            Ok(()) => self.session.ring_input(),
            Err(error) => {
                let text = format!("standard input at offset {}: {error:?}", stdin.offset);
                let refusal = refused(0x11, RefusalCode::BAD_REQUEST, text);
                self.refuse(refusal.about(stdin.invocation.0));
            }
        }
    }

    pub(super) fn stdin_end(&mut self, end: &StdinEnd) {
        let ended = self
            .session
            .core()
            .invocations
            .input(end.invocation)
            .map(|i| i.end(end.offset));
        if matches!(ended, Some(Err(_))) {
            let text = format!(
                "standard input ends at {} but bytes are missing",
                end.offset
            );
            let refusal = refused(0x12, RefusalCode::BAD_REQUEST, text);
            self.refuse(refusal.about(end.invocation.0));
        }
        self.session.ring_input();
    }

    pub(super) fn cancel(&mut self, lease: Lease, cancel: &Cancel) {
        let mut core = self.session.core();
        let found = core.invocations.cancel(cancel.invocation, cancel.level);
        if matches!(found, Cancelled::Stopping | Cancelled::Withdrawn(_)) {
            core.audit.cancelled(lease, cancel.invocation, cancel.level);
        }
        drop(core);
        match found {
            Cancelled::Stopping => self.session.ring_work(),
            Cancelled::Withdrawn(finished) => {
                let mut core = self.session.core();
                core.finished(&finished, Outcome::NeverRan);
                core.note_idleness();
                drop(core);
                self.session.changed();
                self.session.ring_life();
            }
            Cancelled::Over => {}
            Cancelled::Unknown => {
                let refusal = match self.session.core().broken() {
                    Some(text) => refused(0x13, RefusalCode::BROKEN, text),
                    None => refused(
                        0x13,
                        RefusalCode::UNKNOWN_INVOCATION,
                        format!("there is no invocation {} here", cancel.invocation),
                    ),
                };
                self.refuse(refusal.about(cancel.invocation.0));
            }
        }
    }
}
