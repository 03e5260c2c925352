//! What only a person knows: asked through the command line that needs it, and only there.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use outlast_tests::pty::{self, OnPty};
use outlast_tests::{ClientMachine, Running, Sshd};

use crate::stage::{command, one_error, run};

const PASSPHRASE: &str = "geheim";

/// A machine whose key has a passphrase.
fn locked(hosts: &[(&str, &Sshd)]) -> ClientMachine {
    let machine = ClientMachine::new();
    for (alias, sshd) in hosts {
        machine.host(alias, sshd).add();
    }
    let status = Command::new("ssh-keygen")
        .args(["-q", "-p", "-a", "1", "-P", "", "-N", PASSPHRASE, "-f"])
        .arg(machine.identity())
        .status();
    assert!(status.unwrap().success());
    machine
}

/// A program for `SSH_ASKPASS` that notes what it is asked, and says `answer`.
fn askpass(machine: &ClientMachine, answer: &str) -> PathBuf {
    let program = machine.home().join("askpass");
    let asked = machine.home().join("asked");
    let text = format!(
        "#!/bin/sh\nprintf '%s|%s\\n' \"$1\" \"$SSH_ASKPASS_PROMPT\" >>{}\n{answer}\n",
        asked.display()
    );
    std::fs::write(&program, text).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o700)).unwrap();
    program
}

fn asked(machine: &ClientMachine) -> String {
    std::fs::read_to_string(machine.home().join("asked")).unwrap_or_default()
}

fn prompt(machine: &ClientMachine) -> String {
    format!(
        "Enter passphrase for key '{}': ",
        machine.identity().display()
    )
}

#[test]
fn several_hosts_are_asked_about_one_after_the_other_by_name() {
    let addresses = ["127.0.0.2", "127.0.0.3", "127.0.0.4"];
    let servers = addresses.map(|address| Sshd::builder().address(address).start());
    let names = ["one", "two", "three"];
    let hosts: Vec<_> = names.into_iter().zip(&servers).collect();
    let machine = locked(&hosts);
    let terminal = machine.on_pty(&["new", "one", "two", "three"]);
    for _ in names {
        terminal.expect(&prompt(&machine));
        assert!(!terminal.is_cooked(), "what is typed is not shown");
        terminal.send(PASSPHRASE).send(pty::ENTER);
    }
    let output = terminal.wait();
    output.success();
    let text = output.stdout_text();
    let prompts: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("Enter passphrase"))
        .collect();
    assert_eq!(prompts.len(), 3, "each has a line of its own\n{text}");
    for name in names {
        let of = prompts
            .iter()
            .filter(|line| line.starts_with(&format!("{name}: Enter")));
        assert_eq!(of.count(), 1, "{name}\n{text}");
    }
    assert_eq!(text.matches("Opened").count(), 3);
    assert!(!text.contains(PASSPHRASE), "{text}");
}

#[test]
fn a_program_asks_where_it_is_wanted() {
    let sshd = Sshd::start();
    let machine = locked(&[("server", &sshd)]);
    let program = askpass(&machine, &format!("echo {PASSPHRASE}"));
    let with = |variables: &[(&str, &str)]| {
        let mut command = command(&machine, &["get", "server"]);
        command.env("SSH_ASKPASS", &program);
        command.envs(variables.iter().copied());
        let mut running = Running::start(&mut command);
        running.close_stdin();
        running.wait()
    };
    for variables in [
        &[][..],
        &[("DISPLAY", ":0"), ("SSH_ASKPASS_REQUIRE", "never")],
    ] {
        let output = with(variables);
        one_error(&output, 255, &["refused the authentication"], "SSH_ASKPASS");
        assert_eq!(asked(&machine), "", "{variables:?}");
    }
    with(&[("SSH_ASKPASS_REQUIRE", "force")]).success();
    assert_eq!(asked(&machine), format!("{}|\n", prompt(&machine)));
    // Nor is it asked again over the connection that stands.
    with(&[("DISPLAY", ":0")]).success();
    assert_eq!(asked(&machine).lines().count(), 1);
}

