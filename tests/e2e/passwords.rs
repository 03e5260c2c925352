//! Logging in by what a person knows: passwords of sshd's own, and the questions of PAM.

use std::process::Command;

use outlast_tests::pty::{self, OnPty};
use outlast_tests::{ClientMachine, Sshd, transport};

use crate::stage::{one_error, run};

/// Nobody's but the tests'.
const SECRET: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEH";
const PASSWORD: &str = "correct horse";

/// Whether passwords can be set here, which needs a mount namespace; says so if not.
#[expect(
    clippy::print_stderr,
    reason = "a test that could not check anything says so"
)]
fn can_be_set(sshd: &Sshd) -> bool {
    let can = sshd.hides_real_home();
    if !can {
        eprintln!("not checked: no mount namespace here");
    }
    can
}

/// The address that the last prompt on the screen asks about.
#[track_caller]
fn asked_about(terminal: &OnPty) -> String {
    terminal.expect("'s password: ");
    let text = terminal.screen.text();
    let line = text.lines().next_back().unwrap();
    let (_, rest) = line.split_once('@').unwrap();
    rest.split_once('\'').unwrap().0.to_owned()
}

#[test]
fn three_hosts_ask_one_after_the_other_and_a_wrong_password_is_that_hosts_affair() {
    let addresses = ["127.0.0.2", "127.0.0.3", "127.0.0.4"];
    let servers = addresses.map(|address| {
        let password = format!("of {address}");
        Sshd::builder().address(address).password(&password).start()
    });
    if !can_be_set(&servers[0]) {
        return;
    }
    let machine = ClientMachine::new();
    let names = ["one", "two", "three"];
    for (name, sshd) in names.into_iter().zip(&servers) {
        machine.host(name, sshd).unauthorized().add();
    }
    let mut terminal = machine.on_pty(&["new", "one", "two", "three"]);
    let mut asked = Vec::new();
    // One each, and two more for the one that gets a wrong one every time.
    for _ in 0..5 {
        let address = asked_about(&terminal);
        assert!(!terminal.is_cooked(), "what is typed is not shown");
        let right = format!("of {address}");
        let is_two = address == addresses[1];
        terminal.send(if is_two { "of nobody" } else { &right });
        terminal.send(pty::ENTER);
        asked.push(address);
    }
    let output = terminal.ended();
    output.no_panic().code(4);
    assert!(terminal.is_cooked());
    asked.sort();
    let [one, two, three] = addresses;
    assert_eq!(asked, [one, two, two, two, three], "{output}");
    let text = output.stdout_text();
    let user = outlast_tests::account::Account::current().name;
    for (name, address) in names.into_iter().zip(addresses) {
        // Its first prompt, and of the others the line before.
        assert!(
            text.contains(&format!("{name}: {user}@{address}'s password: ")),
            "{text}"
        );
    }
    // ssh itself does not say why it asks again.
    let told = if transport::is_openssh() { 0 } else { 2 };
    let again = text.matches("two: That password was not accepted");
    assert_eq!(again.count(), told, "{text}");
    assert_eq!(
        text.matches("refused the authentication").count(),
        1,
        "{text}"
    );
    assert!(text.contains("127.0.0.3"), "{text}");
    assert_eq!(text.matches("Opened").count(), 2, "{text}");
    assert!(
        !text.contains("of 127") && !text.contains("of nobody"),
        "{text}"
    );
    assert_eq!(servers.map(|sshd| sshd.hosts().len()), [1, 0, 1]);
}

fn two_steps() -> Option<(Sshd, ClientMachine)> {
    let sshd = Sshd::builder().two_steps(PASSWORD, SECRET).start();
    if !can_be_set(&sshd) {
        return None;
    }
    let machine = ClientMachine::new();
    machine.host("server", &sshd).unauthorized().add();
    Some((sshd, machine))
}

/// The code of this half minute.
fn code() -> String {
    let oathtool = Command::new("oathtool")
        .args(["--totp", "--base32", SECRET])
        .output()
        .expect("oathtool: run `cargo xtask test`");
    assert!(oathtool.status.success());
    String::from_utf8(oathtool.stdout)
        .unwrap()
        .trim()
        .to_owned()
}

/// Answers both questions of a round.
fn answer(terminal: &OnPty, password: &str, code: &str) {
    terminal.expect("server: ").expect("Password: ");
    assert!(!terminal.is_cooked(), "what is typed is not shown");
    terminal.send(password).send(pty::ENTER);
    terminal.expect("server: ").expect("Verification code: ");
    terminal.send(code).send(pty::ENTER);
}

#[test]
fn a_password_and_a_code_let_in() {
    let Some((sshd, machine)) = two_steps() else {
        return;
    };
    let terminal = machine.on_pty(&["new", "server", "-n", "job"]);
    let code = code();
    answer(&terminal, PASSWORD, &code);
    let output = terminal.wait();
    output.success().stdout_has("Opened");
    let text = output.stdout_text();
    assert!(!text.contains(PASSWORD) && !text.contains(&code), "{text}");
    // The connection stands: nobody is asked any more.
    run(&machine, &["invoke", "-n", "-s", "job", "echo in"])
        .success()
        .stdout_is("in\n");
    let shown = run(&machine, &["get", "-v"]);
    shown
        .success()
        .stdout_has("authenticated by keyboard-interactive");
    assert_eq!(sshd.hosts().len(), 1);
}

#[test]
fn a_wrong_code_is_asked_for_again_with_the_password_and_refused_in_the_end() {
    let Some((sshd, machine)) = two_steps() else {
        return;
    };
    let terminal = machine.on_pty(&["new", "server", "-n", "job"]);
    // A code that is right is of no use to a wrong password, and the other way round.
    answer(&terminal, PASSWORD, "12345");
    answer(&terminal, "wrong", &code());
    answer(&terminal, PASSWORD, &code());
    terminal.wait().success().stdout_has("Opened");
    run(&machine, &["remove", "job"]).success();
    run(&machine, &["mux", "stop"]).success();
    let terminal = machine.on_pty(&["new", "server"]);
    for _ in 0..3 {
        answer(&terminal, PASSWORD, "12345");
    }
    let refused = terminal.wait();
    refused
        .no_panic()
        .code(255)
        .stdout_has("refused the authentication")
        .stdout_has("keyboard-interactive");
    assert_eq!(sshd.hosts(), []);
}

#[test]
fn where_nobody_can_be_asked_for_a_code_that_is_said() {
    let Some((sshd, machine)) = two_steps() else {
        return;
    };
    for args in [
        &["new", "server"][..],
        &["get", "server"],
        &["invoke", "-c", "server", "--", "true"],
    ] {
        let output = run(&machine, args);
        let says = ["refused the authentication", "keyboard-interactive"];
        one_error(&output, 255, &says, "from a terminal");
    }
    assert_eq!(sshd.hosts(), []);
}
