//! `SSH_ASKPASS`: a program that asks in a window.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use outlast_protocol::control::to_cli::Question;
use outlast_protocol::secret::Secret;
use tokio::process::Command;
use zeroize::Zeroizing;

use crate::output::clean;

/// Where distributions have one.
const USUAL: [&str; 3] = [
    "/usr/bin/ssh-askpass",
    "/usr/lib/ssh/ssh-askpass",
    "/usr/libexec/openssh/ssh-askpass",
];

/// The program to ask with.
pub(super) fn program(named: Option<String>) -> Option<PathBuf> {
    let usual = || USUAL.iter().map(PathBuf::from).find(|path| path.is_file());
    match named.filter(|name| !name.is_empty()) {
        Some(name) => Some(name.into()),
        None => usual(),
    }
}

/// Asks for each field in turn. A program that fails is somebody who gave up.
pub(super) async fn ask(program: &Path, question: &Question) -> Vec<Secret> {
    let mut answers = Vec::new();
    for (prompt, _) in &question.fields {
        // A prompt alone is handed on as ssh words it: programs know the question by it.
        let message = match question.text.is_empty() || !answers.is_empty() {
            true => clean(prompt),
            false => format!("{}\n{}", question.text, clean(prompt)),
        };
        match answer(program, &message, question.confirm).await {
            Some(answer) => answers.push(answer),
            None => return Vec::new(),
        }
    }
    answers
}

async fn answer(program: &Path, message: &str, confirm: bool) -> Option<Secret> {
    let mut command = Command::new(program);
    command
        .arg(message)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    if confirm {
        command.env("SSH_ASKPASS_PROMPT", "confirm");
    } else {
        command.env_remove("SSH_ASKPASS_PROMPT");
    }
    let output = command.spawn().ok()?.wait_with_output().await.ok()?;
    let said = Zeroizing::new(output.stdout);
    let line = said.split(|byte| matches!(byte, b'\r' | b'\n')).next();
    let text = std::str::from_utf8(line.unwrap_or_default()).ok()?;
    if !output.status.success() {
        return None;
    }
    // Having said nothing, a program that was to have something confirmed has confirmed it.
    Some(match confirm && text.is_empty() {
        true => "yes".into(),
        false => text.into(),
    })
}
