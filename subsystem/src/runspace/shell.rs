//! The shell process: its end is an event of its pidfd, its real status is kept.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command};

use outlast_protocol::outcome::ExitStatus;
use rustix::process::{Pid, PidfdFlags};
use tokio::io::{Interest, unix::AsyncFd};

use super::engine::{Engine, Launch};
use super::error::OpenFailure;
use super::spec::RunspaceSpec;
use crate::sys::{readiness, spawn};

pub(super) struct Shell {
    child: Child,
    pidfd: AsyncFd<OwnedFd>,
    ended: Option<ExitStatus>,
}

impl Shell {
    pub(super) fn spawn(
        spec: &RunspaceSpec,
        engine: &dyn Engine,
        launch: &Launch,
        terminal: OwnedFd,
    ) -> Result<Self, OpenFailure> {
        let mut command = Command::new(engine.program());
        command
            .args(&launch.arguments)
            .env_clear()
            .envs(launch.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&spec.working_directory);
        let mut child =
            spawn::on_terminal(&mut command, terminal, spec.umask).map_err(|source| {
                if source.kind() == io::ErrorKind::NotFound && spec.working_directory.is_dir() {
                    return OpenFailure::Missing {
                        shell: engine.program(),
                        package: engine.package(),
                    };
                }
                OpenFailure::Spawn {
                    shell: engine.program(),
                    source,
                }
            })?;
        match watch(&child) {
            Ok(pidfd) => Ok(Self {
                child,
                pidfd,
                ended: None,
            }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(OpenFailure::Watch(error))
            }
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Waits for its end. Cancel-safe, and ready at once ever after.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.ended {
                return Ok(status);
            }
            let _ready = self.pidfd.readable().await?;
            self.ended = self.child.try_wait()?.map(exit_status);
        }
    }
}

fn watch(child: &Child) -> io::Result<AsyncFd<OwnedFd>> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or(io::ErrorKind::InvalidInput)?;
    readiness::watch(
        rustix::process::pidfd_open(pid, PidfdFlags::NONBLOCK)?,
        Interest::READABLE,
    )
}

fn exit_status(status: std::process::ExitStatus) -> ExitStatus {
    let byte = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
    match (status.code(), status.signal()) {
        (Some(code), _) => ExitStatus::Code(byte(code)),
        (None, signal) => ExitStatus::Signal(byte(signal.unwrap_or_default())),
    }
}
