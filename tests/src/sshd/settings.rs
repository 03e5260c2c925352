//! How a server is to be: the builder, and the configuration file it becomes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::login::Login;
use super::{Home, Sshd};
use crate::binaries;

/// What `ssh -s HOST outlast` finds.
#[derive(Clone, Debug, Default)]
pub enum Subsystem {
    /// The built `outlast-subsystem`.
    #[default]
    Built,
    /// The one of another version, see [`binaries::old_outlast_subsystem`].
    Old,
    /// Not configured, but the binary is in the PATH of sessions.
    OnlyInPath,
    /// Neither configured nor in the PATH.
    Absent,
    /// Any other command.
    Command(String),
}

#[derive(Clone)]
pub struct Builder {
    pub(super) address: String,
    pub(super) bashrc: Option<String>,
    subsystem: Subsystem,
    options: String,
    pub(super) may_mount: bool,
    max_sessions: u32,
    session_dir: Option<PathBuf>,
    extra: Vec<String>,
    environment: Vec<(String, String)>,
    pub(super) sudoer: bool,
    pub(super) login: Option<Login>,
    pub(super) daemon: Vec<(String, String)>,
    pub(super) covers: Vec<(PathBuf, PathBuf)>,
    pub(super) control_group: Option<PathBuf>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            address: "127.0.0.1".to_owned(),
            bashrc: None,
            subsystem: Subsystem::default(),
            options: String::new(),
            may_mount: true,
            max_sessions: 10,
            session_dir: None,
            extra: Vec::new(),
            environment: Vec::new(),
            sudoer: false,
            login: None,
            daemon: Vec::new(),
            covers: Vec::new(),
            control_group: None,
        }
    }
}

impl Builder {
    /// 127.0.0.2, .3, .4 are three hosts.
    pub fn address(mut self, ip: &str) -> Self {
        ip.clone_into(&mut self.address);
        self
    }

    pub fn subsystem(mut self, subsystem: Subsystem) -> Self {
        self.subsystem = subsystem;
        self
    }

    /// Gives the subsystem options, as an administrator does.
    pub fn options(mut self, options: &str) -> Self {
        options.clone_into(&mut self.options);
        self
    }

    pub fn max_sessions(mut self, count: u32) -> Self {
        self.max_sessions = count;
        self
    }

    /// Has its sessions where another server has them: the same computer, with another relay.
    pub fn sessions_of(mut self, other: &Sshd) -> Self {
        self.session_dir = Some(other.session_dir());
        self
    }

    /// Replaces the noisy `.bashrc`.
    pub fn bashrc(mut self, text: &str) -> Self {
        self.bashrc = Some(text.to_owned());
        self
    }

    /// Gives sessions their home as it is done without root: by `SetEnv HOME=` alone.
    pub fn without_mounts(mut self) -> Self {
        self.may_mount = false;
        self
    }

    /// One more line of configuration, before ours: the first value of an option holds.
    pub fn extra(mut self, line: &str) -> Self {
        self.extra.push(line.to_owned());
        self
    }

    /// One more variable in the environment of relays and hosts.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Has a user who may use sudo: see [`super::Sudoer`]. Needs mounts.
    pub fn sudoer(mut self) -> Self {
        self.sudoer = true;
        self
    }

    /// Lets the account of the tests in by a password, which sshd asks for. Needs mounts.
    pub fn password(mut self, password: &str) -> Self {
        self.login = Some(Login::by_password(password));
        self
    }

    /// Lets it in by a password and a one-time code, which PAM asks for one after the other; the
    /// secret of the codes is in base32. Needs mounts.
    pub fn two_steps(mut self, password: &str, secret: &str) -> Self {
        self.login = Some(Login::in_two_steps(password, secret));
        self
    }

    /// One more variable in the environment of sshd itself.
    pub fn daemon(mut self, name: &str, value: &str) -> Self {
        self.daemon.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Has a file or directory lie over another, for sshd and its sessions. Needs mounts.
    pub fn cover(mut self, file: &Path, place: &Path) -> Self {
        self.covers.push((file.to_owned(), place.to_owned()));
        self
    }

    /// Runs in that control group, with everything that it starts.
    pub fn control_group(mut self, directory: &Path) -> Self {
        self.control_group = Some(directory.to_owned());
        self
    }

    pub fn start(self) -> Sshd {
        Sshd::start_with(self)
    }

    /// `OUTLAST_SESSION_DIR` of a server with that directory.
    pub(super) fn session_dir(&self, directory: &Path) -> PathBuf {
        let own = || directory.join("sessions");
        self.session_dir.clone().unwrap_or_else(own)
    }

    /// The binary that has to be reachable inside the sessions.
    pub(super) fn binary(&self) -> Option<PathBuf> {
        match self.subsystem {
            Subsystem::Built | Subsystem::OnlyInPath => Some(binaries::outlast_subsystem()),
            Subsystem::Old => Some(binaries::old_outlast_subsystem()),
            Subsystem::Absent | Subsystem::Command(_) => None,
        }
    }

    pub(super) fn config(&self, directory: &Path, home: &Home, address: SocketAddr) -> String {
        let mut lines = self.extra.clone();
        let login = self.login.iter().flat_map(Login::lines);
        lines.extend(login.map(str::to_owned));
        let here = directory.display();
        lines.extend([
            format!("ListenAddress {}", address.ip()),
            format!("Port {}", address.port()),
            format!("HostKey {here}/host_key"),
            format!("AuthorizedKeysFile {here}/authorized_keys"),
            format!("MaxSessions {}", self.max_sessions),
            self.set_env(directory, home),
        ]);
        let fixed = [
            "KbdInteractiveAuthentication no",
            "LogLevel VERBOSE",
            "PasswordAuthentication no",
            "PermitRootLogin yes",
            "PidFile none",
            "PrintMotd no",
            "StrictModes no",
            "UseDNS no",
            "UsePAM no",
        ];
        lines.extend(fixed.map(str::to_owned));
        match &self.subsystem {
            Subsystem::Built | Subsystem::Old => {
                let (subsystem, options) = (home.subsystem(), &self.options);
                lines.push(format!(
                    "Subsystem outlast {} {options}",
                    subsystem.display()
                ));
            }
            Subsystem::Command(command) => lines.push(format!("Subsystem outlast {command}")),
            Subsystem::OnlyInPath | Subsystem::Absent => {}
        }
        lines.join("\n") + "\n"
    }

    /// One line: sshd takes only the first `SetEnv`.
    fn set_env(&self, directory: &Path, home: &Home) -> String {
        let mut line = format!(
            "SetEnv OUTLAST_SESSION_DIR={} OUTLAST_FAILPOINTS={}/failpoints",
            self.session_dir(directory).display(),
            directory.display()
        );
        for (name, value) in &self.environment {
            line.push_str(&format!(" {name}={value}"));
        }
        if !home.is_mounted() {
            line.push_str(&format!(" HOME={}", home.path().display()));
        }
        if matches!(self.subsystem, Subsystem::OnlyInPath)
            && let Some(bin) = home.subsystem().parent()
        {
            line.push_str(&format!(
                " PATH={}:/usr/local/bin:/usr/bin:/bin",
                bin.display()
            ));
        }
        line
    }
}
