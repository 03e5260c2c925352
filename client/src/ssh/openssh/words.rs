//! What an `ssh -v` says on its standard error: facts about the connection, and complaints.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::Notify;

use super::leg::Leg;

/// What is kept of complaints.
const MAX_COMPLAINTS: usize = 16 * 1024;
/// The last line before ssh goes to the background.
const DONE: &str = "forking to background";

/// What was said, as far as it matters.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    /// The connections that stand, the nearest first.
    pub(super) legs: Vec<Leg>,
    /// The one that is being made.
    pub(super) leg: Leg,
    /// The type of the key the host presented.
    pub(super) key_type: String,
    /// `SHA256:…` of that key.
    pub(super) fingerprint: String,
    pub(super) address: String,
    /// The host that was dialled last, by name, and its port: a jump host, where there is one.
    pub(super) dialled: (String, u16),
    /// The keys and methods tried.
    pub(super) tried: Vec<String>,
    /// The methods that were accepted and not enough.
    pub(super) accepted: Vec<String>,
    /// The key that was offered last.
    offered: String,
    /// Everything that is not there for debugging.
    pub(super) complaints: String,
    /// Nothing that matters will follow.
    is_over: bool,
}

impl Words {
    /// Takes in a line.
    pub(super) fn take(&mut self, line: &str) {
        let Some(fact) = line.strip_prefix("debug1: ") else {
            return self.complain(line);
        };
        let leg = &mut self.leg;
        let about = &mut leg.description;
        if fact == DONE {
            self.is_over = true;
        } else if let Some(version) = behind(fact, "remote software version ") {
            // The next connection: what was tried to make the one before is past.
            *leg = Leg::default();
            leg.description.server = format!("SSH-2.0-{}", first_word(version));
            (self.tried, self.accepted) = (Vec::new(), Vec::new());
        } else if let Some(to) = fact.strip_prefix("Authenticating to ") {
            leg.leads(to);
        } else if let Some(kex) = behind(fact, "kex: algorithm: ") {
            kex.clone_into(&mut about.kex);
        } else if let Some(key) = behind(fact, "Server host key: ") {
            let (key_type, fingerprint) = key.split_once(' ').unwrap_or((key, ""));
            key.clone_into(&mut about.host_key);
            key_type.clone_into(&mut self.key_type);
            fingerprint.clone_into(&mut self.fingerprint);
        } else if let Some(cipher) = behind(fact, "kex: server->client cipher: ") {
            leg.ciphers(cipher);
        } else if fact.contains("resetting send seqnr") {
            // Only the strict key exchange begins to count anew.
            about.strict_kex = true;
        } else if let Some(to) = fact.strip_prefix("Connecting to ") {
            self.dials(to);
        } else if let Some(key) = fact.strip_prefix("Offering public key: ") {
            self.offered = key.to_owned();
            self.tried.push(format!("publickey {key}"));
        } else if fact.starts_with("Server accepts key: ") {
            self.offered.clone_into(&mut about.accepted.key);
        } else if let Some(method) = fact.strip_prefix("Next authentication method: ")
            && method != "publickey"
        {
            self.tried.push(method.to_owned());
        }
    }

    /// `HOST [ADDRESS] port PORT.`
    fn dials(&mut self, to: &str) {
        let (host, rest) = to.split_once(" [").unwrap_or((to, ""));
        let (address, port) = rest.split_once("] port ").unwrap_or((rest, ""));
        address.clone_into(&mut self.address);
        let port = port.trim_end_matches('.').parse().unwrap_or(22);
        self.dialled = (host.to_owned(), port);
    }

    fn complain(&mut self, line: &str) {
        if let Some((method, _)) = line
            .strip_prefix("Authenticated using \"")
            .and_then(|rest| rest.split_once("\" with partial success"))
        {
            self.accepted.push(method.to_owned());
            return;
        }
        if let Some(method) = authenticated(line) {
            let mut leg = self.leg.clone();
            leg.authenticated([&self.accepted[..], &[method.to_owned()]].concat());
            self.legs.push(leg);
            return;
        }
        const IDLE_TALK: [&str; 2] = ["OpenSSH_", "debug"];
        let is_talk = IDLE_TALK.iter().any(|begin| line.starts_with(begin));
        let room = self.complaints.len().saturating_add(line.len()) < MAX_COMPLAINTS;
        if room && !is_talk && !line.is_empty() {
            self.complaints.push_str(line);
            self.complaints.push('\n');
        }
    }

    /// What a person should know though the connection stands.
    pub(super) fn warnings(&self) -> Vec<String> {
        let lines = self.complaints.lines().map(str::trim);
        lines
            .filter(|line| line.to_ascii_lowercase().starts_with("warning: "))
            .map(str::to_owned)
            .collect()
    }
}

/// The last method, of `Authenticated to HOST (…) using "METHOD".`
fn authenticated(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("Authenticated to ")?;
    let (_, method) = rest.split_once(" using \"")?;
    Some(method.split_once('"').map_or(method, |(method, _)| method))
}

fn behind<'a>(fact: &'a str, words: &str) -> Option<&'a str> {
    fact.split_once(words).map(|(_, rest)| rest)
}

fn first_word(text: &str) -> &str {
    text.split(' ').next().unwrap_or(text)
}

/// Reads it all, for as long as it comes: an unread pipe would stop the ssh that writes to it.
#[derive(Clone, Debug, Default)]
pub(super) struct Listener {
    words: Arc<Mutex<Words>>,
    over: Arc<Notify>,
}

impl Listener {
    pub(super) fn to(stream: impl AsyncRead + Send + Unpin + 'static) -> Self {
        let listener = Self::default();
        let ours = listener.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(stream).split(b'\n');
            while let Ok(Some(line)) = lines.next_segment().await {
                let line = String::from_utf8_lossy(&line);
                ours.words().take(line.trim_end());
                ours.tell();
            }
            ours.words().is_over = true;
            ours.tell();
        });
        listener
    }

    fn tell(&self) {
        if self.words().is_over {
            self.over.notify_one();
        }
    }

    pub(super) fn words(&self) -> MutexGuard<'_, Words> {
        self.words.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was said, when that is all.
    pub(super) async fn all(&self) -> Words {
        loop {
            let words = self.words().clone();
            if words.is_over {
                return words;
            }
            self.over.notified().await;
        }
    }
}
