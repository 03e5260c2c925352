//! One computer: look what is there, and do what is missing.

use bytes::Bytes;
use outlast_protocol::control::target::Target;
use outlast_protocol::control::to_cli::{Executed, Failed, FailureKind, ToCli};
use outlast_protocol::control::to_mux::Execute;
use outlast_protocol::secret::Secret;

use super::root::Root;
use super::{Job, refused};
use crate::cli::Client;
use crate::cli::error::Error;
use crate::cli::request::{answer, unexpected};
use crate::cli::target::surroundings;
use crate::control::connection::Connection;
use crate::install::{Answer, Binary, Entry, Scope, Script, Verb, command};
use crate::output::installation::{Installation, State};
use crate::output::progress::Progress;

/// What to do where the connection is lost.
const AGAIN: &str = "try again: what is there is the whole program, the old one or the new one";

/// One computer, and what is to be done there.
pub(super) struct Computer<'a> {
    pub(super) client: &'a Client,
    pub(super) progress: &'a Progress,
    pub(super) name: String,
    job: &'a Job,
    target: Target,
    root: Root,
}

/// What a script is given besides.
#[derive(Default)]
pub(super) struct Input<'a> {
    pub(super) line: Option<Secret>,
    pub(super) file: Option<&'a Binary>,
}

impl<'a> Computer<'a> {
    pub(super) fn new(
        client: &'a Client,
        job: &'a Job,
        progress: &'a Progress,
        target: Target,
    ) -> Self {
        Self {
            client,
            progress,
            name: target.destination.clone(),
            job,
            target,
            root: Root::default(),
        }
    }

    /// Does it.
    pub(super) async fn run(mut self) -> Result<Installation, Error> {
        self.progress.at(&self.name, "connecting");
        if self.job.args.system {
            self.root = Root::of(&self).await?;
        }
        match &self.job.binary {
            Some(binary) => self.install(binary).await,
            None => self.uninstall().await,
        }
    }

    async fn install(&self, binary: &Binary) -> Result<Installation, Error> {
        self.progress.at(&self.name, "looking");
        let seen = self.say(&self.script(Verb::Check, ""), None).await?;
        binary
            .fits(seen.get("system"), seen.get("machine"))
            .map_err(|unfit| {
                refused(
                    format!("{} does not fit: {unfit}", binary.path.display()),
                    "`--binary FILE` names a program that was built for it",
                )
            })?;
        let same = seen.get("installed") == binary.sha256 && seen.get("not-executable").is_empty();
        let entry = seen.entry().filter(|entry| *entry != Entry::There);
        let mut files = Vec::new();
        if !same {
            files.push(seen.get("path").to_owned());
        }
        if entry.is_some() {
            files.push(seen.get("drop-in").to_owned());
        }
        let state = match (files.is_empty(), self.job.args.check) {
            (true, _) => State::Unchanged,
            (false, true) => State::WouldChange,
            (false, false) => {
                self.progress.at(&self.name, "sending");
                let file = (!same).then_some(binary);
                let sha256 = if same { "" } else { &binary.sha256 };
                self.say(&self.script(Verb::Put, sha256), file).await?;
                State::Changed
            }
        };
        if files.is_empty() {
            files.push(seen.get("path").to_owned());
        }
        let notes = match seen.get("hidden-by") {
            "" => Vec::new(),
            other => vec![format!(
                "{other} comes first on the PATH there, and is what is run"
            )],
        };
        Ok(self.result(state, files, notes))
    }

    async fn uninstall(&self) -> Result<Installation, Error> {
        self.progress.at(&self.name, "removing");
        let said = self.say(&self.script(Verb::Remove, ""), None).await?;
        let state = match said.result() {
            Some("absent") => State::Absent,
            Some("would-remove") => State::WouldRemove,
            _ => State::Removed,
        };
        let files = match state {
            State::Absent => Vec::new(),
            _ => vec![said.get("path").to_owned()],
        };
        let notes = match said.get("sessions") {
            "" | "0" => Vec::new(),
            number => vec![format!(
                "{number} sessions go on there; nobody reaches them until it is installed again"
            )],
        };
        Ok(self.result(state, files, notes))
    }

    fn result(&self, state: State, files: Vec<String>, notes: Vec<String>) -> Installation {
        Installation {
            computer_name: self.name.clone(),
            state,
            files,
            notes,
            error: None,
            hint: None,
        }
    }

    fn script(&self, verb: Verb, sha256: &str) -> Script {
        let args = &self.job.args;
        Script {
            verb,
            scope: match args.system {
                true => Scope::System,
                false => Scope::User,
            },
            directory: args.directory.clone().unwrap_or_default(),
            sha256: sha256.to_owned(),
            sshd_config: args.sshd_config.clone(),
            reload: args.reload.clone().unwrap_or_default(),
            force: args.force,
            check: args.check,
        }
    }

