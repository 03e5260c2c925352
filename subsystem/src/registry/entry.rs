//! One session's directory, seen from outside its host.

use outlast_protocol::id::InstanceId;
use outlast_protocol::session::{Life, SessionInfo};
use outlast_rendezvous::machine::boot_id;
use outlast_rendezvous::{DirectoryError, Lock, PrivateDirectory};

use super::{Meta, MetaError, MetaLife};

/// Held by the host process as long as it lives.
const LOCK: &str = "lock";

/// One session's directory.
#[derive(Debug)]
pub struct Entry {
    instance: InstanceId,
    directory: PrivateDirectory,
}

impl Entry {
    pub(super) fn new(instance: InstanceId, directory: PrivateDirectory) -> Self {
        Self {
            instance,
            directory,
        }
    }

    /// Name of the host's socket in the directory.
    pub const SOCKET: &'static str = "sock";

    /// Opens the directory of a session by path, as its host does.
    pub fn at(instance: InstanceId, path: &std::path::Path) -> Result<Self, DirectoryError> {
        Ok(Self {
            instance,
            directory: PrivateDirectory::open(path)?,
        })
    }

    /// Which session.
    #[must_use]
    pub fn instance(&self) -> InstanceId {
        self.instance
    }

    /// Its directory.
    #[must_use]
    pub fn directory(&self) -> &PrivateDirectory {
        &self.directory
    }

    /// What its meta file says.
    pub fn meta(&self) -> Result<Meta, MetaError> {
        Meta::read(&self.directory)
    }

    /// Whether its host process lives.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        Lock::is_held(&self.directory, LOCK).unwrap_or(false)
    }

    /// Takes the lock that says the host lives; none if another process has it.
    pub fn claim(&self) -> Result<Option<Lock>, DirectoryError> {
        Lock::try_acquire(&self.directory, LOCK)
    }

    /// The session without a host to ask: ended, or broken and why.
    pub fn info_without_host(&self) -> Result<SessionInfo, MetaError> {
        let meta = self.meta()?;
        let life = match &meta.life {
            MetaLife::Ended(end) => Life::Ended(end.clone()),
            MetaLife::Opening | MetaLife::Live => Life::Broken(reason(&meta)),
        };
        Ok(meta.info(life))
    }

    /// Deletes the directory and everything in it.
    pub fn delete(self) -> Result<(), DirectoryError> {
        self.directory.remove_tree()
    }
}

fn reason(meta: &Meta) -> String {
    if boot_id().is_some_and(|now| !meta.boot_id.is_empty() && now != meta.boot_id) {
        return "the computer was restarted".to_owned();
    }
    match meta.host {
        Some(host) => format!(
            "its host process {} is gone without a word: it was killed",
            host.pid
        ),
        None => "its host process was lost before the shell was ready".to_owned(),
    }
}
