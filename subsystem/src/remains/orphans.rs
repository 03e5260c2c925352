//! Processes of a session's shell that outlived its host. The terminal's hang-up ends most; what
//! ignores it, or made a session of its own, stays.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use outlast_protocol::id::InstanceId;
use outlast_protocol::session::INSTANCE_VARIABLE;

use crate::registry::{Process, ProcessId};

/// More names than that are only counted.
const NAMED: usize = 8;

/// A process without a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// Which.
    pub id: ProcessId,
    /// The short name of its program.
    pub name: String,
}

/// The orphans, in words: `sleep (pid 123), make (pid 124)`.
#[must_use]
pub fn named(orphans: &[Orphan]) -> String {
    let mut words: Vec<String> = orphans
        .iter()
        .take(NAMED)
        .map(|orphan| format!("{} (pid {})", orphan.name, orphan.id.pid))
        .collect();
    let more = orphans.len().saturating_sub(NAMED);
    if more > 0 {
        words.push(format!("and {more} more"));
    }
    words.join(", ")
}

/// Our processes that are certainly of that session. A number alone proves nothing: either the
/// process carries the session's own ID in its environment, or the shell still leads the session
/// that the process is in.
pub(super) fn find(proc: &Path, instance: InstanceId, shell: Option<ProcessId>) -> Vec<Orphan> {
    let shell = shell.filter(|shell| shell.is_running_in(proc));
    let own = rustix::process::geteuid().as_raw();
    let marked = format!("{INSTANCE_VARIABLE}={instance}");
    let mut found: Vec<Orphan> = fs::read_dir(proc)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let ours = fs::metadata(entry.path()).is_ok_and(|it| it.uid() == own);
            if !ours || pid == std::process::id() {
                return None;
            }
            let process = Process::read(proc, pid)?;
            let in_session = shell.is_some_and(|shell| process.session == shell.pid);
            (in_session || is_marked(&entry.path(), &marked)).then_some(Orphan {
                id: process.id,
                name: process.name,
            })
        })
        .collect();
    found.sort_by_key(|orphan| orphan.id.pid);
    found
}

fn is_marked(process: &Path, mark: &str) -> bool {
    let environment = fs::read(process.join("environ")).unwrap_or_default();
    environment
        .split(|byte| *byte == 0)
        .any(|pair| pair == mark.as_bytes())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const SHELL: ProcessId = ProcessId {
        pid: 100,
        started: 50,
    };

    struct Proc(tempfile::TempDir);

    impl Proc {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn with(self, pid: u32, name: &str, session: u32, started: u64, instance: u128) -> Self {
            let directory = self.0.path().join(pid.to_string());
            fs::create_dir(&directory).unwrap();
            let stat = format!(
                "{pid} ({name}) S 1 {pid} {session} 0 -1 1 1 1 1 1 1 1 1 1 1 1 1 1 {started} 1"
            );
            fs::write(directory.join("stat"), stat).unwrap();
            let mut environ = b"HOME=/root\0".to_vec();
            if instance > 0 {
                let instance = InstanceId(Uuid::from_u128(instance));
                environ.extend_from_slice(format!("{INSTANCE_VARIABLE}={instance}\0").as_bytes());
            }
            fs::write(directory.join("environ"), environ).unwrap();
            self
        }

        fn found(&self, shell: Option<ProcessId>) -> String {
            let instance = InstanceId(Uuid::from_u128(1));
            named(&find(self.0.path(), instance, shell))
        }
    }

    #[test]
    fn what_the_shell_left_is_found_by_its_mark_and_by_its_session() {
        let proc = Proc::new()
            .with(100, "bash", 100, 50, 1)
            .with(101, "env -i (x)", 100, 60, 0)
            .with(102, "sleep", 102, 60, 1)
            .with(103, "other", 103, 60, 2)
            .with(104, "unrelated", 104, 60, 0);
        fs::write(proc.0.path().join("uptime"), "1").unwrap();
        assert_eq!(
            proc.found(Some(SHELL)),
            "bash (pid 100), env -i (x) (pid 101), sleep (pid 102)"
        );
        assert_eq!(proc.found(None), "bash (pid 100), sleep (pid 102)");
    }

    #[test]
    fn a_recycled_number_makes_nobody_an_orphan() {
        // The shell's number leads somebody else's session now.
        let proc = Proc::new()
            .with(100, "vim", 100, 900, 0)
            .with(101, "child", 100, 901, 2);
        assert_eq!(proc.found(Some(SHELL)), "");
        // Its session has a member left, but who led it is gone: no proof without the mark.
        let proc = Proc::new()
            .with(101, "nobody knows", 100, 60, 0)
            .with(102, "ours", 100, 60, 1);
        assert_eq!(proc.found(Some(SHELL)), "ours (pid 102)");
    }

    #[test]
    fn many_are_counted() {
        let mut proc = Proc::new();
        for pid in 200..211 {
            proc = proc.with(pid, "x", pid, 60, 1);
        }
        let found = proc.found(None);
        assert!(found.ends_with("x (pid 207), and 3 more"), "{found}");
    }
}
