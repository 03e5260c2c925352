//! The registry of sessions is a directory: one sub-directory a session, whose lock is held as
//! long as its host process lives. There is no daemon to ask and none to lose.

mod entry;
mod location;
mod memory;
mod meta;
mod process;

use std::path::{Path, PathBuf};

use outlast_protocol::id::{InstanceId, SessionName};
use outlast_rendezvous::{DirectoryError, Lock, PrivateDirectory};

pub use entry::{Entry, HostState};
pub use location::SESSION_DIRECTORY;
pub use memory::{MemoryKills, Shortage};
pub use meta::{Meta, MetaError, MetaLife};
pub use process::{PROC, Process, ProcessId, ends_within};

/// Held while a name is checked and taken.
const NAMES_LOCK: &str = "names.lock";

/// All sessions of this user on this computer.
#[derive(Debug)]
pub struct Registry {
    root: PrivateDirectory,
}

impl Registry {
    /// Opens the registry where the environment says it is, and makes it if it is not there.
    pub fn open() -> Result<Self, DirectoryError> {
        location::root().map(|root| Self { root })
    }

    /// Opens the registry at `path`, and makes it if it is not there.
    pub fn at(path: impl AsRef<Path>) -> Result<Self, DirectoryError> {
        PrivateDirectory::open_or_create(path).map(|root| Self { root })
    }

    /// Its directory.
    #[must_use]
    pub fn root(&self) -> &PrivateDirectory {
        &self.root
    }

    /// Where it would be but for something in the way there: none if it is there, or was named.
    #[must_use]
    pub fn missed(&self) -> Option<PathBuf> {
        let named = std::env::var_os(SESSION_DIRECTORY).is_some_and(|value| !value.is_empty());
        location::preferred().filter(|preferred| !named && preferred != self.root.path())
    }

    /// Every session that has a directory, live or not. Only their names: with a thousand open
    /// directories a process would have no descriptor left for anything else.
    pub fn instances(&self) -> Result<Vec<InstanceId>, DirectoryError> {
        let names = self.root.names()?;
        Ok(names.iter().filter_map(|name| instance(name)).collect())
    }

    /// The directory of one session.
    pub fn entry(&self, instance: InstanceId) -> Result<Entry, DirectoryError> {
        Ok(Entry::new(
            instance,
            self.root.open_dir(&instance.to_string())?,
        ))
    }

    /// Whether there is a directory of that session.
    #[must_use]
    pub fn contains(&self, instance: InstanceId) -> bool {
        self.entry(instance).is_ok()
    }

    /// Makes the directory of a session. The caller holds [`Self::lock_names`].
    pub fn create(&self, instance: InstanceId) -> Result<Entry, DirectoryError> {
        Ok(Entry::new(
            instance,
            self.root.create_dir(&instance.to_string())?,
        ))
    }

    /// Keeps others from taking a name until the lock is dropped.
    pub fn lock_names(&self) -> Result<Lock, DirectoryError> {
        Lock::acquire(&self.root, NAMES_LOCK)
    }

    /// The live session with that name, if there is one.
    pub fn live_by_name(&self, name: &SessionName) -> Result<Option<InstanceId>, DirectoryError> {
        for instance in self.instances()? {
            // A session that ends while we look has no name any more.
            let Ok(entry) = self.entry(instance) else {
                continue;
            };
            let named = entry
                .meta()
                .is_ok_and(|meta| meta.name == *name && meta.life.is_live());
            // A host that only reads a dead session's log out keeps no name.
            if named && entry.host() == HostState::Lives {
                return Ok(Some(instance));
            }
        }
        Ok(None)
    }
}

/// The session a directory of that name is of. Only the form we write counts: the other ways to
/// write a UUID would show one session twice.
fn instance(name: &str) -> Option<InstanceId> {
    let instance = name.parse::<InstanceId>().ok()?;
    (instance.to_string() == name).then_some(instance)
}
