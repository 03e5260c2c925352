//! A security key (FIDO) that wants to be touched. The token is one in software; all around it is
//! OpenSSH's own: the key file, ssh-sk-helper, the agent, and sshd, which verifies that it was touched.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use outlast_tests::pty::OnPty;
use outlast_tests::{ClientMachine, Gate, Sshd, transport};

use crate::stage::{command, one_error, run};

/// The token, and a key in it that `sshd` accepts.
struct Token {
    directory: tempfile::TempDir,
    touch: Gate,
}

impl Token {
    fn make(sshd: &Sshd) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let token = Self {
            directory,
            touch: Gate::new(),
        };
        let source = token.path("token.c");
        fs::write(&source, include_str!("security_key.c")).unwrap();
        let mut compile = Command::new("cc");
        compile.args(["-shared", "-fPIC", "-o"]);
        compile
            .arg(token.provider())
            .arg(&source)
            .arg("-l:libcrypto.so.3");
        assert!(compile.status().unwrap().success(), "cc");
        let mut generate = Command::new("ssh-keygen");
        generate.args(["-q", "-t", "ed25519-sk", "-N", "", "-C", "the token", "-f"]);
        generate.arg(token.key()).arg("-w").arg(token.provider());
        assert!(generate.status().unwrap().success(), "ssh-keygen");
        sshd.authorize(&fs::read_to_string(token.path("key.pub")).unwrap());
        token
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn key(&self) -> PathBuf {
        self.path("key")
    }

    fn provider(&self) -> PathBuf {
        self.path("token.so")
    }

    /// `outlast` on a terminal, on a computer with that token.
    fn on_pty(&self, machine: &ClientMachine, args: &[&str]) -> OnPty {
        let mut outlast = command(machine, args);
        OnPty::start(outlast.env("OUTLAST_TEST_TOUCH", self.touch.path()))
    }
}

fn machine(sshd: &Sshd, lines: &str) -> ClientMachine {
    let machine = ClientMachine::new();
    machine.host("server", sshd).unauthorized().add();
    machine.configure(&format!("Host server\n  IdentityFile none\n  {lines}\n"));
    machine
}

#[test]
fn by_ssh_the_key_file_wants_a_touch_and_says_so() {
    let sshd = Sshd::start();
    let token = Token::make(&sshd);
    let (key, provider) = (token.key(), token.provider());
    let lines = format!(
        "IdentityFile {}\n  IdentitiesOnly yes\n  SecurityKeyProvider {}",
        key.display(),
        provider.display()
    );
    let machine = machine(&sshd, &lines);
    // The first `IdentityFile none` would leave the other out.
    let config = fs::read_to_string(machine.config()).unwrap();
    fs::write(
        machine.config(),
        config.replacen("  IdentityFile none\n", "", 1),
    )
    .unwrap();
    machine.set_transport("openssh");
    let terminal = token.on_pty(&machine, &["new", "server", "-n", "job"]);
    terminal
        .expect("server: ")
        .expect("Confirm user presence for key ED25519-SK SHA256:");
    assert_eq!(sshd.hosts(), [], "nobody has touched it yet");
    token.touch.open();
    terminal.wait().success().stdout_has("Opened");
    let shown = run(&machine, &["get", "-v"]);
    shown.success().stdout_has("ED25519-SK SHA256:");
    // Natively such a file has no use, and what has one is said.
    if !transport::is_openssh() {
        let output = run(&machine, &["new", "server", "--transport", "native"]);
        one_error(&output, 255, &["ED25519-SK"], "ssh-add");
    }
    run(&machine, &["remove", "job"]).success();
}

/// An agent that knows the token.
struct Agent {
    process: Child,
}

impl Agent {
    fn start(token: &Token, socket: &Path) -> Self {
        let mut process = Command::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(socket)
            .arg("-P")
            .arg(token.provider())
            .env("OUTLAST_TEST_TOUCH", token.touch.path())
            // It would show its own notice somewhere.
            .env("SSH_ASKPASS", "/bin/false")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It says where it listens when it does.
        let output = process.stdout.as_mut().unwrap();
        output.read_exact(&mut [0; 1]).unwrap();
        let mut add = Command::new("ssh-add");
        add.args(["-q", "-S"])
            .arg(token.provider())
            .arg(token.key());
        let added = add.env("SSH_AUTH_SOCK", socket).output().unwrap();
        assert!(added.status.success(), "{added:?}");
        Self { process }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn through_the_agent_it_lets_in_when_it_is_touched() {
    let sshd = Sshd::start();
    let token = Token::make(&sshd);
    let socket = token.path("agent");
    let _agent = Agent::start(&token, &socket);
    let lines = format!("IdentitiesOnly no\n  IdentityAgent {}", socket.display());
    let machine = machine(&sshd, &lines);
    let terminal = token.on_pty(&machine, &["new", "server", "-n", "job"]);
    // sshd has said that it would take the key, and waits for a signature.
    sshd.wait_log("Accepted key ED25519-SK");
    assert_eq!(sshd.hosts(), [], "nobody has touched it yet");
    token.touch.open();
    terminal.wait().success().stdout_has("Opened");
    let shown = run(&machine, &["get", "-v"]);
    shown.success().stdout_has("ED25519-SK SHA256:");
    run(&machine, &["remove", "job"]).success();
}
