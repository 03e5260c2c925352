//! Why a host is gone. Found out once and then written beside the session: the kernel's log and
//! counters go on, and tomorrow they would tell another story.

use std::io::{Read, Seek, SeekFrom};

use outlast_rendezvous::PrivateDirectory;

use super::kernel_log;
use crate::host::panics;
use crate::registry::{Entry, Meta, MetaLife, ProcessId, Shortage};

/// Holds the reason once it was found.
const FILE: &str = "death";
const MAX_REASON: usize = 4096;
/// As much of the host's own log as holds its last line.
const LAST: u64 = 4096;
/// As much of a program's name as the kernel keeps.
const COMM: usize = 15;

/// Everything that can tell why a host died.
struct Evidence {
    another_boot: bool,
    last_words: Option<String>,
    out_of_memory: bool,
    shortage: Shortage,
}

/// Why the host of this session is gone.
pub(super) fn reason(entry: &Entry, meta: &Meta) -> String {
    let directory = entry.directory();
    if let Some(known) = read(directory) {
        return known;
    }
    let reason = words(meta, &Evidence::gather(directory, meta));
    // Where it cannot be kept, it is found out again.
    let _ = directory.atomic_write(FILE, reason.as_bytes());
    reason
}

/// Whether that was found out before.
pub(super) fn is_known(entry: &Entry) -> bool {
    read(entry.directory()).is_some()
}

fn read(directory: &PrivateDirectory) -> Option<String> {
    let bytes = directory.read(FILE, MAX_REASON).ok()?;
    String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.is_empty())
}

impl Evidence {
    fn gather(directory: &PrivateDirectory, meta: &Meta) -> Self {
        if meta.is_of_another_boot() {
            return Self {
                another_boot: true,
                last_words: last_words(directory),
                out_of_memory: false,
                shortage: Shortage::None,
            };
        }
        let named = |host: ProcessId| {
            let log = kernel_log::read();
            kernel_log::killed(&log, kernel_log::slept(), host, &program())
        };
        let memory = meta.memory.as_ref();
        Self {
            another_boot: false,
            last_words: last_words(directory),
            out_of_memory: meta.host.is_some_and(named),
            shortage: memory.map_or(Shortage::None, crate::registry::MemoryKills::since),
        }
    }
}

/// The name under which the kernel knows our hosts.
fn program() -> String {
    let path = std::env::current_exe().unwrap_or_default();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.chars().take(COMM).collect()
}

/// What the host said of its own death as the last thing of all.
fn last_words(directory: &PrivateDirectory) -> Option<String> {
    let mut log = directory.open_file("host.log").ok()?;
    let length = log.seek(SeekFrom::End(0)).ok()?;
    log.seek(SeekFrom::Start(length.saturating_sub(LAST)))
        .ok()?;
    let mut bytes = Vec::new();
    log.take(LAST).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let last = text.lines().rev().find(|line| !line.trim().is_empty())?;
    panics::cause_of_death(last).map(str::to_owned)
}

fn words(meta: &Meta, evidence: &Evidence) -> String {
    let Some(host) = meta.host else {
        return if evidence.another_boot {
            "the computer was restarted".to_owned()
        } else {
            "its host process was lost before the shell was ready".to_owned()
        };
    };
    let pid = host.pid;
    if let Some(cause) = &evidence.last_words {
        return format!("its host process {pid} crashed: {cause}");
    }
    if evidence.another_boot {
        return "the computer was restarted".to_owned();
    }
    let before = if meta.life == MetaLife::Opening {
        " before its shell was ready"
    } else {
        ""
    };
    if evidence.out_of_memory {
        return format!("its host process {pid} was killed by the kernel{before}: out of memory");
    }
    match evidence.shortage {
        Shortage::InGroup => format!(
            "its host process {pid} was killed{before}, probably because memory ran out: the \
             kernel has killed in its control group for that since it started"
        ),
        Shortage::OnComputer => format!(
            "its host process {pid} was killed{before}, perhaps because memory ran out: the \
             kernel has killed on this computer for that since it started"
        ),
        Shortage::None => {
            format!("its host process {pid} is gone without a word: it was killed{before}")
        }
    }
}

