//! A real OpenSSH server on a loopback address, with its own keys and a home of its own.

mod home;
mod login;
mod settings;
mod sudoer;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use crate::client::generate_key;
use crate::failpoint::Failpoint;
use crate::failure::show_if_failing;
use crate::leftovers;
use crate::process::{self, Process};
use crate::transcript::Transcript;

pub use home::{Home, NOISE};
pub use settings::{Builder, Subsystem};
pub use sudoer::Sudoer;

/// Killed when dropped, with every connection and every session that was made through it.
pub struct Sshd {
    settings: Builder,
    address: SocketAddr,
    home: Home,
    listener: Child,
    log: Transcript,
    directory: tempfile::TempDir,
}

impl Sshd {
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// On 127.0.0.1, with the built `outlast-subsystem`.
    pub fn start() -> Self {
        Self::builder().start()
    }

    fn start_with(settings: Builder) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("outlast-sshd.")
            .tempdir()
            .unwrap();
        let home = Home::create(directory.path(), &settings);
        fs::create_dir(directory.path().join("sessions")).unwrap();
        home::make_private(&directory.path().join("sessions"));
        fs::write(directory.path().join("authorized_keys"), "").unwrap();
        generate_key(&directory.path().join("host_key"));
        // Somebody else may take the port between our finding it and sshd's binding it.
        for _ in 0..10 {
            let address = free_address(&settings.address);
            match listen(directory.path(), &settings, &home, address) {
                Ok((listener, log)) => {
                    return Self {
                        settings,
                        address,
                        home,
                        listener,
                        log,
                        directory,
                    };
                }
                Err(log) if log.contains("already in use") => {}
                Err(log) => panic!("sshd does not start:\n{log}"),
            }
        }
        panic!("ten free ports in a row were taken by others");
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The home directory of this server's sessions, as the test sees it.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// `true` when the sessions cannot even see the real home: see [`Home`].
    pub fn hides_real_home(&self) -> bool {
        self.home.is_mounted()
    }

    /// `OUTLAST_SESSION_DIR` of this server's sessions.
    pub fn session_dir(&self) -> PathBuf {
        self.settings.session_dir(self.directory.path())
    }

    /// Stops whichever relay or host comes by a place.
    #[track_caller]
    pub fn failpoint(&self, name: &str) -> Failpoint {
        Failpoint::set(&self.directory.path().join("failpoints"), name)
    }

    /// Accepts one more public key.
    pub fn authorize(&self, public_key: &str) {
        let path = self.directory.path().join("authorized_keys");
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        writeln!(file, "{}", public_key.trim_end()).unwrap();
    }

    /// Accepts these keys and no others; those it accepted before.
    pub fn replace_authorized(&self, keys: &str) -> String {
        let path = self.directory.path().join("authorized_keys");
        let before = fs::read_to_string(&path).unwrap();
        fs::write(path, keys).unwrap();
        before
    }

    /// The line of a client that knows this server under `address`.
    pub fn known_hosts_line(&self, address: SocketAddr) -> String {
        let key = fs::read_to_string(self.directory.path().join("host_key.pub")).unwrap();
        let words: Vec<&str> = key.split_whitespace().take(2).collect();
        format!("[{}]:{} {}", address.ip(), address.port(), words.join(" "))
    }

    /// The next line of sshd's own log that contains `wanted`.
    #[track_caller]
    pub fn wait_log(&self, wanted: &str) -> String {
        self.log.wait_line(wanted)
    }

    /// All that sshd has logged.
    pub fn log_text(&self) -> String {
        self.log.text()
    }

    /// The process that listens.
    pub fn listener(&self) -> u32 {
        self.listener.id()
    }

    /// One process per connection, and more while one is authenticating.
    pub fn connections(&self) -> Vec<Process> {
        let mut found = process::descendants_of(self.listener.id());
        // sshd, or sshd-session since 9.8; not the relays and shells below them.
        found.retain(|process| process::name_of(process.pid).starts_with("sshd"));
        found
    }

