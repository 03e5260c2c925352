//! This client's list of sessions: their Ids and names, where they are, what was received.

use globset::Glob;
use outlast_protocol::control::target::Target;
use outlast_protocol::durability::Durability;
use outlast_protocol::id::{ClientId, InstanceId, InvocationId, SessionName, is_instance_prefix};
use outlast_protocol::link::cursor::Cursor;
use outlast_protocol::session::{End, Holder, Life, SessionInfo};
use outlast_rendezvous::{DirectoryError, PrivateDirectory};
use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::reserve::Reserved;

const FILE: &str = "sessions.json";
const FORMAT: u32 = 1;
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// How a session's life stands as far as this client has heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Heard {
    /// It lives.
    Live,
    /// It is over: how.
    Closed(String),
    /// Its host process is gone: why.
    Broken(String),
}

/// A session of this client's list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    pub(super) id: u32,
    pub(super) name: SessionName,
    pub(super) target: Target,
    pub(super) instance: InstanceId,
    pub(super) configuration: String,
    pub(super) idle_timeout_s: Option<u32>,
    pub(super) created_ms: u64,
    pub(super) disconnected_ms: Option<u64>,
    pub(super) expires_ms: Option<u64>,
    pub(super) running: Option<InvocationId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) running_since_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "is_none")]
    pub(super) queued: u32,
    /// What it runs, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) activity: String,
    /// What a program there asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) asks: Option<String>,
    pub(super) heard: Heard,
    /// Another client that holds it, in words.
    pub(super) holder: Option<String>,
    /// Why it was not connected to again, after its connection was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<String>,
    /// What it outlives, by the name of a class.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) durability: String,
    pub(super) cursor: Cursor,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
fn is_none(count: &u32) -> bool {
    *count == 0
}

impl Known {
    /// Whether nothing runs in it, as far as this client has heard.
    fn is_idle(&self) -> bool {
        self.running.is_none() && self.activity.is_empty()
    }

    /// Nobody here holds it any more. A host that could still say so has said since when and until
    /// when; what ran goes on, and nothing expires meanwhile.
    pub(super) fn left_at(&mut self, now_ms: u64) {
        if self.disconnected_ms.is_some() {
            return;
        }
        self.disconnected_ms = Some(now_ms);
        let timeout = self.idle_timeout_s.filter(|_| self.is_idle());
        self.expires_ms =
            timeout.map(|seconds| now_ms.saturating_add(u64::from(seconds).saturating_mul(1000)));
    }
}

#[derive(Serialize, Deserialize)]
struct File {
    format: u32,
    client: ClientId,
    last_id: u32,
    sessions: Vec<Known>,
}

impl File {
    /// Of another format only the number is read: the rest may look like anything.
    fn parse(bytes: &[u8], path: String) -> Result<Self, RegistryError> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let parsed = serde_json::from_slice(bytes).and_then(|Version { format }| {
            if format == FORMAT {
                serde_json::from_slice(bytes).map(Ok)
            } else {
                Ok(Err(format))
            }
        });
        match parsed {
            Ok(Ok(file)) => Ok(file),
            Ok(Err(format)) => Err(RegistryError::Format { path, format }),
            Err(error) => Err(RegistryError::Damaged { path, error }),
        }
    }
}

/// The list, and the file it is kept in.
pub(super) struct Registry {
    directory: PrivateDirectory,
    client: ClientId,
    last_id: u32,
    sessions: Vec<Known>,
    reserved: Vec<Reserved>,
}

/// Why the list cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum RegistryError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(
        "{path} is damaged ({error}); move it away: `outlast get HOST` finds the sessions again"
    )]
    Damaged {
        path: String,
        error: serde_json::Error,
    },
    #[error("{path} has format {format}; this version reads {FORMAT}")]
    Format { path: String, format: u32 },
}

