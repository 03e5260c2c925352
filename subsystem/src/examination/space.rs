//! Room for the output of sessions: of the file system, and of the user's sessions together.

use outlast_protocol::finding::{Finding, Verdict};

use super::sentences;
use crate::host::Quotas;
use crate::log::{Room, Share};
use crate::registry::Registry;

const LAYER: &str = "space";
/// Files that a session and its commands need, generously.
const FILES: u64 = 100;
const MIB: u64 = 1 << 20;

pub(super) fn examine(registry: &Registry) -> Finding {
    let quotas = match Quotas::from_environment() {
        Ok(quotas) => quotas,
        Err(error) => {
            return Finding::new(LAYER, Verdict::Bad, error.to_string())
                .hint("mend that variable where sshd or the login sets it");
        }
    };
    let measured = Room::of(registry.root().fd()).and_then(|room| {
        Ok((
            room,
            registry.root().try_clone().map_err(std::io::Error::other)?,
        ))
    });
    match measured {
        Ok((room, sessions)) => judge(room, &quotas, Share::new(sessions, quotas.user).used()),
        Err(error) => Finding::new(
            LAYER,
            Verdict::Doubtful,
            format!("the room that is left cannot be told: {error}"),
        ),
    }
}

fn judge(room: Room, quotas: &Quotas, used: u64) -> Finding {
    let mut verdict = Verdict::Good;
    let mut said = vec![format!(
        "{} MiB free; output of {} MiB kept, of {} MiB for all sessions and {} MiB for each",
        room.free / MIB,
        used / MIB,
        quotas.user / MIB,
        quotas.session / MIB
    )];
    let mut hints = Vec::new();
    if room.is_low(quotas.session.min(MIB)) {
        verdict = Verdict::Doubtful;
        said.push(format!(
            "the last {} MiB (5 %) of the file system are left to others, so output is only kept in memory",
            room.reserve / MIB
        ));
        hints.push("free some space, or set OUTLAST_SESSION_DIR to another file system".to_owned());
    }
    if room.files.is_some_and(|files| files < FILES) {
        verdict = Verdict::Bad;
        said.push("no more files can be made on it".to_owned());
        hints.push("remove files: the file system has run out of inodes".to_owned());
    }
    if used.saturating_add(MIB) > quotas.user {
        verdict = verdict.max(Verdict::Doubtful);
        said.push("the sessions have used up what they may keep together".to_owned());
        hints.push(
            "receive and remove old sessions (`outlast get HOST`), or raise OUTLAST_USER_QUOTA"
                .to_owned(),
        );
    }
    Finding::new(LAYER, verdict, sentences(&said))
        .hint(sentences(&hints))
        .value("free_bytes", room.free)
        .value("kept_bytes", used)
        .value("session_quota_bytes", quotas.session)
        .value("user_quota_bytes", quotas.user)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTAS: Quotas = Quotas {
        session: 64 * MIB,
        user: 1024 * MIB,
    };

    fn room(free: u64, files: u64) -> Room {
        Room::new(free, 100 * MIB, Some(files))
    }

    #[test]
    fn each_shortage_is_told_with_its_remedy() {
        let good = judge(room(5000 * MIB, 10_000), &QUOTAS, 3 * MIB);
        assert_eq!((good.verdict, good.hint.as_str()), (Verdict::Good, ""));
        assert!(good.text.starts_with("5000 MiB free; output of 3 MiB"));
        let low = judge(room(50 * MIB, 10_000), &QUOTAS, 0);
        assert_eq!(low.verdict, Verdict::Doubtful);
        assert!(low.text.contains("in memory"), "{low:?}");
        let inodes = judge(room(5000 * MIB, 3), &QUOTAS, 0);
        assert_eq!(inodes.verdict, Verdict::Bad);
        let used = judge(room(5000 * MIB, 10_000), &QUOTAS, 1024 * MIB);
        assert_eq!(used.verdict, Verdict::Doubtful);
        assert!(used.hint.contains("OUTLAST_USER_QUOTA"), "{used:?}");
    }
}
