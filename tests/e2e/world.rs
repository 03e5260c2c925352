//! What most tests begin with: a server, a client machine that knows it, a session.

use std::fmt::Debug;

use outlast_tests::{ClientMachine, Output, Running, Sshd};
use serde_json::Value;

/// One computer with sessions, and one client of it. The client goes first.
pub(crate) struct World {
    pub(crate) machine: ClientMachine,
    /// What the client calls the computer.
    pub(crate) host: &'static str,
    /// None: the computer is the client itself, without SSH.
    pub(crate) sshd: Option<Sshd>,
}

impl World {
    /// A real sshd, known as `server`.
    pub(crate) fn new() -> Self {
        let sshd = Sshd::start();
        Self {
            machine: ClientMachine::knowing("server", &sshd),
            host: "server",
            sshd: Some(sshd),
        }
    }

    /// The client's own computer.
    pub(crate) fn local() -> Self {
        Self {
            machine: ClientMachine::new(),
            host: ".",
            sshd: None,
        }
    }

    /// With one session: Id 1, named `work`.
    #[track_caller]
    pub(crate) fn with_session(self) -> Self {
        self.outlast(&["new", self.host, "-n", "work"]).success();
        self
    }

    #[track_caller]
    pub(crate) fn sshd(&self) -> &Sshd {
        self.sshd.as_ref().expect("a world over SSH")
    }

    /// A second client machine that knows the same server by the same name.
    pub(crate) fn second_machine(&self) -> ClientMachine {
        ClientMachine::knowing(self.host, self.sshd())
    }

    #[track_caller]
    pub(crate) fn outlast(&self, args: &[&str]) -> Output {
        self.machine.outlast(args)
    }

    /// Runs a script in the session.
    #[track_caller]
    pub(crate) fn invoke(&self, script: &str) -> Output {
        self.outlast(&["invoke", "-s", "work", script])
    }

    /// Runs a program in the session.
    #[track_caller]
    pub(crate) fn run(&self, argv: &[&str]) -> Output {
        let args = [&["invoke", "-s", "work", "--"], argv].concat();
        self.outlast(&args)
    }

    /// Starts a script in the session and does not wait for it.
    pub(crate) fn start(&self, script: &str) -> Running {
        self.machine.spawn(&["invoke", "-s", "work", script])
    }

    /// The session as an object, as its own client sees it.
    #[track_caller]
    pub(crate) fn session(&self) -> Value {
        session(&self.machine, "work")
    }

    #[track_caller]
    pub(crate) fn instance(&self) -> String {
        text(&self.session()["instance_id"])
    }

    /// Removes the session and insists that nothing of it stays.
    #[track_caller]
    pub(crate) fn remove_and_leave_nothing(&self) {
        self.outlast(&["remove", "work"]).success();
        self.sshd().wait_nothing_left();
    }
}

/// The one session of this name in a client's own list.
#[track_caller]
pub(crate) fn session(machine: &ClientMachine, name: &str) -> Value {
    let listed = machine.outlast(&["get", "--output", "json"]);
    let mut found = array(listed.success().json());
    found.retain(|session| session["name"] == name);
    match &found[..] {
        [one] => one.clone(),
        _ => panic!("expected one session {name}\n{listed}"),
    }
}

#[track_caller]
pub(crate) fn array(value: Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values,
        other => panic!("expected an array, got {other}"),
    }
}

#[track_caller]
pub(crate) fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("expected a string, got {value}"))
        .to_owned()
}

/// The lines of several sessions come in any order.
pub(crate) fn sorted(output: &Output) -> Vec<String> {
    let mut lines: Vec<_> = output.stdout_text().lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// The table of sessions, of one row a session: Id, Name, ComputerName, State, Availability.
pub(crate) fn table(rows: &[(u32, &str, &str, &str, &str)]) -> String {
    let mut table = [
        " Id Name            ComputerName    State         ConfigurationName     Availability\n",
        " -- ----            ------------    -----         -----------------     ------------\n",
    ]
    .concat();
    for (id, name, computer, state, availability) in rows {
        table.push_str(&format!(
            "{id:>3} {name:<15} {computer:<15} {state:<13} {:<21} {availability}\n",
            "bash"
        ));
    }
    table
}

/// Removes a field that differs from run to run, after a look at it.
#[track_caller]
pub(crate) fn take(object: &mut Value, field: &str) -> Value {
    object
        .as_object_mut()
        .and_then(|object| object.remove(field))
        .unwrap_or_else(|| panic!("no field {field} in {object}"))
}

/// Insists on the form `2026-01-02T03:04:05.678Z`.
#[track_caller]
pub(crate) fn assert_time(value: &Value) {
    let text = text(value);
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_same("time", &shape.as_str(), &"0000-00-00T00:00:00.000Z");
}

/// Insists on a lower-case UUID with hyphens.
#[track_caller]
pub(crate) fn assert_uuid(value: &Value) {
    let text = text(value);
    let shape: String = text
        .chars()
        .map(|c| match c {
            '0'..='9' | 'a'..='f' => 'x',
            other => other,
        })
        .collect();
    assert_same(
        &text,
        &shape.as_str(),
        &"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
    );
}

#[track_caller]
fn assert_same<T: PartialEq + Debug>(what: &str, left: &T, right: &T) {
    assert_eq!(left, right, "{what}");
}