#[cfg(test)]
mod tests {
    use outlast_protocol::id::{InstanceId, SessionName};
    use outlast_protocol::session::{Buffering, IdleTimeout};
    use uuid::Uuid;

    use super::*;

    fn meta(life: MetaLife) -> Meta {
        Meta {
            format: Meta::FORMAT,
            instance: InstanceId(Uuid::from_u128(1)),
            name: SessionName::new("one").unwrap(),
            configuration: "bash".into(),
            created_ms: 1,
            idle_timeout: IdleTimeout::Never,
            buffering: Buffering::Spool,
            life,
            host: Some(ProcessId {
                pid: 4711,
                started: 1,
            }),
            shell: None,
            boot_id: String::new(),
            disconnected_ms: None,
            memory: None,
            durability: String::new(),
        }
    }

    fn nothing() -> Evidence {
        Evidence {
            another_boot: false,
            last_words: None,
            out_of_memory: false,
            shortage: Shortage::None,
        }
    }

    #[track_caller]
    fn says(evidence: Evidence, expected: &[&str]) {
        let said = words(&meta(MetaLife::Live), &evidence);
        for word in expected {
            assert!(said.contains(word), "{word:?} in {said:?}");
        }
    }

    #[test]
    fn the_reason_is_as_certain_as_what_it_rests_on() {
        says(nothing(), &["4711", "killed"]);
        let restarted = Evidence {
            another_boot: true,
            ..nothing()
        };
        says(restarted, &["restarted"]);
        let crashed = Evidence {
            last_words: Some("index out of bounds".into()),
            another_boot: true,
            ..nothing()
        };
        says(crashed, &["4711", "crashed: index out of bounds"]);
        let counted = Evidence {
            shortage: Shortage::InGroup,
            ..nothing()
        };
        says(counted, &["killed, probably", "memory"]);
        let somewhere = Evidence {
            shortage: Shortage::OnComputer,
            ..nothing()
        };
        says(somewhere, &["killed, perhaps", "memory"]);
        let named = Evidence {
            out_of_memory: true,
            shortage: Shortage::InGroup,
            ..nothing()
        };
        let said = words(&meta(MetaLife::Live), &named);
        assert_eq!(
            said,
            "its host process 4711 was killed by the kernel: out of memory"
        );
        let early = words(&meta(MetaLife::Opening), &nothing());
        assert!(
            early.ends_with("killed before its shell was ready"),
            "{early}"
        );
    }

    #[test]
    fn only_the_last_line_of_the_log_is_a_death() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("session");
        let directory = PrivateDirectory::open_or_create(&path).unwrap();
        assert_eq!(last_words(&directory), None);
        let log = |text: &str| std::fs::write(path.join("host.log"), text).unwrap();
        log("a link ended: x\npanic: no entry found (src/a.rs:3)\n\n");
        assert_eq!(
            last_words(&directory).as_deref(),
            Some("no entry found (src/a.rs:3)")
        );
        log("panic: of a link's client, quoted\na link ended: x\n");
        assert_eq!(last_words(&directory), None);
        log(&format!(
            "{}\nmemory allocation of 77 bytes failed",
            "x".repeat(9000)
        ));
        assert_eq!(
            last_words(&directory).as_deref(),
            Some("memory allocation of 77 bytes failed")
        );
    }

    #[test]
    fn what_was_found_out_once_stays() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("session");
        let directory = PrivateDirectory::open_or_create(&path).unwrap();
        let meta = meta(MetaLife::Live);
        let entry = Entry::at(meta.instance, &path).unwrap();
        let first = reason(&entry, &meta);
        std::fs::write(path.join("host.log"), "panic: later (x.rs:1)\n").unwrap();
        assert_eq!(reason(&entry, &meta), first);
        directory.remove_file(FILE).unwrap();
        assert!(reason(&entry, &meta).contains("crashed: later"));
    }
}
