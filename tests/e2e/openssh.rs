//! The transport that is the system's `ssh`: what is different there, and what only it can do.
//!
//! Everything else about it is tested by all the other tests of this program, when
//! `OUTLAST_TEST_TRANSPORT` is `openssh`.

mod kerberos;
mod security_key;
mod surroundings;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use outlast_tests::pty::{self, OnPty};
use outlast_tests::{ClientMachine, Gate, Running, Sshd, process};

use crate::stage::{Stage, bad_usage, command, one_error, run};

const PASSPHRASE: &str = "correct horse";

/// A machine that reaches `server` by the system's ssh.
fn machine(sshd: &Sshd) -> ClientMachine {
    let machine = ClientMachine::knowing("server", sshd);
    machine.set_transport("openssh");
    machine
}

fn stage() -> Stage {
    let stage = Stage::set();
    stage.machine.set_transport("openssh");
    stage
}

/// How each connection is held, as `mux status` says it.
#[track_caller]
fn connections(machine: &ClientMachine) -> Vec<String> {
    let status = run(machine, &["mux", "status", "--output", "json"]);
    let status = crate::stage::only(&status.success().json());
    let connections = status["connections"].as_array().unwrap();
    let how = |connection: &serde_json::Value| connection["transport"].as_str().unwrap().to_owned();
    connections.iter().map(how).collect()
}

fn call(program: &str, args: &[&str]) {
    let status = Command::new(program).args(args).status();
    assert!(status.unwrap().success(), "{program} {args:?}");
}

/// Locks the machine's key.
fn lock_key(machine: &ClientMachine) {
    let key = machine.identity();
    let key = key.to_str().unwrap();
    call(
        "ssh-keygen",
        &["-q", "-p", "-P", "", "-N", PASSPHRASE, "-f", key],
    );
}

/// Puts a script in place of the machine's ssh, which it may call as `$ssh`.
fn replace_ssh(machine: &ClientMachine, script: &str) {
    let config = machine.config();
    let ssh = machine.programs().join("ssh");
    let script = format!(
        "#!/bin/sh\nssh='/usr/bin/ssh -F {}'\n{script}\n",
        config.display()
    );
    fs::write(&ssh, script).unwrap();
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
}

#[track_caller]
fn open_with_passphrase(machine: &ClientMachine) {
    let terminal = machine.on_pty(&["new", "server", "-n", "job"]);
    terminal
        .expect("server: ")
        .expect("Enter passphrase for key")
        .send(PASSPHRASE)
        .send(pty::ENTER);
    let output = terminal.wait();
    output.no_panic().success().stdout_has("Opened");
    assert!(!output.stdout_text().contains(PASSPHRASE), "{output}");
}

#[test]
fn a_passphrase_is_asked_once_a_host_and_not_once_a_session() {
    let sshd = Sshd::start();
    let machine = machine(&sshd);
    lock_key(&machine);
    open_with_passphrase(&machine);
    // Nobody could be asked here.
    for name in ["second", "third"] {
        run(&machine, &["new", "server", "-n", name]).success();
    }
    run(&machine, &["invoke", "-n", "-s", "*", "echo ok"])
        .success()
        .stdout_is(&"server| ok\n".repeat(3));
    let held = connections(&machine);
    assert!(
        held.len() == 1 && held[0].starts_with("over ssh: SSH-2.0-OpenSSH"),
        "{held:?}"
    );
    run(&machine, &["remove", "*"]).success();
    sshd.wait_nothing_left();
}

#[test]
fn where_nobody_can_be_asked_that_is_said() {
    let sshd = Sshd::start();
    let machine = machine(&sshd);
    lock_key(&machine);
    let output = run(&machine, &["new", "server"]);
    one_error(
        &output,
        255,
        &["refused the authentication", "publickey"],
        "from a terminal",
    );
    // A passphrase that is wrong is no reason to try without end.
    let terminal = machine.on_pty(&["new", "server"]);
    for _ in 0..3 {
        terminal
            .expect("Enter passphrase")
            .send("wrong")
            .send(pty::ENTER);
    }
    terminal
        .wait()
        .no_panic()
        .code(255)
        .stdout_has("refused the authentication");
    assert_eq!(sshd.hosts(), []);
}

