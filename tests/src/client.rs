//! A client machine: everything one computer's user has, in one temporary home.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::account::Account;
use crate::binaries;
use crate::deadline::Deadline;
use crate::failpoint::Failpoint;
use crate::failure::show_if_failing;
use crate::host_entry::HostEntry;
use crate::output::Output;
use crate::process;
use crate::pty::OnPty;
use crate::running::Running;
use crate::sshd::Sshd;
use crate::transport;

/// `HOME` and `OUTLAST_HOME` are its own, so two values on one computer are two machines to
/// Outlast. The mux is stopped, and whatever is left of it killed, on drop.
pub struct ClientMachine {
    directory: tempfile::TempDir,
    account: Account,
    program: PathBuf,
}

impl ClientMachine {
    #[expect(
        clippy::new_without_default,
        reason = "a machine with keys is no default"
    )]
    pub fn new() -> Self {
        let directory = tempfile::Builder::new()
            .prefix("outlast-client.")
            .tempdir()
            .unwrap();
        let machine = Self {
            directory,
            account: Account::current(),
            program: binaries::outlast(),
        };
        fs::DirBuilder::new()
            .mode(0o700)
            .create(machine.home().join(".ssh"))
            .unwrap();
        generate_key(&machine.identity());
        machine.append(".ssh/known_hosts", "");
        if transport::is_openssh() {
            machine.set_transport("openssh");
        }
        machine.configure(&format!(
            "IdentityFile {}\nIdentitiesOnly yes\nUserKnownHostsFile {}\n\
             GlobalKnownHostsFile /dev/null\nUser {}\n",
            machine.identity().display(),
            machine.home().join(".ssh/known_hosts").display(),
            machine.account.name,
        ));
        machine
    }

    /// Has everything reached by that transport unless a test says otherwise.
    pub fn set_transport(&self, transport: &str) {
        fs::create_dir_all(self.outlast_home()).unwrap();
        let section = format!("[host.\"*\"]\ntransport = \"{transport}\"\n");
        fs::write(self.outlast_home().join("config.toml"), section).unwrap();
        transport::redirect_ssh(&self.programs(), &self.config());
    }

    /// What this machine has before everything else on its PATH.
    pub fn programs(&self) -> PathBuf {
        self.home().join("bin")
    }

    /// A machine that already knows `sshd` as `alias`.
    pub fn knowing(alias: &str, sshd: &Sshd) -> Self {
        let machine = Self::new();
        machine.host(alias, sshd).add();
        machine
    }

    /// The machine has another version of `outlast`.
    pub fn with_program(mut self, program: PathBuf) -> Self {
        self.program = program;
        self
    }

    /// Begins to describe a host to this machine; ends with [`HostEntry::add`].
    pub fn host<'a>(&'a self, alias: &str, sshd: &'a Sshd) -> HostEntry<'a> {
        HostEntry::new(self, alias, sshd)
    }

    /// Runs `outlast` to its end, with nothing on stdin.
    #[track_caller]
    pub fn outlast<S: AsRef<OsStr>>(&self, args: &[S]) -> Output {
        let mut running = self.spawn(args);
        running.close_stdin();
        running.wait()
    }

    /// Runs `outlast` to its end with these bytes on stdin.
    #[track_caller]
    pub fn outlast_with_stdin<S: AsRef<OsStr>>(&self, args: &[S], stdin: &[u8]) -> Output {
        let mut running = self.spawn(args);
        running.feed(stdin.to_vec());
        running.wait()
    }

    /// Starts `outlast` with pipes on all three descriptors.
    pub fn spawn<S: AsRef<OsStr>>(&self, args: &[S]) -> Running {
        Running::start(&mut self.command(&self.program, args))
    }

    /// Starts `outlast` on a terminal.
    pub fn on_pty<S: AsRef<OsStr>>(&self, args: &[S]) -> OnPty {
        OnPty::start(&self.command(&self.program, args))
    }

    /// Starts `outlast` on a terminal of so many rows and columns.
    pub fn on_pty_of<S: AsRef<OsStr>>(&self, args: &[S], rows: u16, columns: u16) -> OnPty {
        OnPty::start_at(&self.command(&self.program, args), rows, columns)
    }

    /// OpenSSH's client with this machine's configuration: the yardstick.
    pub fn ssh<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        // `-F`: ssh looks for its files in the password database's home, not in $HOME.
        let mut command = self.command(Path::new("ssh"), &[OsStr::new("-F")]);
        command.arg(self.config()).args(args);
        command
    }

    /// Any program in this machine's environment, and nothing of the test's own.
    pub fn command<S: AsRef<OsStr>>(&self, program: &Path, args: &[S]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(self.home())
            .env_clear()
            .env("HOME", self.home())
            .env("OUTLAST_HOME", self.outlast_home())
            .env("LOGNAME", &self.account.name)
            .env("USER", &self.account.name)
            .env("SHELL", &self.account.shell)
            .env("PATH", self.path())
            .env("LANG", "C.UTF-8")
            .env("TERM", "xterm-256color")
            .env("OUTLAST_FAILPOINTS", self.failpoints())
            .env("RUST_BACKTRACE", "1");
        command
    }

    fn path(&self) -> String {
        const SYSTEM: &str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
        format!("{}:{SYSTEM}", self.programs().display())
    }

    pub fn home(&self) -> &Path {
        self.directory.path()
    }

    pub fn outlast_home(&self) -> PathBuf {
        self.home().join("outlast")
    }

    pub fn config(&self) -> PathBuf {
        self.home().join(".ssh/config")
    }

    pub fn identity(&self) -> PathBuf {
        self.home().join(".ssh/id_ed25519")
    }

    pub fn public_key(&self) -> String {
        fs::read_to_string(self.identity().with_extension("pub")).expect("made with the key")
    }

    /// Puts lines before the ssh_config's own: the first value of an option holds in ssh.
    pub fn configure(&self, lines: &str) {
        let before = fs::read_to_string(self.config()).unwrap_or_default();
        fs::write(self.config(), format!("{lines}\nHost *\n{before}")).unwrap();
    }

    /// Appends to `known_hosts`.
    pub fn trust(&self, line: &str) {
        self.append(".ssh/known_hosts", &format!("{line}\n"));
    }

    /// Stops whichever command or mux of this machine, or host of a local session, comes by a place.
    #[track_caller]
    pub fn failpoint(&self, name: &str) -> Failpoint {
        Failpoint::set(&self.failpoints(), name)
    }

    fn failpoints(&self) -> PathBuf {
        self.home().join("failpoints")
    }

    /// Processes that run with this machine's `OUTLAST_HOME`: the mux, and running commands.
    pub fn processes(&self) -> Vec<process::Process> {
        process::with_environment("OUTLAST_HOME", &self.outlast_home())
    }

    /// The mux, as a process to be killed or measured.
    #[track_caller]
    pub fn mux_pid(&self) -> u32 {
        let found = self.processes();
        let mut muxes = found.iter().filter(|process| {
            let mut words = process.command.split(' ');
            words.next().is_some_and(|word| word.ends_with("outlast"))
                && words.next() == Some("mux")
        });
        match (muxes.next(), muxes.next()) {
            (Some(mux), None) => mux.pid,
            _ => panic!("expected exactly one mux among {found:#?}"),
        }
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(self.home().join(name))
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }
}

impl Drop for ClientMachine {
    fn drop(&mut self) {
        if !self.processes().is_empty()
            && let Ok(outlast) = binaries::find("outlast")
        {
            let mut stop = Running::start(&mut self.command(&outlast, &["mux", "stop"]));
            stop.close_stdin();
            // A mux that does not stop is killed below: a panic here would hide the test's own.
            stop.end_by(Deadline::after(Duration::from_secs(5)));
        }
        for process in self.processes() {
            show_if_failing("left running by a client machine", || {
                format!("{process:?}")
            });
            process::kill9(process.pid);
        }
    }
}

/// An ed25519 key pair without a passphrase.
pub(crate) fn generate_key(path: &Path) {
    let status = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "outlast-tests", "-f"])
        .arg(path)
        .status()
        .expect("ssh-keygen comes with openssh-client");
    assert!(status.success(), "ssh-keygen {}", path.display());
}
