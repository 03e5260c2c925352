//! Everything that can be wrong from the start: one sentence, a hint, the right exit code.

use std::net::TcpListener;

use outlast_protocol::limits::MAX_SCRIPT;
use outlast_tests::{ClientMachine, Sshd, Subsystem};

use crate::stage::{Stage, bad_usage, get, instance, new_session, one_error, run};

#[test]
fn unknown_host_name() {
    let machine = ClientMachine::new();
    let output = run(&machine, &["new", "no-such-host.invalid"]);
    one_error(&output, 255, &["no-such-host.invalid"], "spelling");
}

#[test]
fn refused_port() {
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .unwrap()
        .port()
        .to_string();
    let machine = ClientMachine::new();
    let output = run(&machine, &["new", "127.0.0.1", "-p", &port]);
    one_error(&output, 255, &["127.0.0.1", &port, "refused"], "sshd");
    let output = run(&machine, &["get", &format!("127.0.0.1:{port}")]);
    one_error(&output, 255, &["127.0.0.1", &port, "refused"], "sshd");
}

#[test]
fn wrong_key() {
    let sshd = Sshd::start();
    let machine = ClientMachine::new();
    machine.host("server", &sshd).unauthorized().add();
    let output = run(&machine, &["new", "server"]);
    one_error(&output, 255, &["refused the authentication"], "ssh-add");
    let output = run(
        &machine,
        &["invoke", "-n", "-c", "server", "--output", "json", "true"],
    );
    output.code(255);
    assert_eq!(output.json()[0]["outcome"], "auth_failed");
    assert_eq!(sshd.hosts(), []);
}

/// The binary is on the remote PATH: nobody has to be root to use it.
#[test]
fn missing_subsystem_is_executed_instead() {
    let sshd = Sshd::builder().subsystem(Subsystem::OnlyInPath).start();
    let stage = Stage::before(sshd);
    stage.new_session("job");
    run(&stage.machine, &["invoke", "-n", "-s", "job", "echo here"])
        .success()
        .stdout_is("here\n");
    stage.sshd.kill_relays();
    run(&stage.machine, &["invoke", "-n", "-s", "job", "echo again"])
        .success()
        .stdout_is("again\n");
    stage.strike(Vec::new());
}

#[test]
fn absent_subsystem_is_told_with_the_remotes_words() {
    let sshd = Sshd::builder().subsystem(Subsystem::Absent).start();
    let machine = ClientMachine::knowing("server", &sshd);
    let output = run(&machine, &["new", "server"]);
    let says = ["outlast-subsystem", "server", "not found"];
    one_error(&output, 255, &says, "install outlast-subsystem");
}

#[test]
fn something_else_as_the_subsystem() {
    const MISSING: &str = "install outlast-subsystem";
    for (command, says, hint) in [
        ("/bin/echo I am no subsystem", "I am no subsystem", MISSING),
        ("/bin/false", "", MISSING),
        // What it says on stderr goes to sshd's log.
        ("/nowhere/outlast-subsystem", "status 127", MISSING),
        // More than a login shell's start-up files may say.
        ("head -c 200000 /dev/zero", "", "print without end"),
    ] {
        let sshd = Sshd::builder()
            .subsystem(Subsystem::Command(command.to_owned()))
            .start();
        let machine = ClientMachine::knowing("server", &sshd);
        let output = run(&machine, &["new", "server"]);
        one_error(&output, 255, &["server", says], hint);
        assert!(output.stderr.len() < 4096, "{output}");
        assert!(!output.stderr.contains(&0), "no NULs on a terminal");
    }
}

#[test]
fn unknown_sessions() {
    let stage = Stage::set();
    stage.new_session("job");
    let nobody = "11111111-2222-3333-4444-555555555555";
    for selector in ["nosuch", "99", nobody, "11111111", "no*such"] {
        for args in [
            &["invoke", "-n", "-s", selector, "true"][..],
            &["receive", selector],
            &["connect", selector],
            &["disconnect", selector],
            &["remove", selector],
        ] {
            let output = run(&stage.machine, args);
            one_error(&output, 2, &[selector], "outlast get");
        }
        let output = run(&stage.machine, &["connect", "-c", "server", selector]);
        one_error(&output, 2, &[selector, "server"], "outlast get server");
    }
    // One that is unknown among others: nothing is done to the others.
    let output = run(&stage.machine, &["remove", "job", "nosuch"]);
    one_error(&output, 2, &["nosuch"], "outlast get");
    assert_eq!(get(&stage.machine, "job")["state"], "Opened");
    stage.strike(Vec::new());
}