impl Registry {
    /// Reads the list, or starts an empty one.
    pub(super) fn load(directory: PrivateDirectory) -> Result<Self, RegistryError> {
        let bytes = match directory.read(FILE, MAX_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.is_absent() => {
                let client = ClientId(uuid::Uuid::new_v4());
                let new = Self {
                    directory,
                    client,
                    last_id: 0,
                    sessions: Vec::new(),
                    reserved: Vec::new(),
                };
                // The client's identity must be the same next time.
                new.save()?;
                return Ok(new);
            }
            Err(error) => return Err(error.into()),
        };
        let path = directory.path().join(FILE).display().to_string();
        let File {
            client,
            last_id,
            sessions,
            ..
        } = File::parse(&bytes, path)?;
        Ok(Self {
            directory,
            client,
            last_id,
            sessions,
            reserved: Vec::new(),
        })
    }

    /// Writes the list, whole or not at all.
    pub(super) fn save(&self) -> Result<(), DirectoryError> {
        let file = File {
            format: FORMAT,
            client: self.client,
            last_id: self.last_id,
            sessions: self.sessions.clone(),
        };
        let bytes = serde_json::to_vec(&file).unwrap_or_default();
        self.directory.atomic_write(FILE, &bytes)
    }

    /// Who this client is.
    pub(super) fn client(&self) -> ClientId {
        self.client
    }

    /// All sessions, by Id.
    pub(super) fn sessions(&self) -> &[Known] {
        &self.sessions
    }

    pub(super) fn get(&self, instance: InstanceId) -> Option<&Known> {
        self.sessions
            .iter()
            .find(|known| known.instance == instance)
    }

    pub(super) fn get_mut(&mut self, instance: InstanceId) -> Option<&mut Known> {
        self.sessions
            .iter_mut()
            .find(|known| known.instance == instance)
    }

    /// Takes a session off the list.
    pub(super) fn remove(&mut self, instance: InstanceId) {
        self.sessions.retain(|known| known.instance != instance);
    }

    /// A session as its computer describes it: updates the list or adds to it.
    pub(super) fn learn(&mut self, target: &Target, info: &SessionInfo) {
        let own = self.client;
        if self.get(info.instance).is_none() {
            let id = self.reserve(info.instance);
            self.sessions.push(Known {
                id,
                name: info.name.clone(),
                target: target.clone(),
                instance: info.instance,
                configuration: String::new(),
                idle_timeout_s: None,
                created_ms: info.created_ms,
                disconnected_ms: None,
                expires_ms: None,
                running: None,
                running_since_ms: None,
                queued: 0,
                activity: String::new(),
                asks: None,
                heard: Heard::Live,
                holder: None,
                refused: None,
                durability: String::new(),
                cursor: Cursor::default(),
            });
            self.sessions.sort_by_key(|known| known.id);
            self.give_back(info.instance);
        }
        let Some(known) = self.get_mut(info.instance) else {
            return;
        };
        known.refused = None;
        known.name = info.name.clone();
        known.configuration.clone_from(&info.configuration);
        known.idle_timeout_s = info.idle_timeout.seconds();
        known.disconnected_ms = info.disconnected_ms;
        known.expires_ms = info.expires_ms;
        known.running = info.running;
        known.running_since_ms = info.running_since_ms;
        known.queued = info.queued;
        known.activity.clone_from(&info.activity);
        known.asks.clone_from(&info.asks);
        if let Some(class) = Durability::said(&info.extensions) {
            class.name().clone_into(&mut known.durability);
        }
        known.holder = info
            .holder
            .as_ref()
            .filter(|holder| holder.client != own)
            .map(holder_words);
        known.heard = match &info.life {
            Life::Live => Heard::Live,
            Life::Ended(end) => Heard::Closed(words(end)),
            Life::Broken(reason) => Heard::Broken(reason.clone()),
        };
    }

    /// Sets the next Id aside for a session, unless one is already.
    pub(super) fn reserve(&mut self, instance: InstanceId) -> u32 {
        let same = |reserved: &&Reserved| reserved.instance == instance;
        if let Some(reserved) = self.reserved.iter().find(same) {
            return reserved.id;
        }
        self.last_id = self.last_id.saturating_add(1);
        self.reserved.push(Reserved {
            instance,
            id: self.last_id,
            name: String::new(),
        });
        self.last_id
    }

