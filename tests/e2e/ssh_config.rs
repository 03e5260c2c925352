//! What the ssh_config of a host does to the sessions there.

use outlast_tests::{ClientMachine, Output, Running, Sshd};

use crate::lending::Agent;
use crate::stage::command;

/// A machine that knows `server`, with lines of its configuration.
fn machine(sshd: &Sshd, lines: &str) -> ClientMachine {
    let machine = ClientMachine::knowing("server", sshd);
    machine.configure(lines);
    machine
}

/// `outlast` with variables of the caller's own.
fn with(machine: &ClientMachine, variables: &[(&str, &str)], args: &[&str]) -> Output {
    let mut outlast = command(machine, args);
    outlast.envs(variables.iter().copied());
    Running::start(&mut outlast).wait()
}

#[test]
fn a_session_has_what_is_set_for_its_host_and_what_is_sent_of_the_callers() {
    let sshd = Sshd::start();
    let lines = "Host server\n  SendEnv SENT_* ALSO\n  SetEnv ALSO=set FIXED=\"two words\"\n";
    let machine = machine(&sshd, lines);
    // The mux is there already, with an environment of its own.
    machine.outlast(&["new", "server", "-n", "first"]).success();
    let variables = [("SENT_A", "a b"), ("ALSO", "sent"), ("KEPT", "back")];
    with(&machine, &variables, &["new", "server", "-n", "second"]).success();
    let script = "echo \"${SENT_A-none},${ALSO-none},${FIXED-none},${KEPT-none}\"";
    let said = |session: &str| machine.outlast(&["invoke", "-n", "-s", session, script]);
    said("first")
        .success()
        .stdout_is("none,set,two words,none\n");
    said("second")
        .success()
        .stdout_is("a b,set,two words,none\n");
}

#[test]
fn the_callers_variables_are_those_of_the_configuration() {
    let sshd = Sshd::start();
    let key = "Host server\n  IdentityFile ${MY_KEYS}/id_ed25519\n";
    let machine = machine(&sshd, key);
    // A mux that has no such variable.
    machine.outlast(&["new", ".", "-n", "here"]).success();
    let keys = machine.home().join(".ssh").display().to_string();
    machine
        .outlast(&["new", "server", "-n", "work"])
        .code(2)
        .stderr_has("${MY_KEYS} is not set");
    let variables = [("MY_KEYS", keys.as_str())];
    with(&machine, &variables, &["new", "server", "-n", "work"]).success();
}

#[test]
fn an_agent_is_forwarded_to_the_host_that_has_it_so() {
    let sshd = Sshd::start();
    let machine = machine(&sshd, "Host server\n  ForwardAgent yes\n");
    let agent = Agent::start();
    let socket = agent.socket().display().to_string();
    let variables = [("SSH_AUTH_SOCK", socket.as_str())];
    with(&machine, &variables, &["new", "server", "-n", "work"]).success();
    let listed = ["invoke", "-n", "-s", "work", "ssh-add -l"];
    with(&machine, &variables, &listed)
        .success()
        .stdout_has("the lent key");
    // Who has no agent lends none.
    let script = "echo ${SSH_AUTH_SOCK-none}";
    let mut outlast = command(&machine, &["invoke", "-n", "-s", "work", script]);
    outlast.env_remove("SSH_AUTH_SOCK");
    Running::start(&mut outlast)
        .wait()
        .success()
        .stdout_is("none\n");
}

#[test]
fn what_has_no_effect_is_said_unless_it_is_to_be_quiet() {
    let sshd = Sshd::start();
    for (lines, expected) in [
        (
            "Host server\n  GSSAPIAuthentication yes\n",
            "gssapiauthentication has no effect here; it needs the system's ssh",
        ),
        (
            "Host server\n  LocalForward 1234 db:5432\n",
            "config line 2: localforward has no effect here",
        ),
        (
            "Host server\n  LogLevel VERBOSE\n",
            "connected to 127.0.0.1: SSH-2.0-OpenSSH",
        ),
    ] {
        let machine = machine(&sshd, lines);
        let made = machine.outlast(&["new", "server"]);
        made.success().stderr_has(expected);
    }
    let quiet = "Host server\n  LocalForward 1234 db:5432\n  LogLevel ERROR\n";
    let machine = machine(&sshd, quiet);
    machine.outlast(&["new", "server"]).success().stderr_is("");
}

#[test]
fn options_have_the_names_that_ssh_gives_them() {
    let (sshd, jump) = (Sshd::start(), Sshd::builder().address("127.0.0.2").start());
    let machine = ClientMachine::knowing("server", &sshd);
    machine.host("gate", &jump).add();
    let args = ["new", "server", "-J", "gate", "-4", "-C", "-n", "work"];
    machine.outlast(&args).success();
    let script = "echo ${SSH_CONNECTION%% *}";
    let from = ["invoke", "-n", "-s", "work", script];
    machine.outlast(&from).success().stdout_is("127.0.0.1\n");
    machine
        .outlast(&["new", "server", "-6"])
        .code(255)
        .stderr_has("an IPv6 address");
    machine
        .outlast(&["new", "server", "-o", "HostNam=x"])
        .code(2)
        .stderr_has("command line: unknown ssh option `HostNam`; is `hostname` meant?");
}
