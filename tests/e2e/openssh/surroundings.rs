//! What the system's `ssh` takes from where the command was typed.

use std::fs;

use outlast_tests::{Output, Running, Sshd};

use super::machine;
use crate::stage::{command, run};

#[test]
fn what_is_relative_starts_where_the_command_was_typed() {
    let sshd = Sshd::start();
    let machine = machine(&sshd);
    let place = machine.home().join("project");
    fs::create_dir(&place).unwrap();
    fs::rename(machine.identity(), place.join("key")).unwrap();
    let address = sshd.address();
    let way = format!(
        "exec 3<>/dev/tcp/{}/{}; cat <&3 & cat >&3",
        address.ip(),
        address.port()
    );
    fs::write(place.join("way"), way).unwrap();
    // The mux is there already, and works elsewhere.
    run(&machine, &["new", ".", "-n", "here"]).success();
    let said = |lines: &str, directory: &std::path::Path| -> Output {
        let only = "IdentityFile ./key\n  IdentitiesOnly yes";
        machine.configure(&format!("Host server\n  {only}\n  {lines}\n"));
        let args = ["invoke", "-n", "-c", "server", "echo in"];
        let said = Running::start(command(&machine, &args).current_dir(directory)).wait();
        // The next one finds no connection.
        run(&machine, &["mux", "stop"]).success();
        said
    };
    for lines in [
        "",
        "ProxyCommand bash ./way",
        "PasswordAuthentication no\nMatch exec \"test -e way\"\n  ProxyCommand bash ./way",
    ] {
        said(lines, &place).success().stdout_is("in\n");
    }
    said("", machine.home()).no_panic().code(255);
}
