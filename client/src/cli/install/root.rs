//! Being root on a computer: the login itself, or sudo, whose password is asked for here.

use std::sync::Arc;

use outlast_protocol::control::to_cli::Question;
use outlast_protocol::secret::Secret;

use super::computer::{Computer, Input, said};
use super::refused;
use crate::cli::error::Error;
use crate::install::{Script, Sudo};

/// So often as sudo itself asks.
const ATTEMPTS: u32 = 3;
const NOBODY: &str = "run it on a terminal, or name a program by SSH_ASKPASS; or log in as root \
    (`-l root`)";

/// As whom a script runs.
#[derive(Clone, Debug, Default)]
pub(super) enum Root {
    /// As whoever logs in.
    #[default]
    Login,
    /// By sudo, with the password if it needs one.
    Sudo(Option<Secret>),
}

impl Root {
    /// Finds out, and asks, what is needed there.
    pub(super) async fn of(computer: &Computer<'_>) -> Result<Self, Error> {
        let script = Script::asks_about_root();
        let (answer, executed) = computer.execute(&script, Input::default()).await?;
        match answer.sudo() {
            Some(Sudo::Unneeded) => Ok(Self::Login),
            Some(Sudo::Free) => Ok(Self::Sudo(None)),
            Some(Sudo::Password) => Self::asked(computer, answer.get("user")).await,
            Some(Sudo::Missing) => Err(refused(
                "for `--system` somebody has to be root, and there is no sudo",
                "log in as root (`-l root`), or leave `--system` out: then it is for you alone",
            )),
            None => Err(refused(
                format!("who is root cannot be found out{}", said(&executed)),
                "log in as root (`-l root`)",
            )),
        }
    }

    async fn asked(computer: &Computer<'_>, user: &str) -> Result<Self, Error> {
        for attempt in 1..=ATTEMPTS {
            let password = ask(computer, user, attempt > 1).await?;
            let input = Input {
                line: Some(password.clone()),
                file: None,
            };
            let script = Script::tries_password();
            let (answer, executed) = computer.execute(&script, input).await?;
            if answer.result().is_some() {
                return Ok(Self::Sudo(Some(password)));
            }
            if !executed.words.contains("try again") {
                return Err(refused(
                    format!("sudo refuses{}", said(&executed)),
                    "log in as root (`-l root`), or leave `--system` out: then it is for you alone",
                ));
            }
        }
        Err(refused(
            format!("sudo took none of {ATTEMPTS} passwords"),
            "log in as root (`-l root`), or leave `--system` out: then it is for you alone",
        ))
    }
}

async fn ask(computer: &Computer<'_>, user: &str, again: bool) -> Result<Secret, Error> {
    let question = Question {
        question: 0,
        text: match again {
            true => "That password was not accepted, please try again.".to_owned(),
            false => String::new(),
        },
        fields: vec![(
            format!("[sudo] password for {user} on {}: ", computer.name),
            false,
        )],
        confirm: false,
    };
    let client = computer.client;
    computer.progress.question_begins();
    let asker = Arc::clone(&client.asker);
    let answers = asker
        .ask(client.output, computer.name.clone(), question)
        .await;
    computer.progress.question_ends();
    let nobody = || {
        refused(
            "sudo wants a password there, and nobody can be asked",
            NOBODY,
        )
    };
    let mut answers = answers.ok_or_else(nobody)?;
    let given_up = || refused("sudo wants a password there, and none was given", NOBODY);
    answers.pop().ok_or_else(given_up)
}