#[test]
fn a_program_that_fails_has_given_no_answer() {
    let sshd = Sshd::start();
    let machine = locked(&[("server", &sshd)]);
    let program = askpass(&machine, "exit 1");
    let mut command = command(&machine, &["get", "server"]);
    command
        .env("SSH_ASKPASS", program)
        .env("SSH_ASKPASS_REQUIRE", "force");
    let mut running = Running::start(&mut command);
    running.close_stdin();
    let output = running.wait();
    output.no_panic().code(255);
    assert_eq!(asked(&machine).lines().count(), 1, "{output}");
}

#[test]
fn ctrl_c_at_a_passphrase_ends_the_command_and_gives_the_echo_back() {
    let sshd = Sshd::start();
    let machine = locked(&[("server", &sshd)]);
    let made = machine.on_pty(&["new", "server", "-n", "job"]);
    made.expect(&prompt(&machine))
        .send(PASSPHRASE)
        .send(pty::ENTER);
    made.wait().success();
    for args in [
        &["new", "server"][..],
        &["invoke", "-s", "job", "true"],
        &["invoke", "-c", "server", "true"],
        &["enter", "job"],
    ] {
        run(&machine, &["mux", "stop"]).success();
        let mut terminal = machine.on_pty(args);
        terminal.expect(&prompt(&machine));
        assert!(!terminal.is_cooked(), "{args:?}");
        terminal.send(pty::CTRL_C);
        terminal.ended().no_panic().code(130);
        assert!(terminal.is_cooked(), "{args:?}");
    }
}

#[test]
fn what_runs_in_the_background_does_not_take_the_terminal() {
    let sshd = Sshd::start();
    let machine = locked(&[("server", &sshd)]);
    let outlast = command(&machine, &[]);
    let outlast = outlast.get_program().to_string_lossy().into_owned();
    let script = format!(
        "set -m; {outlast} get server & read -r line; echo got $line; fg; echo ended with $?"
    );
    let shell = machine.command("/bin/bash".as_ref(), &["-c", &script]);
    let mut terminal = OnPty::start(&shell);
    terminal.expect("it waits until this is in the foreground");
    // What is typed is for what is in front.
    terminal.send("mine").send(pty::ENTER);
    terminal.expect("got mine");
    terminal.expect(&prompt(&machine));
    terminal.send(PASSPHRASE).send(pty::ENTER);
    terminal.expect("ended with 0");
    terminal.ended().success();
}

#[test]
fn two_commands_that_need_a_host_ask_once() {
    let sshd = Sshd::start();
    let machine = locked(&[("server", &sshd)]);
    let first = machine.on_pty(&["new", "server"]);
    first.expect(&prompt(&machine));
    let second = machine.spawn(&["get", "server"]);
    second.wait_stderr("another command is connecting to server");
    first.send(PASSPHRASE).send(pty::ENTER);
    first.wait().success();
    second.wait().success();
}

#[test]
fn an_answer_that_is_none_is_asked_for_again_and_a_fingerprint_is_one() {
    let sshd = Sshd::start();
    let machine = ClientMachine::new();
    machine.host("stranger", &sshd).unknown().add();
    let key = sshd.known_hosts_line(sshd.address());
    let (name, key) = key.split_once(' ').unwrap();
    machine.trust(&format!("elsewhere {key}"));
    let terminal = machine.on_pty(&["new", "stranger"]);
    terminal
        .expect(&format!(
            "The authenticity of host '{name} ({name})' can't be established."
        ))
        .expect("ED25519 key fingerprint is SHA256:")
        .expect("This host key is known by the following other names/addresses:")
        .expect("known_hosts:1: elsewhere")
        .expect("Are you sure you want to continue connecting (yes/no/[fingerprint])? ")
        .send("maybe")
        .send(pty::ENTER)
        .expect("Please type 'yes', 'no' or the fingerprint: ");
    let public = machine.home().join("host.pub");
    std::fs::write(&public, key).unwrap();
    let shown = Command::new("ssh-keygen")
        .arg("-lf")
        .arg(&public)
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let fingerprint = shown.split(' ').nth(1).unwrap();
    terminal.send(fingerprint).send(pty::ENTER);
    let output = terminal.wait();
    output.success();
    output.stdout_has(&format!("ermanently added '{name}' (ED25519)"));
}