    /// The relays of this server's channels.
    pub fn relays(&self) -> Vec<Process> {
        let mut found = process::descendants_of(self.listener.id());
        found.retain(|process| is_subsystem(process, false));
        found
    }

    /// The detached processes that hold this server's sessions.
    pub fn hosts(&self) -> Vec<Process> {
        let mut found = process::with_environment("OUTLAST_SESSION_DIR", &self.session_dir());
        found.retain(|process| is_subsystem(process, true));
        found
    }

    /// kill -9 of every connection's process: the link is gone, and no one said goodbye.
    pub fn kill_connections(&self) {
        kill_all(&self.connections());
    }

    pub fn kill_relays(&self) {
        kill_all(&self.relays());
    }

    /// Refuses new connections; existing ones go on.
    pub fn stop_listening(&mut self) {
        let _ = self.listener.kill();
        let _ = self.listener.wait();
    }

    /// Listens on the same port again.
    pub fn listen_again(&mut self) {
        self.stop_listening();
        match listen(
            self.directory.path(),
            &self.settings,
            &self.home,
            self.address,
        ) {
            Ok((listener, log)) => (self.listener, self.log) = (listener, log),
            Err(log) => panic!("sshd does not start again:\n{log}"),
        }
    }

    /// The same address with another host key: a reinstalled server, or an impostor.
    pub fn regenerate_host_key(&mut self) {
        let key = self.directory.path().join("host_key");
        fs::remove_file(&key).unwrap();
        fs::remove_file(key.with_extension("pub")).unwrap();
        generate_key(&key);
        self.listen_again();
    }

    /// Waits until no process, socket, or file of a session is left.
    #[track_caller]
    pub fn wait_nothing_left(&self) {
        leftovers::wait_none_below(&self.session_dir());
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        for process in process::descendants_of(self.listener.id()) {
            process::kill9(process.pid);
        }
        self.stop_listening();
        for process in process::with_environment("OUTLAST_SESSION_DIR", &self.session_dir()) {
            process::kill9(process.pid);
        }
        show_if_failing(&format!("sshd on {}", self.address), || self.log.text());
    }
}

/// Starts the listening process, or says why it has ended.
fn listen(
    directory: &Path,
    settings: &Builder,
    home: &Home,
    address: SocketAddr,
) -> Result<(Child, Transcript), String> {
    let config = directory.join("sshd_config");
    fs::write(&config, settings.config(directory, home, address)).unwrap();
    let mut listener = home
        .command(settings.binary().as_deref())
        .envs(settings.daemon.iter().map(|(name, value)| (name, value)))
        .args(["/usr/sbin/sshd", "-D", "-e", "-f"])
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("sshd comes with openssh-server: run `cargo xtask test`");
    if let Some(group) = &settings.control_group {
        fs::write(group.join("cgroup.procs"), listener.id().to_string()).unwrap();
    }
    let stderr = listener.stderr.take().expect("piped above");
    let log = Transcript::of(format!("log of sshd on {address}"), stderr);
    if log.wait_line_or_end("Server listening on").is_some() {
        return Ok((listener, log));
    }
    let _ = listener.wait();
    Err(log.text())
}

fn free_address(ip: &str) -> SocketAddr {
    TcpListener::bind((ip, 0))
        .and_then(|listener| listener.local_addr())
        .expect("loopback")
}

fn is_subsystem(process: &Process, is_host: bool) -> bool {
    let mut words = process.command.split(' ');
    words
        .next()
        .is_some_and(|word| word.ends_with("outlast-subsystem"))
        && (words.next() == Some("host")) == is_host
}

fn kill_all(processes: &[Process]) {
    for process in processes {
        process::kill9(process.pid);
    }
    for process in processes {
        process::wait_gone(process.pid);
    }
}
