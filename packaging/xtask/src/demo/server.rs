//! An SSH server for one user, one key and one demo: russh's server half on loopback.
//!
//! It does for a channel what sshd does: starts the subsystem with pipes, carries them, and leaves
//! the program alone when the connection dies.

mod channel;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use russh::keys::{PrivateKey, PublicKey};
use russh::server::{
    Auth, ChannelOpenHandle, Config, Handler, Msg, Session, VerifiedPublicKey, run_stream,
};
use russh::{Channel, ChannelId, Error, MethodKind, MethodSet};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

/// What the server knows about itself and its one user.
pub(super) struct Setup {
    pub(super) user: String,
    pub(super) host_key: PrivateKey,
    pub(super) accepted: PublicKey,
    /// What `ssh -s HOST outlast` starts: a program and its arguments.
    pub(super) subsystem: Vec<PathBuf>,
    /// `OUTLAST_SESSION_DIR` of its sessions.
    pub(super) session_dir: PathBuf,
}

/// Serves connections until the runtime ends. Returns the address.
pub(super) async fn start(setup: Setup) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let config = Arc::new(Config {
        auth_rejection_time: Duration::from_millis(100),
        auth_rejection_time_initial: Some(Duration::ZERO),
        inactivity_timeout: None,
        keys: vec![setup.host_key.clone()],
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        nodelay: true,
        ..Config::default()
    });
    let setup = Arc::new(setup);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(Arc::clone(&config), socket, Arc::clone(&setup)));
        }
    });
    Ok(address)
}

/// A connection that breaks is the point of the demo, so its error is nobody's concern.
async fn serve(config: Arc<Config>, socket: TcpStream, setup: Arc<Setup>) {
    let _ = socket.set_nodelay(true);
    let connection = Connection {
        setup,
        unused: HashMap::new(),
    };
    if let Ok(running) = run_stream(config, socket, connection).await {
        let _ = running.await;
    }
}

struct Connection {
    setup: Arc<Setup>,
    /// Channels that are open but have not been asked for anything yet.
    unused: HashMap<ChannelId, Channel<Msg>>,
}

impl Connection {
    fn start(
        &mut self,
        id: ChannelId,
        command: Command,
        session: &mut Session,
    ) -> Result<(), Error> {
        let Some(channel) = self.unused.remove(&id) else {
            return session.channel_failure(id);
        };
        match channel::spawn(command) {
            Ok(child) => {
                session.channel_success(id)?;
                tokio::spawn(channel::carry(channel, child));
                Ok(())
            }
            Err(_) => session.channel_failure(id),
        }
    }

    /// The environment of a program started for a channel.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("OUTLAST_SESSION_DIR", &self.setup.session_dir);
        command.env_remove("OUTLAST_HOME");
        if let Some(home) = std::env::home_dir() {
            command.current_dir(home);
        }
        command
    }
}

impl Handler for Connection {
    type Error = Error;

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Error> {
        let is_ours = key.public_key.key_data() == self.setup.accepted.key_data();
        Ok(if is_ours && user == self.setup.user {
            Auth::Accept
        } else {
            Auth::reject()
        })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Error> {
        self.unused.insert(channel.id(), channel);
        reply.accept().await;
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Error> {
        let Some((program, arguments)) = self.setup.subsystem.split_first() else {
            return session.channel_failure(id);
        };
        if name != "outlast" {
            return session.channel_failure(id);
        }
        let mut command = self.command(program);
        command.args(arguments);
        self.start(id, command, session)
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        script: &[u8],
        session: &mut Session,
    ) -> Result<(), Error> {
        use std::os::unix::ffi::OsStrExt as _;
        let mut command = self.command(Path::new("/bin/sh"));
        command.arg("-c").arg(std::ffi::OsStr::from_bytes(script));
        self.start(id, command, session)
    }
}
