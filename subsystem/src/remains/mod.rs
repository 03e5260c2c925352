//! What a host leaves behind that died without saying so: a directory that tells what it was, a
//! reason that can be found out, and processes its shell had started.

mod death;
mod ending;
mod kernel_log;
mod orphans;

use std::path::Path;
use std::time::UNIX_EPOCH;

use outlast_protocol::id::{Seq, SessionName};
use outlast_protocol::session::{Buffering, IdleTimeout, Life, SessionInfo};

pub use ending::{Ended, end};
pub use orphans::{Orphan, named};

use crate::registry::{Entry, Meta, MetaError, MetaLife, PROC};

/// A session without a host to ask: ended, or broken and why. None where there is none, or not
/// yet.
#[must_use]
pub fn info(entry: &Entry) -> Option<SessionInfo> {
    match entry.meta() {
        Ok(meta) => Some(meta.info(life(entry, &meta))),
        Err(MetaError::Directory(error)) if error.is_absent() => None,
        Err(error) => unreadable(entry, &error),
    }
}

/// What has become of a session whose host is gone, and what still runs of it.
#[must_use]
pub fn life(entry: &Entry, meta: &Meta) -> Life {
    match &meta.life {
        MetaLife::Ended(end) => Life::Ended(end.clone()),
        MetaLife::Opening | MetaLife::Live => {
            let mut reason = death::reason(entry, meta);
            let left = orphans(entry);
            if !left.is_empty() {
                reason.push_str("; still running: ");
                reason.push_str(&named(&left));
            }
            Life::Broken(reason)
        }
    }
}

/// Why the host is gone, as far as can be told; the same every time it is asked.
#[must_use]
pub fn reason(entry: &Entry, meta: &Meta) -> String {
    death::reason(entry, meta)
}

/// Why the host of a session that had not ended is gone, for whoever is the first to find that.
#[must_use]
pub fn found(entry: &Entry, meta: &Meta) -> Option<String> {
    let live = !matches!(meta.life, MetaLife::Ended(_));
    (live && !death::is_known(entry)).then(|| death::reason(entry, meta))
}

/// The processes of the session's shell that outlived it. Only for a session whose host is gone.
#[must_use]
pub fn orphans(entry: &Entry) -> Vec<Orphan> {
    let meta = entry.meta().ok();
    if meta.as_ref().is_some_and(Meta::is_of_another_boot) {
        return Vec::new();
    }
    let shell = meta.and_then(|meta| meta.shell);
    orphans::find(Path::new(PROC), entry.instance(), shell)
}

/// A session of which nothing but its directory is known. It has to be listed all the same, or
/// nobody could remove it.
fn unreadable(entry: &Entry, error: &MetaError) -> Option<SessionInfo> {
    let start: String = entry.instance().to_string().chars().take(8).collect();
    let name = SessionName::new(&format!("unreadable-{start}")).ok()?;
    let made = std::fs::metadata(entry.directory().path())
        .and_then(|directory| directory.modified())
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .unwrap_or_default();
    let mut reason = error.to_string();
    let left = orphans(entry);
    if !left.is_empty() {
        reason.push_str("; still running: ");
        reason.push_str(&named(&left));
    }
    Some(SessionInfo {
        instance: entry.instance(),
        name,
        configuration: String::new(),
        life: Life::Broken(reason),
        holder: None,
        running: None,
        running_since_ms: None,
        activity: String::new(),
        asks: None,
        queued: 0,
        created_ms: u64::try_from(made.as_millis()).unwrap_or_default(),
        disconnected_ms: None,
        expires_ms: None,
        idle_timeout: IdleTimeout::Never,
        buffering: Buffering::default(),
        host_pid: 0,
        first: Seq::FIRST,
        next: Seq::FIRST,
        extensions: Vec::new(),
    })
}