    /// Has the script run, as root where that is due.
    async fn say(&self, script: &Script, file: Option<&Binary>) -> Result<Answer, Error> {
        let (text, line) = match &self.root {
            Root::Login => (script.plain(), None),
            Root::Sudo(password) => (script.by_sudo(), password.clone()),
        };
        let (answer, executed) = self.execute(&text, Input { line, file }).await?;
        match (answer.failure(), answer.result()) {
            (Some((reason, hint)), _) => Err(refused(reason, hint)),
            (None, Some(_)) => Ok(answer),
            (None, None) if is_lost(&executed) => Err(self.lost(&executed)),
            (None, None) => Err(refused(
                format!("it ended early there{}", said(&executed)),
                "see what is there by `--check`",
            )),
        }
    }

    /// Has a script run; what it answered, and how it ended.
    pub(super) async fn execute(
        &self,
        script: &str,
        input: Input<'_>,
    ) -> Result<(Answer, Executed), Error> {
        let Input { line, file } = input;
        let path = file.map(|binary| {
            let path = binary.path.clone().into_os_string();
            path.into_string().map_err(|path| {
                Error::usage(
                    format!("the path {} is not UTF-8", path.to_string_lossy()),
                    "rename the file or make a link to it",
                )
            })
        });
        let request = Execute {
            target: self.target.clone(),
            surroundings: surroundings(),
            command: command(script),
            line,
            file: path.transpose()?.unwrap_or_default(),
        };
        let mut connection = Connection::open(&self.client.place).await?;
        connection.send(request, Bytes::from(script.to_owned()))?;
        let mut executed = None;
        while let Some((message, body)) = connection.next().await? {
            match message {
                ToCli::Sent(sent) => self.sent(sent.bytes, file),
                ToCli::Executed(how) => executed = Some((how, body)),
                ToCli::Question(question) => {
                    self.progress.question_begins();
                    let answered =
                        answer(self.client, &self.name, &question, &mut connection).await;
                    self.progress.question_ends();
                    answered?;
                }
                ToCli::Notice(notice) => {
                    self.progress.question_begins();
                    let text = format!("{}: {}", self.name, notice.text);
                    self.client.output.note(&text);
                    self.progress.question_ends();
                }
                ToCli::Finished(_) => {
                    let (executed, output) = executed
                        .ok_or_else(|| Error::Protocol("Finished before Executed".to_owned()))?;
                    return self.heard(executed, &output);
                }
                ToCli::Failed(failed) => return Err(of_mux(failed)),
                other => return Err(unexpected("Executed or Finished", &other)),
            }
        }
        Err(Error::MuxLost("it ended while it installed".to_owned()))
    }

    fn heard(&self, executed: Executed, output: &[u8]) -> Result<(Answer, Executed), Error> {
        match Answer::read(output) {
            Some(answer) => Ok((answer, executed)),
            None if is_lost(&executed) => Err(self.lost(&executed)),
            None => Err(refused(
                format!("no POSIX shell ran there{}", said(&executed)),
                format!("`outlast doctor {}` says what stands in the way", self.name),
            )),
        }
    }

    fn lost(&self, executed: &Executed) -> Error {
        Error::Refused(Failed {
            kind: FailureKind::Unreachable,
            message: format!("lost {}{}", self.name, said(executed)),
            hint: AGAIN.into(),
        })
    }

    fn sent(&self, bytes: u64, file: Option<&Binary>) {
        let all = file.map_or(0, |binary| binary.size).max(1);
        let percent = bytes.saturating_mul(100) / all;
        self.progress
            .at(&self.name, &format!("{} %", percent.min(100)));
    }
}

/// Whether the connection went and not the script, which has no such status: an `ssh` ends with 255
/// when it has lost its connection.
fn is_lost(executed: &Executed) -> bool {
    matches!(executed.status, None | Some(255))
}

/// What the other end said besides, as the end of a sentence.
pub(super) fn said(executed: &Executed) -> String {
    match executed.words.trim() {
        "" => String::new(),
        words => format!("; it said: {}", words.replace('\n', "; ")),
    }
}

/// Of an earlier version it does not know the request.
fn of_mux(failed: Failed) -> Error {
    let unknown = failed.kind == FailureKind::Internal && failed.message.contains("is not known");
    if unknown {
        return Error::Refused(Failed {
            message: "the background process is of an earlier version, which cannot do it".into(),
            hint: "`outlast mux stop` ends it, sessions keep running; then try again".into(),
            ..failed
        });
    }
    if failed.kind == FailureKind::Unreachable && failed.hint.is_empty() {
        return Error::Refused(Failed {
            hint: AGAIN.into(),
            ..failed
        });
    }
    Error::Refused(failed)
}

#[cfg(test)]
mod tests {
    use outlast_protocol::message::DecodeError;

    use super::*;

    #[test]
    fn a_mux_that_does_not_know_the_request_is_to_be_stopped() {
        let failed = |message: String| Failed {
            kind: FailureKind::Internal,
            message,
            hint: String::new(),
        };
        let unknown = failed(DecodeError::Unknown(0x17).to_string());
        assert!(of_mux(unknown).hint().contains("outlast mux stop"));
        let other = failed("no memory".to_owned());
        assert_eq!(of_mux(other).hint(), "");
    }
}