#[test]
fn session_that_was_removed_elsewhere() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    run(&stage.machine, &["disconnect", "job"]).success();
    let second = stage.second_client();
    run(&second, &["remove", "-c", "server", &session]).success();
    let output = run(&stage.machine, &["invoke", "-n", "-s", "job", "true"]);
    one_error(&output, 255, &["no session", &session], "outlast get");
    assert_eq!(get(&stage.machine, "job")["state"], "Closed");
    // Removing what is gone already is what was wanted.
    run(&stage.machine, &["remove", "job"]).success();
    stage.strike(vec![second]);
}

#[test]
fn ambiguous_start_of_an_instance_id_and_too_short_ones() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    let output = run(&stage.machine, &["connect", &session[..7]]);
    one_error(&output, 2, &[&session[..7]], "outlast get");
    run(&stage.machine, &["connect", &session[..8]]).success();
    run(&stage.machine, &["connect", &session.to_uppercase()]).success();
    stage.strike(Vec::new());
}

#[test]
fn names_are_unique_on_a_host_and_sensible() {
    let stage = Stage::set();
    stage.new_session("job");
    let output = run(&stage.machine, &["new", "server", "-n", "job"]);
    one_error(&output, 2, &["job", "already"], "-n");
    let second = stage.second_client();
    let output = run(&second, &["new", "server", "-n", "job"]);
    one_error(&output, 2, &["job", "already"], "-n");
    for bad in ["", "a b", "a/b", "12", "*", "-x", "a\nb", &"x".repeat(300)] {
        let output = run(&stage.machine, &["new", "server", &format!("--name={bad}")]);
        output.code(2).stdout_is("").stderr_has("error: ");
    }
    assert_eq!(stage.sshd.hosts().len(), 1);
    stage.strike(vec![second]);
}

#[test]
fn unknown_configuration() {
    let stage = Stage::set();
    let output = run(
        &stage.machine,
        &["new", "server", "--configuration", "fish9"],
    );
    one_error(&output, 2, &["fish9"], "bash");
    stage.sshd.wait_nothing_left();
}

#[test]
fn bad_command_lines() {
    let machine = ClientMachine::new();
    for (args, says) in [
        (&["frobnicate"][..], "frobnicate"),
        (&["new", "--bogus"], "--bogus"),
        (&["new", "server", "-p", "0"], "-p"),
        (&["new", "server", "-p", "99999"], "99999"),
        (&["new", "server", "-p", "ssh"], "ssh"),
        (&["get", "--id", "abc"], "abc"),
        (&["get", "--state", "sideways"], "sideways"),
        (&["get", "--instance-id", "xyz"], "xyz"),
        (&["invoke", "true"], "--session"),
        (&["invoke", "-s", "1"], ""),
        (
            &["invoke", "-s", "1", "-c", "server", "true"],
            "cannot be used",
        ),
        (&["receive", "1", "--from", "yesterday"], "yesterday"),
        (&["remove"], "SESSION"),
        (&["connect"], "SESSION"),
        (&["--output", "yaml", "get"], "yaml"),
        (&["mux", "restart"], "restart"),
        (&["new", "two words"], "two words"),
        (&["new", "server", "-o", "Port"], "Port"),
        (&["help", "nonsense"], "nonsense"),
    ] {
        bad_usage(&run(&machine, args), &[says]);
    }
    // None of it needed a background process.
    assert_eq!(machine.processes(), []);
}

