//! Programs in a session of their own: none of them gets hold of the terminal that the tests were
//! started from.

use std::process::{Command, Stdio};

/// The command in a session without a terminal.
pub(crate) fn without_terminal(command: &Command) -> Command {
    wrapped(command, &[])
}

/// The command in a session whose terminal is what will be its standard input.
pub(crate) fn on_controlling_terminal(command: &Command) -> Command {
    wrapped(command, &["--ctty"])
}

/// `setsid` makes the session and then *becomes* the program, so the pid is the program's and no
/// unsafe `pre_exec` is needed.
fn wrapped(command: &Command, options: &[&str]) -> Command {
    let mut wrapped = Command::new("/usr/bin/setsid");
    wrapped
        .args(options)
        .arg(command.get_program())
        .args(command.get_args());
    // What sets variables has cleared the test's own.
    if command.get_envs().next().is_some() {
        wrapped.env_clear();
    }
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            wrapped.env(name, value);
        }
    }
    if let Some(directory) = command.get_current_dir() {
        wrapped.current_dir(directory);
    }
    wrapped.stdin(Stdio::null());
    wrapped
}