/// Before 8.4 ssh knows no `SSH_ASKPASS_REQUIRE`.
#[test]
fn an_old_ssh_asks_too() {
    let sshd = Sshd::start();
    let machine = machine(&sshd);
    lock_key(&machine);
    replace_ssh(&machine, "unset SSH_ASKPASS_REQUIRE\nexec $ssh \"$@\"");
    open_with_passphrase(&machine);
}

/// What ssh wants confirmed, and what it only shows, as for a key that has to be touched.
#[test]
fn a_notice_is_shown_and_a_question_of_yes_or_no_is_asked() {
    let sshd = Sshd::start();
    let machine = machine(&sshd);
    let address = sshd.address();
    // A proxy command has the environment of its ssh.
    let proxy = machine.home().join("proxy");
    machine.configure(&format!(
        "Host server\n  ProxyCommand {}\n",
        proxy.display()
    ));
    for (answer, code) in [("no", 255), ("yes", 0)] {
        let seen = Gate::new();
        let script = format!(
            "#!/bin/bash\nSSH_ASKPASS_PROMPT=none $SSH_ASKPASS 'Touch the token now' & told=$!\n\
             read -r _ <{}\nSSH_ASKPASS_PROMPT=confirm $SSH_ASKPASS 'Was it touched?' || exit 1\n\
             kill $told; wait $told; exec 3<>/dev/tcp/{}/{}; cat <&3 & cat >&3",
            seen.word(),
            address.ip(),
            address.port()
        );
        fs::write(&proxy, script).unwrap();
        fs::set_permissions(&proxy, fs::Permissions::from_mode(0o755)).unwrap();
        let terminal = machine.on_pty(&["new", "server", "-n", "job"]);
        terminal.expect("server: Touch the token now");
        seen.open();
        terminal
            .expect("server: Was it touched?")
            .expect("(yes/no)?")
            .send(answer)
            .send(pty::ENTER);
        terminal.wait().no_panic().code(code);
    }
}

/// Whoever knows the socket but not the token gets no question to anybody.
#[test]
fn a_question_without_its_token_is_put_to_nobody() {
    let stage = stage();
    stage.new_session("job");
    let outlast = outlast_tests::binaries::outlast();
    for token in ["", "0123456789abcdef"] {
        let mut asks = stage.machine.command(&outlast, &["Password: "]);
        asks.env("OUTLAST_ASKPASS", token)
            .env("SSH_ASKPASS", &outlast);
        Running::start(&mut asks)
            .wait()
            .no_panic()
            .code(1)
            .stdout_is("");
    }
    stage.strike(Vec::new());
}

/// Starts a master of the user's own, as a ssh_config with `ControlPath` has it.
fn users_master(stage: &Stage) -> String {
    let socket = stage.machine.home().join("master");
    let line = format!("Host server\n  ControlPath {}\n", socket.display());
    stage.machine.configure(&line);
    let master = ["-M", "-N", "-f", "-o", "ControlPersist=yes", "server"];
    Running::start(&mut stage.machine.ssh(&master))
        .wait()
        .success();
    socket.to_str().unwrap().to_owned()
}

fn control(stage: &Stage, word: &str) -> i32 {
    let mut ssh = stage.machine.ssh(&["-O", word, "server"]);
    Running::start(&mut ssh).wait().status.code().unwrap()
}

