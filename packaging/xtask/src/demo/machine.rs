//! A client machine of the demo: an `OUTLAST_HOME` and a prompt to type at.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::failure::{Context as _, Failure};

/// Far more than any step takes: a step that needs longer is stuck.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Machine {
    name: &'static str,
    outlast: PathBuf,
    home: PathBuf,
    config: Option<PathBuf>,
}

/// What a finished command has left.
pub(super) struct Said {
    pub(super) typed: String,
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Machine {
    pub(super) fn new(
        name: &'static str,
        outlast: &Path,
        directory: &Path,
    ) -> Result<Self, Failure> {
        let home = directory.join(name);
        fs::create_dir(&home).context("a client machine's directory")?;
        Ok(Self {
            name,
            outlast: outlast.to_owned(),
            home,
            config: None,
        })
    }

    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    pub(super) fn use_config(&mut self, config: &Path) {
        self.config = Some(config.to_owned());
    }

    /// `-F FILE` for the verbs that name a host; nothing for a real host.
    pub(super) fn config_option(&self) -> Vec<String> {
        let config = self.config.as_ref();
        config
            .map(|path| vec!["-F".into(), path.display().to_string()])
            .unwrap_or_default()
    }

    /// Types a command and shows it.
    pub(super) fn start(&self, words: &[String]) -> Result<(String, Child), Failure> {
        let typed = format!("outlast {}", quoted(words));
        println!("   {}$ {typed}", self.name);
        let child = self
            .command(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context(&typed)?;
        Ok((typed, child))
    }

    /// Types a command, waits for its end, and shows what it said.
    pub(super) fn run(&self, words: &[String]) -> Result<Said, Failure> {
        let (typed, mut child) = self.start(words)?;
        let stdout = reader(child.stdout.take());
        let stderr = reader(child.stderr.take());
        if !ends_in_time(&child) {
            let _ = child.kill();
            let _ = child.wait();
            let (out, err) = (join(stdout), join(stderr));
            return Err(Failure::new(format!(
                "`{typed}` has not ended within {PATIENCE:?}\nstdout:\n{out}\nstderr:\n{err}"
            )));
        }
        let code = child.wait().context(&typed)?.code();
        Ok(Said {
            typed,
            code,
            stdout: join(stdout),
            stderr: join(stderr),
        })
    }

    /// The machine loses power: nothing on it gets to say goodbye.
    pub(super) fn die(&self) {
        for pid in self.processes() {
            kill9(pid);
        }
    }

    /// Stops the mux by the command for it; what does not heed it is killed.
    pub(super) fn stop(&self) {
        if !self.processes().is_empty()
            && let Ok(mut child) = self.command(&["mux".into(), "stop".into()]).spawn()
            && ends_in_time(&child)
        {
            let _ = child.wait();
        }
        self.die();
    }

    fn processes(&self) -> Vec<u32> {
        with_environment("OUTLAST_HOME", &self.home)
    }

    fn command(&self, words: &[String]) -> Command {
        let mut command = Command::new(&self.outlast);
        command
            .args(words)
            .env("OUTLAST_HOME", &self.home)
            .stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

pub(super) fn user() -> Result<String, Failure> {
    let output = Command::new("id").arg("-un").output().context("id -un")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Processes whose environment has exactly `NAME=value`, except this one.
pub(super) fn with_environment(name: &str, value: &Path) -> Vec<u32> {
    let wanted = [name.as_bytes(), b"=", value.as_os_str().as_bytes()].concat();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let matching = pids.filter(|pid| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|pair| pair == wanted)
    });
    matching.filter(|pid| *pid != std::process::id()).collect()
}

pub(super) fn kill9(pid: u32) {
    if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
        // Gone in the meantime is as good.
        let _ = kill_process(pid, Signal::KILL);
    }
}

fn ends_in_time(child: &Child) -> bool {
    is_gone_in_time(child.id())
}

/// Waits for the end of any process of ours.
pub(super) fn is_gone_in_time(pid: u32) -> bool {
    let Some(pid) = Pid::from_raw(pid.cast_signed()) else {
        return true;
    };
    let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => pidfd,
        Err(error) => return error == Errno::SRCH,
    };
    let timeout = Timespec::try_from(PATIENCE).ok();
    poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], timeout.as_ref()).is_ok_and(|count| count > 0)
}

type Reader = Option<std::thread::JoinHandle<Vec<u8>>>;

fn reader(pipe: Option<impl std::io::Read + Send + 'static>) -> Reader {
    let mut pipe = pipe?;
    Some(std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    }))
}

fn join(reader: Reader) -> String {
    let bytes = reader
        .and_then(|reader| reader.join().ok())
        .unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// As one would type it.
fn quoted(words: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,".contains(c);
    let quoted = words.iter().map(|word| {
        if !word.is_empty() && word.chars().all(plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}
