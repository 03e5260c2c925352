//! A host process as a transient service of the user's own systemd: it is in no login, so that no
//! logout ends it. Without lingering the user's manager, and the service with it, goes at the last one.

use std::fs::File;
use std::io;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use outlast_protocol::session::INSTANCE_VARIABLE;
use outlast_rendezvous::DirectoryError;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::audit::Settings;
use crate::registry::Entry;

/// How long the user's manager may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// The session's properties, for the host's standard input.
const REQUEST: &str = "request";
/// A FIFO for its standard output.
const REPORT: &str = "report";

/// Starts it, with those properties. None if there is no manager that would: nothing has been started.
pub(super) fn start(
    entry: &Entry,
    properties: &[u8],
    audit: &Settings,
) -> io::Result<Option<File>> {
    let started = try_start(entry, properties, audit);
    for name in [REQUEST, REPORT] {
        // The host has opened both by now, or never will.
        let _ = std::fs::remove_file(entry.directory().path().join(name));
    }
    started
}

fn try_start(entry: &Entry, properties: &[u8], audit: &Settings) -> io::Result<Option<File>> {
    use std::io::Write as _;
    let file = |error: DirectoryError| io::Error::other(error.to_string());
    let place = entry.directory();
    let mut request = place.create_file(REQUEST).map_err(file)?;
    request.write_all(properties)?;
    let report = place.path().join(REPORT);
    rustix::fs::mkfifoat(CWD, &report, Mode::RUSR | Mode::WUSR)?;
    // Opened at once, whether or not anybody writes yet.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let reading = rustix::fs::open(&report, flags, Mode::empty())?;
    let Ok(mut asking) = command(entry, audit)?.spawn() else {
        return Ok(None);
    };
    if !wait(&mut asking)?.success() {
        return Ok(None);
    }
    rustix::fs::fcntl_setfl(&reading, OFlags::empty())?;
    Ok(Some(reading.into()))
}

/// `systemd-run` ends when the service has begun to run, or does not.
fn command(entry: &Entry, audit: &Settings) -> io::Result<Command> {
    let place = entry.directory().path();
    let instance = entry.instance();
    let mut command = Command::new("systemd-run");
    command
        .args(["--user", "--quiet", "--collect", "--service-type=exec"])
        .arg(format!("--unit=outlast-{instance}"))
        .arg(format!("--property=UMask={:04o}", umask().bits()))
        .arg("--same-dir");
    for (stream, how, name) in [
        ("Input", "file", REQUEST),
        ("Output", "file", REPORT),
        ("Error", "append", "host.log"),
    ] {
        let file = place.join(name);
        command.arg(format!(
            "--property=Standard{stream}={how}:{}",
            file.display()
        ));
    }
    // By name only: arguments can be read by everybody.
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in names.filter(|name| name != INSTANCE_VARIABLE) {
        command.arg(format!("--setenv={name}"));
    }
    command
        .arg("--")
        .arg(std::env::current_exe()?)
        .arg("host")
        .arg(instance.to_string())
        .arg(place)
        .args(audit.options())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Ok(command)
}

/// That of the login: a service has another.
fn umask() -> Mode {
    let own = rustix::process::umask(Mode::empty());
    rustix::process::umask(own);
    own
}

fn wait(asking: &mut Child) -> io::Result<ExitStatus> {
    let pidfd = pidfd_open(Pid::from_child(asking), PidfdFlags::empty())?;
    let patience = Timespec::try_from(PATIENCE).map_err(io::Error::other)?;
    loop {
        match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&patience)) {
            Ok(0) => {
                let _ = asking.kill();
                let _ = asking.wait();
                let seconds = PATIENCE.as_secs();
                let said = format!("the user's systemd has not answered within {seconds} s");
                return Err(io::Error::new(io::ErrorKind::TimedOut, said));
            }
            Ok(_) => return asking.wait(),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
