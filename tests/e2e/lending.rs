//! What of the client's is lent to one command or visit: its SSH agent (`-A`), variables and
//! functions (`--env`, `--using`).

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use outlast_tests::Running;

use crate::stage::{Stage, command, one_error, run};

/// A real agent with one key.
pub(crate) struct Agent {
    process: Child,
    directory: tempfile::TempDir,
}

impl Agent {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("agent");
        let mut process = Command::new("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It says where it listens when it does.
        let output = process.stdout.as_mut().unwrap();
        output.read_exact(&mut [0; 1]).unwrap();
        let key = directory.path().join("key");
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "the lent key", "-f"])
            .arg(&key)
            .status();
        assert!(made.unwrap().success());
        let added = Command::new("ssh-add")
            .arg("-q")
            .arg(&key)
            .env("SSH_AUTH_SOCK", &socket)
            .status();
        assert!(added.unwrap().success());
        Self { process, directory }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("agent")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_command_signs_with_it_and_the_next_one_does_not() {
    let stage = Stage::set();
    stage.new_session("job");
    let agent = Agent::start();
    let lent = |args: &[&str]| {
        let mut outlast = command(&stage.machine, args);
        outlast.env("SSH_AUTH_SOCK", agent.socket());
        Running::start(&mut outlast).wait()
    };
    lent(&["invoke", "-n", "-A", "-s", "job", "ssh-add -l"])
        .success()
        .stdout_has("the lent key");
    // Without being asked nothing is lent, and nothing is left.
    let script = "echo ${SSH_AUTH_SOCK-none}; ssh-add -l 2>/dev/null || echo no agent";
    run(&stage.machine, &["invoke", "-n", "-s", "job", script])
        .success()
        .stdout_is("none\nno agent\n");
    stage.strike(vec![]);
}

#[test]
fn variables_and_functions_go_along_for_one_command() {
    let stage = Stage::set();
    stage.new_session("job");
    let machine = &stage.machine;
    let bytes = "a'b\"c $d `e`\n\\end ";
    let mut command = command(
        machine,
        &[
            "invoke",
            "-n",
            "-s",
            "job",
            "--env",
            "ONE=1 2",
            "--using",
            "TWO,greet",
            "greet \"$ONE\" \"$TWO\"",
        ],
    );
    command
        .env("TWO", bytes)
        .env("BASH_FUNC_greet%%", "() {  printf '<%s>' \"$@\"\n}");
    let mut running = Running::start(&mut command);
    running.close_stdin();
    running
        .wait()
        .success()
        .stdout_is(&format!("<1 2><{bytes}>"));
    run(
        machine,
        &[
            "invoke",
            "-n",
            "-s",
            "job",
            "echo \"[$ONE$TWO]\"; type -t greet",
        ],
    )
    .stdout_is("[]\n");
    let refused = run(
        machine,
        &["invoke", "-n", "-s", "job", "--using", "NO_SUCH", "true"],
    );
    one_error(&refused, 2, &["NO_SUCH"], "export");
    stage.strike(vec![]);
}
