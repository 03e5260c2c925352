//! The command-line options that ssh has too, kept so that a reconnect uses the same ones.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What `-p -l -i -F -o` said. They win over every configuration file, and do not apply to the
/// hosts of a `ProxyJump` except for `-F`, as in ssh.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct SshOptions {
    /// `-p`
    pub port: Option<u16>,
    /// `-l`
    pub login: Option<String>,
    /// `-i`, in the order given.
    pub identities: Vec<PathBuf>,
    /// `-F`: read instead of both the user's and the system's file; `none` reads nothing.
    pub config_file: Option<PathBuf>,
    /// `-o`, each as `Keyword=value` or `Keyword value`.
    pub options: Vec<String>,
}
