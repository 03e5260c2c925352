//! What most of these tests begin with, and the shapes their assertions share.

use std::process::Command;

use outlast_tests::{ClientMachine, Gate, Output, Proxy, Running, Sshd, binaries, process};
use serde_json::Value;

/// One server behind a network that can be cut, and one client machine that reaches it as
/// `server`.
pub(crate) struct Stage {
    pub(crate) machine: ClientMachine,
    pub(crate) proxy: Proxy,
    pub(crate) sshd: Sshd,
}

impl Stage {
    pub(crate) fn set() -> Self {
        Self::before(Sshd::start())
    }

    pub(crate) fn before(sshd: Sshd) -> Self {
        let proxy = Proxy::to(sshd.address());
        let machine = ClientMachine::new();
        machine.host("server", &sshd).via(proxy.address()).add();
        Self {
            machine,
            proxy,
            sshd,
        }
    }

    /// Another computer of the same user, with an undisturbed network.
    pub(crate) fn second_client(&self) -> ClientMachine {
        ClientMachine::knowing("server", &self.sshd)
    }

    /// Makes a session; the object `--output json` describes it with.
    #[track_caller]
    pub(crate) fn new_session(&self, name: &str) -> Value {
        new_session(&self.machine, "server", name)
    }

    /// Starts a command that is given no standard input.
    pub(crate) fn invoke(&self, session: &str, script: &str) -> Running {
        self.machine.spawn(&["invoke", "-n", "-s", session, script])
    }

    /// Removes every session, stops the muxes and insists that nothing is left.
    #[track_caller]
    pub(crate) fn strike(self, others: Vec<ClientMachine>) {
        let machine = &self.machine;
        let left = run(machine, &["get", "server", "--output", "json"]);
        let left = left.success().json();
        if left.as_array().is_some_and(|left| !left.is_empty()) {
            run(machine, &["remove", "*"]).success();
        }
        self.sshd.wait_nothing_left();
        for machine in others.iter().chain([machine]) {
            run(machine, &["mux", "stop"]).success();
            for process in machine.processes() {
                process::wait_gone(process.pid);
            }
        }
        for process in self.sshd.relays() {
            process::wait_gone(process.pid);
        }
        assert_eq!(self.sshd.hosts(), []);
    }
}

#[track_caller]
pub(crate) fn run(machine: &ClientMachine, args: &[&str]) -> Output {
    let output = machine.outlast(args);
    output.no_panic();
    output
}

/// `outlast` with more environment than a machine has.
pub(crate) fn command(machine: &ClientMachine, args: &[&str]) -> Command {
    machine.command(&binaries::outlast(), args)
}

#[track_caller]
pub(crate) fn new_session(machine: &ClientMachine, host: &str, name: &str) -> Value {
    let output = run(machine, &["new", host, "-n", name, "--output", "json"]);
    only(&output.success().json())
}

/// The session of this client that `selector` means, as `get` shows it.
#[track_caller]
pub(crate) fn get(machine: &ClientMachine, name: &str) -> Value {
    let output = run(machine, &["get", "--name", name, "--output", "json"]);
    only(&output.success().json())
}

/// The one element of an array.
#[track_caller]
pub(crate) fn only(array: &Value) -> Value {
    match array.as_array().map(Vec::as_slice) {
        Some([one]) => one.clone(),
        _ => panic!("expected one element: {array:#}"),
    }
}

#[track_caller]
pub(crate) fn text(object: &Value, field: &str) -> String {
    match object[field].as_str() {
        Some(text) => text.to_owned(),
        None => panic!("{field} is no text in {object:#}"),
    }
}

#[track_caller]
pub(crate) fn instance(session: &Value) -> String {
    text(session, "instance_id")
}

/// One error of one sentence that says these things, with a hint that says that one; nothing on
/// stdout, and nobody panicked.
#[track_caller]
pub(crate) fn one_error<'a>(
    output: &'a Output,
    code: i32,
    says: &[&str],
    hint: &str,
) -> &'a Output {
    output.no_panic().code(code).stdout_is("");
    let stderr = output.stderr_text();
    let with = |prefix: &str| -> Vec<String> {
        let lines = stderr.lines().filter_map(|line| line.strip_prefix(prefix));
        lines.map(str::to_owned).collect()
    };
    let errors = with("error: ");
    assert_eq!(errors.len(), 1, "one error line\n{output}");
    for word in says {
        assert!(
            errors[0].to_lowercase().contains(&word.to_lowercase()),
            "{word:?} in the error line\n{output}"
        );
    }
    let hints = with("hint: ");
    assert_eq!(hints.len(), 1, "one hint\n{output}");
    assert!(hints[0].contains(hint), "{hint:?} in the hint\n{output}");
    output
}

/// What clap refuses: exit code 2, the reason, and nothing done.
#[track_caller]
pub(crate) fn bad_usage(output: &Output, says: &[&str]) {
    output.no_panic().code(2).stdout_is("");
    for word in says {
        output.stderr_has(word);
    }
    let errors = output.stderr_text().matches("error: ").count();
    assert_eq!(errors, 1, "one error\n{output}");
}

/// A job of numbered lines that stops in the middle, at the gate.
pub(crate) struct Job {
    pub(crate) gate: Gate,
    pub(crate) script: String,
    pub(crate) expected: String,
}

impl Job {
    pub(crate) const LINES: usize = 10_000;
    pub(crate) const PAUSE: usize = 5_000;

    pub(crate) fn new() -> Self {
        let gate = Gate::new();
        Self {
            script: outlast_tests::stream::numbered_script_with_pause(
                Self::LINES,
                Self::PAUSE,
                &gate,
            ),
            gate,
            expected: outlast_tests::stream::numbered(Self::LINES),
        }
    }

    /// Starts it in a session and returns when all lines before the pause are on stdout.
    #[track_caller]
    pub(crate) fn start(
        &self,
        machine: &ClientMachine,
        session: &str,
        options: &[&str],
    ) -> Running {
        let mut args = vec!["invoke", "-n", "-s", session];
        args.extend(options);
        args.push(&self.script);
        let running = machine.spawn(&args);
        running.wait_line(&format!("line {}", Self::PAUSE));
        running
    }
}
