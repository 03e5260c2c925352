//! Where this client keeps its things. `OUTLAST_HOME` names one directory for all of them, so
//! that two values on one computer act as two client computers.

use std::path::PathBuf;

use directories::ProjectDirs;
use outlast_rendezvous::{DirectoryError, PrivateDirectory};

/// Environment variable that names the client's directory.
pub const HOME: &str = "OUTLAST_HOME";

/// Name of the mux's socket in the state directory.
pub const MUX_SOCKET: &str = "mux.sock";

/// Held while a mux is being started.
pub const MUX_LOCK: &str = "mux.lock";

/// What the mux has to say when nobody listens.
pub const MUX_LOG: &str = "mux.log";

/// The client's directories.
#[derive(Clone, Debug)]
pub struct Place {
    state: PathBuf,
    config: PathBuf,
}

/// Neither `OUTLAST_HOME` nor a home directory.
#[derive(Debug, thiserror::Error)]
#[error("there is no home directory: set OUTLAST_HOME to a directory you own")]
pub struct Homeless;

impl Place {
    /// The place the environment names.
    pub fn of_environment() -> Result<Self, Homeless> {
        if let Some(home) = std::env::var_os(HOME).filter(|home| !home.is_empty()) {
            let home = std::path::absolute(PathBuf::from(home)).map_err(|_| Homeless)?;
            return Ok(Self {
                state: home.join("state"),
                config: home,
            });
        }
        let project = ProjectDirs::from("", "", "outlast").ok_or(Homeless)?;
        // Not the runtime directory: it vanishes at the last logout and the mux would be lost.
        let state = project
            .state_dir()
            .unwrap_or_else(|| project.data_local_dir());
        Ok(Self {
            state: state.join("client"),
            config: project.config_dir().to_owned(),
        })
    }

    /// The directory of registry and socket, made if need be.
    pub fn state(&self) -> Result<PrivateDirectory, DirectoryError> {
        PrivateDirectory::open_or_create(&self.state)
    }

    /// Where that is; may not exist yet.
    #[must_use]
    pub fn state_path(&self) -> &std::path::Path {
        &self.state
    }

    /// The directory of the user's configuration; may not exist.
    #[must_use]
    pub fn config(&self) -> &std::path::Path {
        &self.config
    }
}
