//! Asking the user, one question at a time: on the terminal that this program was started from, or by
//! the program of `SSH_ASKPASS`. Standard streams may be anything else. In the background nobody is
//! asked: a program there must not take the terminal from what is in front, so the question waits
//! until this one is.

mod askpass;
mod terminal;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use outlast_protocol::control::to_cli::Question;
use outlast_protocol::secret::Secret;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Signal as Kind;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::output::{Output, clean};
pub(super) use terminal::restore_terminal;

/// How often a question that waits for the foreground looks whether it is there.
const LOOK: Duration = Duration::from_secs(1);

/// Asks for all connections of this run.
#[derive(Debug, Default)]
pub(super) struct Asker {
    turn: tokio::sync::Mutex<()>,
}

/// How the user can be asked, decided as ssh decides it (`readpass.c`).
#[derive(Debug, PartialEq, Eq)]
enum Way {
    Terminal,
    Program(PathBuf),
}

/// Whether somebody can be asked.
pub(super) fn can_ask() -> bool {
    way().is_some()
}

fn way() -> Option<Way> {
    let has_terminal = terminal::open().is_ok();
    let variable = |name: &str| std::env::var(name).ok();
    choose(has_terminal, &variable, askpass::program)
}

fn choose(
    has_terminal: bool,
    variable: &dyn Fn(&str) -> Option<String>,
    program: impl Fn(Option<String>) -> Option<PathBuf>,
) -> Option<Way> {
    let is_set = |name| variable(name).is_some_and(|value| !value.is_empty());
    let has_display = is_set("DISPLAY") || is_set("WAYLAND_DISPLAY");
    let require = variable("SSH_ASKPASS_REQUIRE").map(|value| value.to_ascii_lowercase());
    let (wanted, allowed) = match require.as_deref() {
        Some("force") => (true, true),
        Some("prefer") => (has_display, has_display),
        Some("never") => (false, false),
        _ => (false, has_display),
    };
    if has_terminal && !wanted {
        return Some(Way::Terminal);
    }
    let program = program(variable("SSH_ASKPASS")).filter(|_| allowed);
    let terminal = has_terminal.then_some(Way::Terminal);
    program.map(Way::Program).or(terminal)
}

impl Asker {
    /// Asks for every field; none if nobody can be asked, and no text if whoever was asked gave up.
    /// Dropped, it stops asking.
    pub(super) async fn ask(
        self: Arc<Self>,
        output: Output,
        computer: String,
        question: Question,
    ) -> Option<Vec<Secret>> {
        let _turn = self.turn.lock().await;
        let question = Question {
            text: clean(&question.text),
            ..question
        };
        match way()? {
            Way::Program(program) => Some(askpass::ask(&program, &question).await),
            Way::Terminal => {
                let computer = clean(&computer);
                // Sent to a job that was stopped and goes on.
                let mut continued = signal(SignalKind::from_raw(Kind::CONT.as_raw())).ok()?;
                come_to_the_front(output, &computer, &question).await?;
                let (withdrawn, _asking) = pipe_with(PipeFlags::CLOEXEC).ok()?;
                let asked = tokio::task::spawn_blocking(move || {
                    terminal::ask(&computer, &question, &withdrawn)
                });
                tokio::pin!(asked);
                loop {
                    tokio::select! {
                        answers = &mut asked => return answers.ok()?.ok(),
                        () = next(&mut continued) => terminal::silence_again(),
                    }
                }
            }
        }
    }
}

/// Waits until what is typed on the terminal is for this program; none where there is no terminal
/// any more.
async fn come_to_the_front(output: Output, computer: &str, question: &Question) -> Option<()> {
    let mut told = false;
    while !terminal::is_in_front(&terminal::open().ok()?) {
        if !std::mem::replace(&mut told, true) {
            let prompt = question.fields.first().map(|(prompt, _)| prompt.as_str());
            let text = match question.text.is_empty() {
                true => prompt.unwrap_or_default(),
                false => &question.text,
            };
            output.note(&format!(
                "{computer}: {text}; it waits until this is in the foreground (`fg`)"
            ));
        }
        // No shell tells a job that runs that it is in front now.
        tokio::time::sleep(LOOK).await;
    }
    Some(())
}

async fn next(signal: &mut Signal) {
    if signal.recv().await.is_none() {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What ssh does, by `readpass.c`.
    #[test]
    fn the_way_is_the_one_ssh_would_take() {
        let (terminal, program) = (Some(Way::Terminal), Some(Way::Program("/ask".into())));
        for (has_terminal, variables, expected) in [
            (true, &[][..], &terminal),
            (false, &[], &None),
            (true, &["DISPLAY=:0"], &terminal),
            (false, &["DISPLAY=:0"], &program),
            (false, &["DISPLAY="], &None),
            (false, &["WAYLAND_DISPLAY=w"], &program),
            (true, &["SSH_ASKPASS_REQUIRE=force"], &program),
            (false, &["SSH_ASKPASS_REQUIRE=FORCE"], &program),
            (true, &["SSH_ASKPASS_REQUIRE=prefer"], &terminal),
            (
                true,
                &["SSH_ASKPASS_REQUIRE=prefer", "DISPLAY=:0"],
                &program,
            ),
            (false, &["SSH_ASKPASS_REQUIRE=prefer"], &None),
            (false, &["SSH_ASKPASS_REQUIRE=never", "DISPLAY=:0"], &None),
            (true, &["SSH_ASKPASS_REQUIRE=never"], &terminal),
        ] {
            let variable = |name: &str| {
                let found = variables.iter().find_map(|set: &&str| set.split_once('='));
                let all = variables.iter().filter_map(|set| set.split_once('='));
                let mut all = all.filter(|(key, _)| *key == name);
                found.and(all.next().map(|(_, value)| value.to_owned()))
            };
            let there = |_| Some(PathBuf::from("/ask"));
            let chosen = choose(has_terminal, &variable, there);
            assert_eq!(chosen, *expected, "{has_terminal} {variables:?}");
            // Without the program there is only the terminal.
            let chosen = choose(has_terminal, &variable, |_| None);
            assert_eq!(chosen.is_some(), has_terminal, "{variables:?}");
        }
    }
}
