//! What the demo needs before it begins: a host, two client machines, and cables between them.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::cutter::Cutter;
use super::machine::{self, Machine};
use super::{keys, server};
use crate::cargo;
use crate::failure::{Context as _, Failure};

/// Taken down, with everything that was started on it, when dropped.
pub(super) struct Stage {
    pub(super) host: String,
    pub(super) laptop: Machine,
    pub(super) desk: Machine,
    /// `None` when the host is a real one.
    pub(super) network: Option<Network>,
    directory: tempfile::TempDir,
}

/// The embedded server, and one cable to it for each client machine.
pub(super) struct Network {
    pub(super) laptop: Cutter,
    pub(super) desk: Cutter,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Stage {
    pub(super) fn set(host: Option<&str>) -> Result<Self, Failure> {
        let directory = tempfile::Builder::new()
            .prefix("outlast.")
            .tempdir()
            .context("a directory")?;
        let outlast = cargo::binary("outlast")?;
        let mut laptop = Machine::new("laptop", &outlast, directory.path())?;
        let mut desk = Machine::new("desk", &outlast, directory.path())?;
        let network = match host {
            Some(_) => None,
            None => Some(embed(directory.path(), &mut laptop, &mut desk)?),
        };
        let host = host.unwrap_or("localhost").to_owned();
        Ok(Self {
            host,
            laptop,
            desk,
            network,
            directory,
        })
    }

    /// Processes of the embedded server's sessions that are still there.
    pub(super) fn session_processes(&self) -> Vec<u32> {
        machine::with_environment(
            "OUTLAST_SESSION_DIR",
            &self.directory.path().join("sessions"),
        )
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.laptop.stop();
        self.desk.stop();
        for pid in self.session_processes() {
            machine::kill9(pid);
        }
    }
}

/// Starts the server and tells both machines how to reach it.
fn embed(directory: &Path, laptop: &mut Machine, desk: &mut Machine) -> Result<Network, Failure> {
    let session_dir = directory.join("sessions");
    let key_file = directory.join("key");
    let client_key = keys::generate()?;
    keys::write(&client_key, &key_file)?;
    let host_key = keys::generate()?;
    let public = host_key
        .public_key()
        .to_openssh()
        .context("encoding the host key")?;
    let user = machine::user()?;
    let network = Network::start(server::Setup {
        user: user.clone(),
        host_key,
        accepted: client_key.public_key().clone(),
        subsystem: vec![cargo::binary("outlast-subsystem")?],
        session_dir,
    })?;
    for (machine, cable) in [(laptop, &network.laptop), (desk, &network.desk)] {
        let address = cable.address();
        let known_hosts = machine.home().join("known_hosts");
        let line = format!("[{}]:{} {public}\n", address.ip(), address.port());
        fs::write(&known_hosts, line).context("known_hosts")?;
        let config = machine.home().join("ssh_config");
        fs::write(&config, ssh_config(address, &user, &key_file, &known_hosts))
            .context("ssh_config")?;
        machine.use_config(&config);
    }
    Ok(network)
}

fn ssh_config(address: SocketAddr, user: &str, key: &Path, known_hosts: &Path) -> String {
    format!(
        "Host localhost\n  HostName {}\n  Port {}\n  User {user}\n  IdentityFile {}\n  \
         IdentitiesOnly yes\n  UserKnownHostsFile {}\n",
        address.ip(),
        address.port(),
        key.display(),
        known_hosts.display(),
    )
}

impl Network {
    /// The demo itself waits for programs; the server must not wait with it.
    pub(super) fn start(setup: server::Setup) -> Result<Self, Failure> {
        let (report, reported) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(error) => return drop(report.send(Err(error))),
            };
            runtime.block_on(async {
                let started = lay_cables(setup).await;
                let _ = report.send(started);
                let _ = stopped.await;
            });
        });
        let started = reported.recv().context("the embedded server")?;
        let (laptop, desk) = started.context("the embedded server")?;
        Ok(Self {
            laptop,
            desk,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

async fn lay_cables(setup: server::Setup) -> std::io::Result<(Cutter, Cutter)> {
    let server = server::start(setup).await?;
    Ok((Cutter::before(server).await?, Cutter::before(server).await?))
}

impl Drop for Network {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