#[test]
fn a_master_of_the_users_own_is_used_and_left_alone() {
    let stage = stage();
    users_master(&stage);
    stage.new_session("job");
    stage.new_session("other");
    assert_eq!(
        connections(&stage.machine),
        ["over ssh's own control master, 2 links"]
    );
    assert_eq!(stage.proxy.connections(), 1);
    run(&stage.machine, &["remove", "other"]).success();
    run(&stage.machine, &["mux", "stop"]).success();
    assert_eq!(control(&stage, "check"), 0, "it is the user's");
    run(&stage.machine, &["invoke", "-n", "-s", "job", "echo back"])
        .success()
        .stdout_is("back\n");
    // When it goes, one of our own takes its place.
    assert_eq!(control(&stage, "exit"), 0);
    run(&stage.machine, &["invoke", "-n", "-s", "job", "echo again"])
        .success()
        .stdout_is("again\n");
    let held = connections(&stage.machine);
    assert!(
        held.len() == 1 && held[0].starts_with("over ssh: "),
        "{held:?}"
    );
    stage.strike(Vec::new());
}

#[test]
fn a_full_master_of_the_users_own_gets_one_of_ours_beside_it() {
    let stage = Stage::before(Sshd::builder().max_sessions(1).start());
    stage.machine.set_transport("openssh");
    users_master(&stage);
    for name in ["a", "b", "c"] {
        stage.new_session(name);
    }
    assert_eq!(connections(&stage.machine).len(), 3);
    assert_eq!(control(&stage, "exit"), 0);
    run(&stage.machine, &["invoke", "-n", "-s", "*", "true"]).success();
    stage.strike(Vec::new());
}

/// The masters of a mux that was killed are ended by the next one.
#[test]
fn a_killed_mux_leaves_no_master_to_the_next() {
    let stage = stage();
    stage.new_session("job");
    let old = stage.sshd.connections();
    let mux = stage.machine.mux_pid();
    process::kill9(mux);
    process::wait_gone(mux);
    run(&stage.machine, &["invoke", "-n", "-s", "job", "echo back"])
        .success()
        .stdout_is("back\n");
    for connection in old {
        process::wait_gone(connection.pid);
    }
    assert_eq!(connections(&stage.machine).len(), 1);
    stage.strike(Vec::new());
}

#[test]
fn a_session_is_reached_again_the_way_it_was_made() {
    let stage = Stage::set();
    // Nothing but the command line says so.
    stage.machine.set_transport("openssh");
    fs::remove_file(stage.machine.outlast_home().join("config.toml")).unwrap();
    for (transport, begin) in [("openssh", "over ssh: "), ("native", "SSH-2.0-OpenSSH")] {
        let name = format!("by-{transport}");
        run(
            &stage.machine,
            &["new", "server", "-n", &name, "--transport", transport],
        )
        .success();
        run(&stage.machine, &["mux", "stop"]).success();
        run(&stage.machine, &["invoke", "-n", "-s", &name, "true"]).success();
        let held = connections(&stage.machine);
        assert!(held.len() == 1 && held[0].starts_with(begin), "{held:?}");
        run(&stage.machine, &["mux", "stop"]).success();
    }
    stage.strike(Vec::new());
}

#[test]
fn jump_hosts_are_gone_through_by_ssh() {
    let jump = Sshd::start();
    let sshd = Sshd::builder().address("127.0.0.2").start();
    let machine = ClientMachine::new();
    machine.set_transport("openssh");
    machine.host("jump", &jump).add();
    machine.host("server", &sshd).option("ProxyJump jump").add();
    run(
        &machine,
        &["invoke", "-n", "-c", "server", "echo $SSH_CONNECTION"],
    )
    .success()
    .stdout_has(" 127.0.0.2 ");
    assert_eq!(jump.connections().len(), 1);
    let locked = Sshd::builder().address("127.0.0.3").start();
    machine.host("locked", &locked).unauthorized().add();
    machine
        .host("behind", &sshd)
        .option("ProxyJump locked")
        .add();
    let output = run(&machine, &["new", "behind"]);
    one_error(
        &output,
        255,
        &["127.0.0.3", "refused the authentication"],
        "ssh-add",
    );
}

/// A key exchange that our own SSH does not have.
#[test]
fn sntrup761_alone_is_reached_only_so() {
    const ONLY: &str = "KexAlgorithms sntrup761x25519-sha512@openssh.com";
    let stage = Stage::before(Sshd::builder().extra(ONLY).start());
    stage.machine.set_transport("openssh");
    let output = run(&stage.machine, &["new", "server", "--transport", "native"]);
    one_error(
        &output,
        255,
        &["no algorithm in common"],
        "--transport openssh",
    );
    stage.new_session("job");
    let held = connections(&stage.machine);
    assert!(held[0].contains(" sntrup761x25519-sha512"), "{held:?}");
    stage.strike(Vec::new());
}