    /// Sets a name aside for a session with a reserved Id.
    pub(super) fn reserve_name(&mut self, instance: InstanceId, name: &str) {
        let mut all = self.reserved.iter_mut();
        if let Some(reserved) = all.find(|reserved| reserved.instance == instance) {
            name.clone_into(&mut reserved.name);
        }
    }

    /// Takes back what was set aside. The last Id is free again if the session was not made.
    pub(super) fn give_back(&mut self, instance: InstanceId) {
        let Some(at) = self.reserved.iter().position(|r| r.instance == instance) else {
            return;
        };
        let id = self.reserved.remove(at).id;
        if id == self.last_id && self.get(instance).is_none() {
            self.last_id = self.last_id.saturating_sub(1);
        }
    }

    /// A name that no session of this list has or is about to have: `Session1`, `Session2`, …
    pub(super) fn free_name(&self, taken: &[String]) -> String {
        let used = |name: &String| {
            taken.contains(name)
                || self.reserved.iter().any(|reserved| reserved.name == *name)
                || self
                    .sessions
                    .iter()
                    .any(|known| known.name.as_str() == name)
        };
        (1u32..)
            .map(|n| format!("Session{n}"))
            .find(|name| !used(name))
            .unwrap_or_default()
    }

    /// The sessions a user's selectors name, in the order of the list; all without selectors.
    pub(super) fn select(&self, selectors: &[String]) -> Result<Vec<InstanceId>, Failure> {
        if selectors.is_empty() {
            return Ok(self.sessions.iter().map(|known| known.instance).collect());
        }
        let mut found = Vec::new();
        for selector in selectors {
            let matching = self.select_one(selector)?;
            for instance in matching {
                if !found.contains(&instance) {
                    found.push(instance);
                }
            }
        }
        Ok(found)
    }

    fn select_one(&self, selector: &str) -> Result<Vec<InstanceId>, Failure> {
        let by = |wanted: &dyn Fn(&Known) -> bool| -> Vec<InstanceId> {
            self.sessions
                .iter()
                .filter(|known| wanted(known))
                .map(|known| known.instance)
                .collect()
        };
        let matching = if let Ok(id) = selector.parse::<u32>() {
            by(&|known| known.id == id)
        } else if is_instance_prefix(selector) {
            let lower = selector.to_ascii_lowercase();
            let matching = by(&|known| known.instance.to_string().starts_with(&lower));
            if matching.len() > 1 {
                let message = format!(
                    "{selector} is the beginning of {} instance IDs",
                    matching.len()
                );
                return Err(Failure::usage(message)
                    .hint("give more of it; `outlast get --output json` shows them whole"));
            }
            matching
        } else {
            let glob = Glob::new(selector)
                .map_err(|error| Failure::usage(format!("bad pattern: {error}")))?
                .compile_matcher();
            by(&|known| glob.is_match(known.name.as_str()))
        };
        if matching.is_empty() {
            let message = format!("there is no session {selector} in this client's list");
            return Err(Failure::usage(message)
                .hint("`outlast get` lists them; `outlast get HOST` finds those made elsewhere"));
        }
        Ok(matching)
    }
}

/// Who holds a session, in words.
pub(super) fn holder_words(holder: &Holder) -> String {
    let Holder {
        user,
        host,
        address,
        ..
    } = holder;
    if address.is_empty() {
        format!("{user}@{host}")
    } else {
        format!("{user}@{host} ({address})")
    }
}

/// How a session ended, in words.
pub(super) fn words(end: &End) -> String {
    match end {
        End::Shell(status) => format!("its shell ended with {status}"),
        End::Removed => "it was removed".to_owned(),
        End::IdleTimeout => "its idle timeout passed".to_owned(),
        End::OpenFailed(reason) => format!("it could not be opened: {reason}"),
    }
}

#[cfg(test)]
mod releases;
