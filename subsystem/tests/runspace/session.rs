//! What a shell has started, which ends with the bench, and also when a test panics.

use rustix::process::{Pid, Signal, kill_process};

/// The session of a shell: its leader's process id.
pub(crate) struct Session(u32);

impl Session {
    pub(crate) fn of(shell: u32) -> Self {
        Self(shell)
    }

    /// The processes of the session that have not ended.
    fn members(&self) -> Vec<Pid> {
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers = processes.filter_map(|it| it.file_name().to_str()?.parse().ok());
        numbers
            .filter(|pid| self.has(*pid))
            .filter_map(Pid::from_raw)
            .collect()
    }

    fn has(&self, pid: i32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Behind the program's name, which may contain anything: state, parent, group, session.
        let fields = stat.rsplit_once(')').map(|(_, rest)| rest);
        let mut fields = fields.unwrap_or_default().split_ascii_whitespace();
        let dead = matches!(fields.next(), None | Some("Z" | "X"));
        !dead && fields.nth(2).and_then(|it| it.parse().ok()) == Some(self.0)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // One may fork while they are looked for.
        for _ in 0..16 {
            let members = self.members();
            if members.is_empty() {
                return;
            }
            for pid in members {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}
