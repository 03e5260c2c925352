//! One session's directory, seen from outside its host.

use std::time::Duration;

use outlast_protocol::id::InstanceId;
use outlast_rendezvous::{DirectoryError, Lock, PrivateDirectory};

use super::{Meta, MetaError};

/// Held by the host process as long as it lives.
const LOCK: &str = "lock";

/// A process lets go of its lock a moment before it is gone.
const DYING: Duration = Duration::from_secs(1);

/// Who answers for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostState {
    /// The host that has its shell.
    Lives,
    /// That one is gone; another process reads out what it left.
    Reads,
    /// Nobody.
    Gone,
}

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

    /// Who answers for the session: told by the lock and by the host's number with its start
    /// time, never by a number alone.
    #[must_use]
    pub fn host(&self) -> HostState {
        let meta = self.meta().ok();
        let locked = Lock::is_held(&self.directory, LOCK).unwrap_or(false);
        let other_boot = meta.as_ref().is_some_and(Meta::is_of_another_boot);
        let host = meta.and_then(|meta| meta.host);
        match (locked, host) {
            (true, Some(host)) if other_boot || !host.is_running() => HostState::Reads,
            // Without a word about it yet, it is being made.
            (true, _) => HostState::Lives,
            // Somebody removed the lock's file under a live host.
            (false, Some(host)) if !other_boot && host.outlives(DYING) => HostState::Lives,
            (false, _) => HostState::Gone,
        }
    }

    /// Takes the lock that says the host lives; none if another process has it.
    pub fn claim(&self) -> Result<Option<Lock>, DirectoryError> {
        Lock::try_acquire(&self.directory, LOCK)
    }

    /// Takes that lock as soon as nobody has it.
    pub fn claim_when_free(&self) -> Result<Lock, DirectoryError> {
        Lock::acquire(&self.directory, LOCK)
    }

    /// Deletes the directory and everything in it.
    pub fn delete(self) -> Result<(), DirectoryError> {
        self.directory.remove_tree()
    }
}
