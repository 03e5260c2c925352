//! What a session's directory says about it in a file, for the time when nobody can be asked.

use serde::de::Error as _;
use serde::{Deserialize, Serialize};

use outlast_protocol::durability::Durability;
use outlast_protocol::id::{InstanceId, Seq, SessionName};
use outlast_protocol::session::{Buffering, End, IdleTimeout, Life, SessionInfo};
use outlast_rendezvous::machine::boot_id;
use outlast_rendezvous::{DirectoryError, PrivateDirectory};

use super::{MemoryKills, ProcessId};

const FILE: &str = "meta";
const FORMAT: u32 = 1;
/// Far above any real file: a damaged one must not fill our memory.
const MAX_BYTES: usize = 64 * 1024;
/// No configuration has a longer name, in bytes.
const MAX_CONFIGURATION: usize = 255;

/// How far the session's life has come, as written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetaLife {
    /// Its shell is being started.
    Opening,
    /// Its shell lives, if its host process does.
    Live,
    /// It ended in an orderly way.
    Ended(End),
}

impl MetaLife {
    /// Whether the session is not over by its own account.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !matches!(self, Self::Ended(_))
    }
}

/// The file's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Version of this form.
    pub format: u32,
    /// The session.
    pub instance: InstanceId,
    /// Its name.
    pub name: SessionName,
    /// Its configuration.
    pub configuration: String,
    /// When it was made, in Unix milliseconds.
    pub created_ms: u64,
    /// Its idle timeout.
    pub idle_timeout: IdleTimeout,
    /// Its buffering mode.
    pub buffering: Buffering,
    /// How far its life has come.
    pub life: MetaLife,
    /// Its host process.
    pub host: Option<ProcessId>,
    /// Its shell.
    pub shell: Option<ProcessId>,
    /// Boot during which it was made.
    pub boot_id: String,
    /// Since when nobody is attached, in Unix milliseconds.
    pub disconnected_ms: Option<u64>,
    /// What the kernel had killed for want of memory when its host process started.
    #[serde(default)]
    pub memory: Option<MemoryKills>,
    /// What the session outlives, by the name of a class; empty in files of older versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub durability: String,
}

/// Why the file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum MetaError {
    /// It could not be read.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// It is damaged.
    #[error("the session's meta file is damaged: {0}")]
    Damaged(#[from] serde_json::Error),
    /// It is from another version.
    #[error("the session's meta file has format {0}; this version reads {FORMAT}")]
    Format(u32),
}

impl MetaError {
    /// Whether there is no such file.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Directory(error) if error.is_absent())
    }
}

impl Meta {
    /// Version of the form this code writes.
    pub const FORMAT: u32 = FORMAT;

    /// Reads the file in `directory`.
    pub fn read(directory: &PrivateDirectory) -> Result<Self, MetaError> {
        Self::parse(&directory.read(FILE, MAX_BYTES)?)
    }

    /// Reads the file's bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, MetaError> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let Version { format } = serde_json::from_slice(bytes)?;
        if format != FORMAT {
            return Err(MetaError::Format(format));
        }
        let meta: Self = serde_json::from_slice(bytes)?;
        // Lists of sessions travel in frames of bounded size.
        if meta.configuration.len() > MAX_CONFIGURATION {
            return Err(serde_json::Error::custom("the configuration's name is too long").into());
        }
        Ok(meta)
    }

    /// Replaces the file in `directory`, whole or not at all.
    pub fn write(&self, directory: &PrivateDirectory) -> Result<(), MetaError> {
        directory.atomic_write(FILE, &serde_json::to_vec(self)?)?;
        Ok(())
    }

    /// Whether the computer has been restarted since the session was made, as far as can be told.
    #[must_use]
    pub fn is_of_another_boot(&self) -> bool {
        boot_id().is_some_and(|now| !self.boot_id.is_empty() && now != self.boot_id)
    }

    /// Its shell, if its number can still mean that process.
    #[must_use]
    pub fn shell_of_this_boot(&self) -> Option<ProcessId> {
        self.shell.filter(|_| !self.is_of_another_boot())
    }

    /// The session as this file knows it.
    #[must_use]
    pub fn info(&self, life: Life) -> SessionInfo {
        SessionInfo {
            instance: self.instance,
            name: self.name.clone(),
            configuration: self.configuration.clone(),
            life,
            holder: None,
            running: None,
            running_since_ms: None,
            activity: String::new(),
            asks: None,
            queued: 0,
            created_ms: self.created_ms,
            disconnected_ms: self.disconnected_ms,
            expires_ms: None,
            idle_timeout: self.idle_timeout,
            buffering: self.buffering,
            host_pid: 0,
            first: Seq::FIRST,
            next: Seq::FIRST,
            extensions: Durability::named(&self.durability)
                .map(Durability::extension)
                .into_iter()
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_the_later_fields_is_read() {
        let instance = "00000000-0000-0000-0000-000000000009";
        let text = format!(
            r#"{{"format":1,"instance":"{instance}","name":"a","configuration":"bash","created_ms":1,
            "idle_timeout":"Never","buffering":"Spool","life":"live","host":{{"pid":3,"started":4}},
            "shell":null,"boot_id":"x","disconnected_ms":null}}"#
        );
        let meta = Meta::parse(text.as_bytes()).unwrap();
        assert_eq!((&meta.memory, &meta.life), (&None, &MetaLife::Live));
        assert_eq!(Durability::said(&meta.info(Life::Live).extensions), None);
        let later = text.replace(r#""boot_id""#, r#""durability":"boot","boot_id""#);
        let info = Meta::parse(later.as_bytes()).unwrap().info(Life::Live);
        assert_eq!(Durability::said(&info.extensions), Some(Durability::Boot));
    }

    #[test]
    fn damaged_and_foreign_files_are_errors() {
        assert!(matches!(
            Meta::parse(b"{\"form"),
            Err(MetaError::Damaged(_))
        ));
        assert!(matches!(
            Meta::parse(b"{\"format\":2}"),
            Err(MetaError::Format(2))
        ));
        assert!(matches!(
            Meta::parse(b"{\"format\":1}"),
            Err(MetaError::Damaged(_))
        ));
    }
}
