//! What was refused is not tried again, and what was agreed on is told.

use outlast_tests::{ClientMachine, Sshd};

use crate::stage::{Stage, get, one_error, run, text};

/// The connections sshd has seen.
fn connections(sshd: &Sshd) -> usize {
    sshd.log_text().matches("Connection from ").count()
}

#[test]
fn many_aliases_of_one_server_try_a_refused_login_once() {
    let sshd = Sshd::start();
    let machine = ClientMachine::new();
    let names = ["a1", "a2", "a3", "a4", "a5", "a6"];
    for name in names {
        machine.host(name, &sshd).unauthorized().add();
    }
    let output = run(&machine, &[&["new"], &names[..]].concat());
    output.code(4);
    let stderr = output.stderr_text();
    assert_eq!(
        stderr.matches("refused the authentication").count(),
        6,
        "{output}"
    );
    sshd.wait_log("Connection closed by");
    assert_eq!(connections(&sshd), 1, "{}", sshd.log_text());
    // Somebody asks again: that is another matter.
    let output = run(&machine, &["new", "a1"]);
    one_error(&output, 255, &["refused the authentication"], "ssh-add");
    sshd.wait_log("Connection closed by");
    assert_eq!(connections(&sshd), 2);
}

#[test]
fn a_reconnect_that_is_refused_waits_for_somebody() {
    let stage = Stage::set();
    for name in ["one", "two"] {
        stage.new_session(name);
    }
    let waiting = ["one", "two"].map(|name| stage.invoke(name, "echo begun; exec sleep 1000"));
    for running in &waiting {
        running.wait_line("begun");
    }
    let authorized = stage.sshd.replace_authorized("");
    let before = connections(&stage.sshd);
    stage.sshd.kill_connections();
    for running in waiting {
        let output = running.wait();
        output.code(255).stderr_has("refused the authentication");
    }
    for name in ["one", "two"] {
        let session = get(&stage.machine, name);
        assert_eq!(text(&session, "state"), "Disconnected");
        let note = text(&session, "note");
        let says = [
            "refused the authentication",
            &format!("`outlast connect {name}`"),
        ];
        assert!(says.iter().all(|word| note.contains(word)), "{note}");
    }
    assert_eq!(
        connections(&stage.sshd),
        before + 1,
        "{}",
        stage.sshd.log_text()
    );
    stage.sshd.replace_authorized(&authorized);
    for name in ["one", "two"] {
        run(&stage.machine, &["connect", name]).success();
        assert!(get(&stage.machine, name)["note"].is_null());
    }
    stage.strike(Vec::new());
}

#[test]
fn what_was_agreed_on_is_told() {
    let (jump, sshd) = (Sshd::start(), Sshd::start());
    let machine = ClientMachine::new();
    machine.host("jump", &jump).add();
    machine.host("server", &sshd).option("ProxyJump jump").add();
    run(&machine, &["new", "server", "-n", "job"]).success();
    let session = get(&machine, "job");
    let route = session["route"].as_array().unwrap();
    assert_eq!(route.len(), 2, "{session:#}");
    for (hop, server) in route.iter().zip([&jump, &sshd]) {
        assert_eq!(hop["port"], server.address().port());
        assert!(text(hop, "server").starts_with("SSH-2.0-OpenSSH"));
        assert_eq!(hop["strict_kex"], true);
        assert_eq!(hop["authentication"][0], "publickey");
        assert!(text(hop, "host_key").starts_with("ssh-ed25519 SHA256:"));
        assert!(text(hop, "key").contains("ED25519 SHA256:"), "{hop:#}");
    }
    let shown = run(&machine, &["get", "-v"]);
    shown.success();
    for word in [
        "agreed on ",
        "strict key exchange",
        "authenticated by publickey",
        "SHA256:",
    ] {
        shown.stdout_has(word);
    }
    // OpenSSH 9.9 and later have what we have.
    let is_weaker = !route[1]["weaker"].is_null();
    assert_eq!(
        shown.stdout_text().contains("weaker than ssh"),
        is_weaker,
        "{shown}"
    );
    // A person is told once.
    let told = |output: &outlast_tests::Output| {
        output
            .stdout_text()
            .matches("where ssh would agree on")
            .count()
    };
    run(&machine, &["mux", "stop"]).success();
    let first = machine.on_pty(&["connect", "job"]).wait();
    first.success();
    assert_eq!(told(&first), if is_weaker { 2 } else { 0 }, "{first}");
    let second = machine.on_pty(&["new", "jump"]).wait();
    second.success();
    assert_eq!(told(&second), 0, "{second}");
    run(&machine, &["remove", "*"]).success();
}
