//! Where a session is, as the user typed it.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// One computer and how to reach it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Target {
    /// `[user@]host[:port]`, an alias of the ssh configuration, or `.` for this computer.
    pub destination: String,
    /// `-p`
    pub port: Option<u16>,
    /// `-l`
    pub login: Option<String>,
    /// `-i`, absolute paths.
    pub identity_files: Vec<String>,
    /// `-F`, an absolute path or `none`.
    pub config_file: Option<String>,
    /// `-o`, each `Keyword=value`.
    pub options: Vec<String>,
    /// What opens the connection. Lists of sessions older than this field have native ones.
    #[serde(default)]
    pub transport: Transport,
}

/// What opens connections to a computer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Transport {
    /// SSH of the mux's own.
    #[default]
    Native,
    /// The system's `ssh`.
    OpenSsh,
}

impl Target {
    /// This computer, without SSH.
    pub const LOCAL: &'static str = ".";

    /// Whether it is this computer.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.destination == Self::LOCAL
    }
}
