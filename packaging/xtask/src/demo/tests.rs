//! The demo's server and scissors, tried with OpenSSH's client.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::stage::Network;
use super::{keys, server};

/// A server whose subsystem is `cat`, and what `ssh` needs to reach it.
struct Fixture {
    directory: tempfile::TempDir,
    network: Network,
}

impl Fixture {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let client_key = keys::generate().unwrap();
        keys::write(&client_key, &directory.path().join("key")).unwrap();
        let setup = server::Setup {
            user: "tester".into(),
            host_key: keys::generate().unwrap(),
            accepted: client_key.public_key().clone(),
            subsystem: vec!["cat".into()],
            session_dir: directory.path().join("sessions"),
        };
        Self {
            directory,
            network: Network::start(setup).unwrap(),
        }
    }

    fn ssh(&self, words: &[&str]) -> Command {
        self.ssh_with_key(&self.directory.path().join("key"), words)
    }

    fn ssh_with_key(&self, key: &Path, words: &[&str]) -> Command {
        let mut command = Command::new("ssh");
        let port = self.network.laptop.address().port().to_string();
        command
            .args(["-F", "/dev/null", "-p", &port, "-l", "tester", "-i"])
            .arg(key);
        for option in [
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            "LogLevel=ERROR",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
        ] {
            command.args(["-o", option]);
        }
        command
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// Feeds stdin and collects the rest.
fn converse(command: &mut Command, input: &[u8]) -> std::process::Output {
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || {
        let _ = std::io::Write::write_all(&mut stdin, &input);
    });
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    output
}

#[track_caller]
fn read_until(child: &mut Child, wanted: &str) {
    use std::io::Read as _;
    let stdout = child.stdout.as_mut().unwrap();
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(wanted.as_bytes()) {
        assert_eq!(
            stdout.read(&mut byte).unwrap(),
            1,
            "{}",
            String::from_utf8_lossy(&seen)
        );
        seen.extend(byte);
    }
}

#[test]
fn subsystem_echoes_eight_mebibytes() {
    let fixture = Fixture::start();
    let input: Vec<u8> = (0..8 << 20)
        .map(|number: u32| (number % 251) as u8)
        .collect();
    let output = converse(&mut fixture.ssh(&["-s", "127.0.0.1", "outlast"]), &input);
    assert!(output.status.success(), "{output:?}");
    assert!(
        output.stdout == input,
        "{} bytes came back",
        output.stdout.len()
    );
}

#[test]
fn exec_keeps_streams_and_status_apart() {
    let fixture = Fixture::start();
    let script = "cat; echo err >&2; exit 7";
    let output = converse(&mut fixture.ssh(&["127.0.0.1", script]), b"in\n");
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(output.stdout, b"in\n");
    assert_eq!(output.stderr, b"err\n");
}

#[test]
fn other_keys_and_other_subsystems_are_refused() {
    let fixture = Fixture::start();
    let other = fixture.directory.path().join("other");
    keys::write(&keys::generate().unwrap(), &other).unwrap();
    let output = converse(
        &mut fixture.ssh_with_key(&other, &["127.0.0.1", "true"]),
        b"",
    );
    assert_eq!(output.status.code(), Some(255));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("Permission denied"),
        "{output:?}"
    );

    let output = converse(&mut fixture.ssh(&["-s", "127.0.0.1", "sftp"]), b"");
    assert!(!output.status.success(), "{output:?}");
}

#[test]
fn cut_ends_stdin_and_spares_the_program() {
    let fixture = Fixture::start();
    let mut child = fixture
        .ssh(&["127.0.0.1", &script(&fixture)])
        .spawn()
        .unwrap();
    read_until(&mut child, "up\n");

    fixture.network.laptop.cut();

    assert_eq!(child.wait().unwrap().code(), Some(255));
    // A FIFO: the program opens it for writing after its stdin has ended, and not before.
    let said = std::fs::read_to_string(fixture.directory.path().join("after")).unwrap();
    assert_eq!(said, "over\n");
    // The laptop stays cut, the desk is another cable.
    let output = converse(&mut fixture.ssh(&["127.0.0.1", "true"]), b"");
    assert_eq!(output.status.code(), Some(255));
}

/// Says `up`, waits for the end of stdin, and then reports through a FIFO.
fn script(fixture: &Fixture) -> String {
    let fifo = fixture.directory.path().join("after");
    let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    format!("echo up; cat; echo over >{}", fifo.display())
}
