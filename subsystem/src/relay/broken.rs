//! What the system's log is told of sessions that have no host to tell it.

use crate::audit::{Line, Login, Policy, Settings, Trail};
use crate::registry::{Entry, Meta};
use crate::remains;

/// Says that a session's host is dead, if nobody has found that before.
pub(super) fn note(entry: &Entry, audit: &Settings) {
    if audit.policy == Policy::Off {
        return;
    }
    let Ok(meta) = entry.meta() else {
        return;
    };
    let Some(reason) = remains::found(entry, &meta) else {
        return;
    };
    let mut line = line("broken", &meta);
    Login::here().write(&mut line);
    line.field("why", reason);
    Trail::new(audit.clone()).send(&line);
}

/// What there is to say when such a session is removed.
pub(super) fn removal(entry: &Entry) -> Line {
    let mut line = match entry.meta() {
        Ok(meta) => line("removed", &meta),
        Err(_) => {
            let mut line = Line::of("removed");
            line.field("session", entry.instance().to_string());
            line
        }
    };
    Login::here().write(&mut line);
    line
}

fn line(event: &str, meta: &Meta) -> Line {
    let mut line = Line::of(event);
    line.field("session", meta.instance.to_string())
        .field("name", meta.name.as_str());
    line
}
