//! How often the kernel has ended processes for want of memory: compared between the start of a
//! host and its end, it hints at why the host is gone.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Numbers of processes killed so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryKills {
    /// In the control group, if it counts.
    #[serde(default)]
    pub group: Option<GroupKills>,
    /// On the whole computer, since it was started.
    #[serde(default)]
    pub computer: Option<u64>,
}

/// Numbers of one control group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupKills {
    /// The file that counts.
    pub file: PathBuf,
    /// How many.
    pub count: u64,
}

/// What can be said of a process that was killed between two looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// The kernel killed in its control group.
    InGroup,
    /// The kernel killed somewhere on the computer, and nothing is known of its group.
    OnComputer,
    /// Nothing points there.
    None,
}

impl MemoryKills {
    /// As it is for this process.
    #[must_use]
    pub fn now() -> Self {
        Self::read(Path::new("/proc"), Path::new("/sys/fs/cgroup"))
    }

    fn read(proc: &Path, groups: &Path) -> Self {
        let own = fs::read_to_string(proc.join("self/cgroup")).unwrap_or_default();
        let group = group_files(&own, groups).into_iter().find_map(|file| {
            let count = count_in(&file)?;
            Some(GroupKills { file, count })
        });
        Self {
            group,
            computer: count_in(&proc.join("vmstat")),
        }
    }

    /// What happened since then.
    #[must_use]
    pub fn since(&self) -> Shortage {
        self.since_in(Path::new("/proc"))
    }

    fn since_in(&self, proc: &Path) -> Shortage {
        let now = self.group.as_ref().map(|group| count_in(&group.file));
        match (&self.group, now) {
            // The group knows best: it also counts when the whole computer was short.
            (Some(then), Some(Some(now))) if now > then.count => return Shortage::InGroup,
            (Some(_), Some(Some(_))) => return Shortage::None,
            _ => {}
        }
        match (self.computer, count_in(&proc.join("vmstat"))) {
            (Some(then), Some(now)) if now > then => Shortage::OnComputer,
            _ => Shortage::None,
        }
    }
}

/// Where the kernel may count for a process with these groups, in both of its layouts.
fn group_files(own: &str, groups: &Path) -> Vec<PathBuf> {
    let below =
        |base: PathBuf, path: &str, file: &str| base.join(path.trim_matches('/')).join(file);
    let mut files = Vec::new();
    for line in own.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        if controllers.is_empty() {
            files.push(below(groups.to_owned(), path, "memory.events"));
            files.push(below(groups.join("unified"), path, "memory.events"));
        } else if controllers.split(',').any(|name| name == "memory") {
            files.push(below(groups.join("memory"), path, "memory.oom_control"));
        }
    }
    files
}

fn count_in(file: &Path) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix("oom_kill "))
        .and_then(|count| count.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct World(tempfile::TempDir);

    impl World {
        fn new() -> Self {
            let world = Self(tempfile::tempdir().unwrap());
            world.write("proc/vmstat", "nr_free 1\noom_kill 4\noom_kill_x 9\n");
            world
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn read(&self) -> MemoryKills {
            MemoryKills::read(&self.0.path().join("proc"), &self.0.path().join("cgroup"))
        }

        fn since(&self, then: &MemoryKills) -> Shortage {
            then.since_in(&self.0.path().join("proc"))
        }
    }

    #[test]
    fn the_own_group_decides_where_it_counts() {
        let world = World::new();
        world.write("proc/self/cgroup", "0::/user.slice/a.scope\n");
        let events = "cgroup/user.slice/a.scope/memory.events";
        world.write(events, "low 0\noom 1\noom_kill 2\noom_group_kill 0\n");
        let then = world.read();
        assert_eq!(then.group.as_ref().map(|group| group.count), Some(2));
        assert_eq!(world.since(&then), Shortage::None);
        world.write("proc/vmstat", "oom_kill 5\n");
        assert_eq!(world.since(&then), Shortage::None, "it was elsewhere");
        world.write(events, "oom_kill 3\n");
        assert_eq!(world.since(&then), Shortage::InGroup);
        fs::remove_file(world.0.path().join(events)).unwrap();
        assert_eq!(world.since(&then), Shortage::OnComputer);
    }

    #[test]
    fn the_older_layout_is_read_too() {
        let world = World::new();
        world.write("proc/self/cgroup", "8:cpu:/x\n4:memory:/box/a\n0::/\n");
        let control = "cgroup/memory/box/a/memory.oom_control";
        world.write(control, "oom_kill_disable 0\nunder_oom 0\noom_kill 7\n");
        let then = world.read();
        assert_eq!(then.group.as_ref().map(|group| group.count), Some(7));
        world.write(control, "oom_kill_disable 0\noom_kill 8\n");
        assert_eq!(world.since(&then), Shortage::InGroup);
    }

    #[test]
    fn without_any_count_nothing_is_claimed() {
        let world = World(tempfile::tempdir().unwrap());
        let then = world.read();
        assert_eq!(then, MemoryKills::default());
        world.write("proc/vmstat", "oom_kill 5\n");
        assert_eq!(world.since(&then), Shortage::None);
    }
}