/// A key that never leaves its token, and no agent.
#[test]
fn a_key_in_a_pkcs11_token_opens_by_its_pin() {
    const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
    const PIN: &str = "314159";
    let sshd = Sshd::start();
    let machine = ClientMachine::new();
    machine.set_transport("openssh");
    machine.host("server", &sshd).unauthorized().add();
    let home = machine.home();
    fs::create_dir(home.join("tokens")).unwrap();
    let settings = home.join("softhsm2.conf");
    let tokens = format!("directories.tokendir = {}\n", home.join("tokens").display());
    fs::write(&settings, tokens).unwrap();
    let key = home.join("rsa.pem");
    call(
        "ssh-keygen",
        &[
            "-q",
            "-t",
            "rsa",
            "-b",
            "2048",
            "-m",
            "PKCS8",
            "-N",
            "",
            "-f",
            key.to_str().unwrap(),
        ],
    );
    let softhsm = |args: &[&str]| {
        let mut call = machine.command(Path::new("softhsm2-util"), args);
        let done = Running::start(call.env("SOFTHSM2_CONF", &settings)).wait();
        done.success();
    };
    softhsm(&[
        "--init-token",
        "--free",
        "--label",
        "box",
        "--pin",
        PIN,
        "--so-pin",
        PIN,
    ]);
    let import = [
        "--import",
        key.to_str().unwrap(),
        "--token",
        "box",
        "--label",
        "k",
        "--id",
        "01",
        "--pin",
        PIN,
    ];
    softhsm(&import);
    sshd.authorize(&fs::read_to_string(key.with_extension("pem.pub")).unwrap());
    fs::remove_file(&key).unwrap();
    machine.configure(&format!(
        "Host server\n  PKCS11Provider {MODULE}\n  IdentityFile none\n  IdentitiesOnly no\n"
    ));
    let mut outlast = command(&machine, &["invoke", "-c", "server", "echo let in"]);
    let terminal = OnPty::start(outlast.env("SOFTHSM2_CONF", &settings));
    terminal
        .expect("server: ")
        .expect("Enter PIN for 'box'")
        .send(PIN)
        .send(pty::ENTER);
    let output = terminal.wait();
    output.no_panic().success().stdout_has("let in");
    assert!(!output.stdout_text().contains(PIN), "{output}");
}

#[test]
fn what_the_configuration_cannot_mean_is_told_with_its_line() {
    let machine = ClientMachine::new();
    machine.set_transport("openssh");
    let config = machine.outlast_home().join("config.toml");
    for (text, says, hint) in [
        (
            "\n[host.x]\ntransprot = \"openssh\"\n",
            "config.toml:3:",
            "`transport`",
        ),
        (
            "[host.x]\ntransport = \"russh\"\n",
            "\"russh\"",
            "\"native\" or \"openssh\"",
        ),
        ("[host.x\n", "config.toml:1:", "help config"),
    ] {
        fs::write(&config, text).unwrap();
        one_error(&run(&machine, &["new", "server"]), 2, &[says], hint);
    }
    bad_usage(
        &run(&machine, &["new", "server", "--transport", "russh"]),
        &["russh", "native, openssh"],
    );
    run(&machine, &["help", "config"])
        .success()
        .stdout_has("[host.\"db*\"]");
    assert_eq!(
        machine.processes(),
        [],
        "none of it needed a background process"
    );
}

#[test]
fn a_computer_without_ssh_says_so() {
    let sshd = Sshd::start();
    let machine = machine(&sshd);
    let mut outlast = command(&machine, &["new", "server"]);
    let output = Running::start(outlast.env("PATH", "/nowhere")).wait();
    one_error(&output, 2, &["ssh", "PATH"], "--transport native");
}
