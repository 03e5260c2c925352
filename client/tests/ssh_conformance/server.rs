//! An sshd of one's own: its directory, keys, port, and the configuration that leads to it.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use outlast::ssh::{Environment, HostConfig, SshOptions, resolve};

/// Long enough for a loaded machine; nothing waits this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Server {
    directory: tempfile::TempDir,
    sshd: Child,
    log: Log,
    pub(crate) port: u16,
}

pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output();
    let output = output.unwrap_or_else(|error| panic!("{program} is needed here: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn keygen(arguments: &[&str]) {
    run("ssh-keygen", &[&["-q"], arguments].concat());
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

impl Server {
    /// Starts an sshd with these lines in its configuration; `@D` is its directory.
    pub(crate) fn start(lines: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).display().to_string();
        for name in ["host", "user", "hostca"] {
            keygen(&["-t", "ed25519", "-N", "", "-C", name, "-f", &path(name)]);
        }
        let certify = [
            "-s",
            &path("hostca"),
            "-I",
            "host",
            "-h",
            "-n",
            "127.0.0.1,127.0.0.9",
        ];
        keygen(&[&certify[..], &[&path("host.pub")]].concat());
        std::fs::copy(path("user.pub"), path("authorized")).unwrap();
        // sshd as root insists on it.
        let _ = std::fs::create_dir_all("/run/sshd");
        // A port found free may be taken by the next test before sshd has it: then another.
        for _ in 0..20 {
            let port = free_port();
            let config = format!(
                "{}Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\n\
                 UsePAM no\nStrictModes no\nPidFile none\nPasswordAuthentication no\n\
                 KbdInteractiveAuthentication no\nPermitRootLogin yes\nMaxStartups 100\n\
                 Subsystem echo cat\n",
                lines.replace("@D", &directory.path().display().to_string()),
                path("host"),
                path("authorized"),
            );
            std::fs::write(path("sshd_config"), config).unwrap();
            let mut sshd = Command::new("/usr/sbin/sshd")
                .args(["-D", "-e", "-f", &path("sshd_config")])
                .stdin(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .expect("this test needs /usr/sbin/sshd: install the package openssh-server");
            if let Some(log) = listens(&mut sshd) {
                let server = Self {
                    directory,
                    sshd,
                    log,
                    port,
                };
                std::fs::write(server.path("known"), server.known_line(&server)).unwrap();
                return server;
            }
            sshd.kill().unwrap();
            sshd.wait().unwrap();
        }
        panic!(
            "sshd does not start: {}",
            std::fs::read_to_string(path("sshd_config")).unwrap()
        );
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The fingerprint of a public key of this directory.
    pub(crate) fn fingerprint(&self, public: &str) -> String {
        let line = run("ssh-keygen", &["-lf", self.path(public).to_str().unwrap()]);
        line.split(' ').nth(1).unwrap().to_owned()
    }

    /// What sshd has said so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until sshd has said that many times what is wanted, behind its first `from` bytes.
    pub(crate) async fn wait_log(&self, from: usize, wanted: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = self.log();
            let news = log.get(from..).unwrap_or_default();
            if news.contains(wanted) {
                return news.to_owned();
            }
            assert!(Instant::now() < deadline, "no `{wanted}` in\n{news}");
            tokio::task::yield_now().await;
        }
    }

    /// Allows a public key of this directory in.
    pub(crate) fn authorise(&self, public: &str) {
        std::fs::copy(self.path(public), self.path("authorized")).unwrap();
    }

    pub(crate) fn authorise_from(&self, other: &Self) {
        std::fs::copy(other.path("user.pub"), self.path("authorized")).unwrap();
    }

    /// A known_hosts line that records `other`'s key for this server.
    pub(crate) fn known_line(&self, other: &Self) -> String {
        let key = std::fs::read_to_string(other.path("host.pub")).unwrap();
        format!("[127.0.0.1]:{} {key}", self.port)
    }

    /// The lines of a `Host` block that leads here with the key of `owner`.
    pub(crate) fn lines(&self, owner: &Self) -> String {
        let known = self.path("known");
        format!(
            "  HostName 127.0.0.1\n  Port {}\n  User root\n  IdentityFile {}\n  \
             UserKnownHostsFile {}\n  IdentityAgent none\n  IdentitiesOnly yes\n",
            self.port,
            owner.path("user").display(),
            known.display(),
        )
    }

    pub(crate) fn environment(&self) -> Environment {
        let mut environment = Environment::of_process();
        environment.home = self.directory.path().to_path_buf();
        environment.system_config = self.path("absent");
        environment.variables.remove("SSH_AUTH_SOCK");
        environment
    }

    /// A configuration that leads here, where `lines` win.
    pub(crate) fn config(&self, lines: &str) -> HostConfig {
        let known = self.path("known");
        let identity = match lines.contains("IdentityFile") {
            true => String::new(),
            false => format!("IdentityFile {}\n", self.path("user").display()),
        };
        let text = format!(
            "{lines}{identity}HostName 127.0.0.1\nPort {}\nUser root\nUserKnownHostsFile {}\n\
             GlobalKnownHostsFile none\nConnectTimeout 60\n",
            self.port,
            known.display(),
        );
        self.resolve("here", &text, &self.environment())
    }

    /// The same, read in that environment.
    pub(crate) fn config_in(&self, lines: &str, environment: &Environment) -> HostConfig {
        // Only the first value of each holds.
        self.config(lines);
        let text = std::fs::read_to_string(self.path("config")).unwrap();
        self.resolve("here", &text, environment)
    }

    /// A configuration for `host`, where `hosts` has the blocks for the way.
    pub(crate) fn config_for(
        &self,
        host: &str,
        hosts: &str,
        environment: &Environment,
    ) -> HostConfig {
        let text = format!("{hosts}Host *\n{}", self.lines(self));
        self.resolve(host, &text, environment)
    }

    fn resolve(&self, host: &str, text: &str, environment: &Environment) -> HostConfig {
        std::fs::write(self.path("config"), text).unwrap();
        let config_file = Some(self.path("config"));
        let options = SshOptions {
            config_file,
            ..SshOptions::default()
        };
        resolve(&host.parse().unwrap(), &options, environment).unwrap()
    }
}

type Log = Arc<Mutex<String>>;

/// Waits for sshd's word that it listens, and then keeps what it says.
fn listens(sshd: &mut Child) -> Option<Log> {
    let mut messages = BufReader::new(sshd.stderr.take().unwrap());
    let mut line = String::new();
    while messages.read_line(&mut line).unwrap() > 0 {
        if line.contains("Server listening") {
            let log = Log::default();
            let kept = Arc::clone(&log);
            std::thread::spawn(move || {
                let mut line = Vec::new();
                while messages
                    .read_until(b'\n', &mut line)
                    .is_ok_and(|read| read > 0)
                {
                    kept.lock()
                        .unwrap()
                        .push_str(&String::from_utf8_lossy(&line));
                    line.clear();
                }
            });
            return Some(log);
        }
        line.clear();
    }
    None
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
    }
}

pub(crate) struct Agent {
    process: Child,
    pub(crate) socket: PathBuf,
}

impl Agent {
    pub(crate) fn start(server: &Server) -> Self {
        let socket = server.path("agent.sock");
        let mut process = Command::new("ssh-agent")
            .args(["-D", "-a", socket.to_str().unwrap()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test needs ssh-agent");
        // It prints its socket once it listens.
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Self { process, socket }
    }

    /// What it has, as ssh-add shows it.
    pub(crate) fn list(&self) -> String {
        String::from_utf8(self.ssh_add(&["-l"]).stdout).unwrap()
    }

    /// Makes it empty.
    pub(crate) fn forget(&self) {
        assert!(self.ssh_add(&["-q", "-D"]).status.success());
    }

    fn ssh_add(&self, arguments: &[&str]) -> std::process::Output {
        let mut add = Command::new("ssh-add");
        add.args(arguments).env("SSH_AUTH_SOCK", &self.socket);
        add.output().unwrap()
    }

    pub(crate) fn add(&self, key: &Path) {
        let mut add = Command::new("ssh-add");
        add.arg("-q").arg(key).env("SSH_AUTH_SOCK", &self.socket);
        assert!(add.status().unwrap().success());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