#[test]
fn bad_ssh_options() {
    let stage = Stage::set();
    for (option, says) in [
        ("Port=ninety", "ninety"),
        ("StrictHostKeyChecking=perhaps", "perhaps"),
        ("ConnectTimeout=-5", "-5"),
    ] {
        let output = run(&stage.machine, &["new", "server", "-o", option]);
        output.code(2).stdout_is("").stderr_has(says);
    }
    let output = run(&stage.machine, &["new", "server", "-F", "/nowhere/config"]);
    output.code(2).stdout_is("").stderr_has("/nowhere/config");
    assert_eq!(stage.sshd.hosts(), []);
}

#[test]
fn script_that_cannot_be_read_or_is_missing() {
    let stage = Stage::set();
    stage.new_session("job");
    let output = run(
        &stage.machine,
        &["invoke", "-s", "job", "-f", "/nowhere/script"],
    );
    output.code(2).stderr_has("/nowhere/script").stdout_is("");
    let big = stage.machine.home().join("big");
    std::fs::write(&big, vec![b'#'; MAX_SCRIPT + 1]).unwrap();
    let output = run(
        &stage.machine,
        &["invoke", "-s", "job", "-f", big.to_str().unwrap()],
    );
    one_error(&output, 2, &["bytes"], "standard input");
    run(&stage.machine, &["invoke", "-n", "-s", "job", "echo alive"])
        .success()
        .stdout_is("alive\n");
    stage.strike(Vec::new());
}

/// One bad host never stops the others: each is told by name, and the code says how bad it was.
#[test]
fn bad_hosts_among_good_ones() {
    let stage = Stage::set();
    let locked = Sshd::start();
    stage.machine.host("locked", &locked).unauthorized().add();
    let output = run(
        &stage.machine,
        &["new", "nowhere.invalid,server,locked", "-n", "job"],
    );
    output
        .code(4)
        .stdout_has("server")
        .stderr_has("nowhere.invalid: ")
        .stderr_has("locked: ");
    let listed = run(&stage.machine, &["get", "--output", "json"]);
    assert_eq!(listed.json().as_array().unwrap().len(), 1);
    let output = run(
        &stage.machine,
        &["invoke", "-n", "-c", "server,locked", "echo here"],
    );
    output
        .code(4)
        .stdout_is("server| here\n")
        .stderr_has("locked: ");
    let output = run(
        &stage.machine,
        &[
            "invoke",
            "-n",
            "-c",
            "server,.",
            "[ -n \"$SSH_CONNECTION\" ]",
        ],
    );
    output.code(3);
    stage.strike(Vec::new());
}

#[test]
fn errors_are_objects_too() {
    let stage = Stage::set();
    stage.new_session("job");
    stage.proxy.refuse();
    stage.proxy.cut();
    let output = run(
        &stage.machine,
        &[
            "invoke",
            "-n",
            "-s",
            "job",
            "--reconnect-for",
            "1s",
            "--output",
            "json",
            "true",
        ],
    );
    output.code(255);
    let result = crate::stage::only(&output.json());
    assert_eq!(result["outcome"], "unreachable", "{result:#}");
    assert_eq!(result["name"], "job");
    stage.proxy.resume();
    run(&stage.machine, &["invoke", "-n", "-s", "job", "true"]).success();
    stage.strike(Vec::new());
}

/// A command line that comes while the connection is lost has the same patience as one that was
/// there before.
#[test]
fn patience_counts_also_when_the_connection_was_lost_before() {
    let stage = Stage::set();
    stage.new_session("job");
    let witness = stage.invoke("job", "sleep 1000");
    stage.proxy.refuse();
    stage.proxy.cut();
    witness.wait_stderr("interrupted");
    let args = [
        "invoke",
        "-n",
        "-s",
        "job",
        "--reconnect-for",
        "1s",
        "echo never",
    ];
    let output = run(&stage.machine, &args);
    one_error(&output, 255, &["job"], "outlast receive");
    output.stderr_has("interrupted");
}

/// What was refused left nothing behind, and the next try works.
#[test]
fn failures_are_not_remembered() {
    let mut stage = Stage::set();
    stage.sshd.stop_listening();
    run(&stage.machine, &["new", "server", "-n", "job"]).code(255);
    stage.sshd.listen_again();
    new_session(&stage.machine, "server", "job");
    stage.strike(Vec::new());
}
