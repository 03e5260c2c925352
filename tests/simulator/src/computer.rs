//! The remote computer: the session's host with its shell, and the directory that outlives it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use outlast_protocol::id::Seq;
use outlast_protocol::link::connection::hello;
use outlast_protocol::link::to_host::Create;
use outlast_protocol::session::Buffering;
use outlast_rendezvous::PrivateDirectory;
use outlast_subsystem::host::simulation::{Host, VirtualClock};
use outlast_subsystem::log::{Cursor, From, Log, MAX_PAYLOAD, Policy, RecordKind};

use crate::ledger::Ledger;
use crate::shell::Shell;
use crate::view::{Losses, View};
use crate::violation::{Violation, ensure};

/// Wall-clock time at which every world begins, in Unix milliseconds.
const EPOCH_MS: u64 = 1_700_000_000_000;

/// A host process.
pub struct Process {
    /// The session.
    pub host: Host,
    /// Its shell.
    pub shell: Shell,
    /// When the keeper of its life wants to look again.
    pub look: Option<Duration>,
    witness: Cursor,
    /// Sees what the terminal shows.
    viewer: Cursor,
}

/// The computer.
pub struct Computer {
    /// Its clock.
    pub clock: VirtualClock,
    /// Milliseconds by which its wall clock was set wrong.
    pub wall_offset: i64,
    /// The host, while it lives.
    pub process: Option<Process>,
    /// Everything the session ever recorded.
    pub ledger: Ledger,
    /// Hosts that were started for the session.
    pub opened: u32,
    /// The session is over and its files are gone.
    pub removed: bool,
    /// The log's bounds.
    pub policy: Policy,
    /// Whether the disk has failed or lost something.
    pub disk_failed: bool,
    /// Records below this number are gone from the log.
    pub dropped_below: Seq,
    root: PathBuf,
}

fn broken(error: impl std::fmt::Display) -> Violation {
    Violation(format!("the world itself broke: {error}"))
}

impl Computer {
    /// A computer whose sessions live under `root`.
    #[must_use]
    pub fn new(root: &Path, policy: Policy) -> Self {
        let computer = Self {
            clock: VirtualClock::default(),
            wall_offset: 0,
            process: None,
            ledger: Ledger::default(),
            opened: 0,
            removed: false,
            policy,
            disk_failed: false,
            dropped_below: Seq(0),
            root: root.to_owned(),
        };
        computer.set_time(Duration::ZERO);
        computer
    }

    /// Lets it be `now`.
    pub fn set_time(&self, now: Duration) {
        let ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let wall = EPOCH_MS.saturating_add(ms);
        self.clock
            .set(now, wall.saturating_add_signed(self.wall_offset));
    }

    fn directory(&self) -> PathBuf {
        self.root.join("session")
    }

    /// Starts the session's host, as a relay does for a request to make it.
    pub fn open(&mut self, create: &Create) -> Result<(), Violation> {
        self.opened = self.opened.saturating_add(1);
        ensure(self.opened == 1, || {
            "at-most-once: a second host was started for one session".to_owned()
        })?;
        let directory = PrivateDirectory::open_or_create(self.directory()).map_err(broken)?;
        let greeting = hello("outlast-subsystem/0", "u", "db1");
        let host = Host::open(&directory, create, self.policy, &self.clock, greeting);
        let host = host.map_err(broken)?;
        let (witness, viewer) = (host.witness(), host.terminal_witness());
        self.process = Some(Process {
            host,
            shell: Shell::default(),
            look: Some(Duration::ZERO),
            witness,
            viewer,
        });
        Ok(())
    }

    /// Whether the session was made and its host died.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.opened > 0 && self.process.is_none() && !self.removed
    }

    /// Enters into the ledger what was recorded since, and looks at the bounds.
    pub fn witness(&mut self) -> Result<(), Violation> {
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        let mut news = false;
        while let Some(record) = process.host.see(&mut process.witness).map_err(broken)? {
            news = true;
            self.ledger.see(&record)?;
        }
        while let Some(record) = process
            .host
            .see_terminal(&mut process.viewer)
            .map_err(broken)?
        {
            self.ledger.shown.see(&record)?;
        }
        self.ledger.shown.first = process.host.terminal_first();
        self.ledger.turns.see(process.host.waiting())?;
        self.dropped_below = self.dropped_below.max(process.host.first());
        if news {
            self.bounded()?;
        }
        Ok(())
    }

    fn bounded(&self) -> Result<(), Violation> {
        let Some(process) = &self.process else {
            return Ok(());
        };
        let status = process.host.log_status();
        let memory = self.policy.memory_bytes.max(1024 * 1024) + 2 * MAX_PAYLOAD;
        // A blocked command's records are never dropped; what was in its pipes still comes.
        let block = self.policy.buffering == Buffering::Block;
        ensure(status.memory_bytes <= memory || block, || {
            format!("the log takes {} bytes of memory", status.memory_bytes)
        })?;
        let most = self.policy.quota_bytes.max(4 * 4096) + 2 * MAX_PAYLOAD as u64;
        ensure(status.disk_bytes <= most || block, || {
            format!("the log takes {} bytes of disk", status.disk_bytes)
        })
    }

    /// What a consumer may find lost.
    #[must_use]
    pub fn losses(&self) -> Losses {
        Losses {
            dropped_below: self.dropped_below,
            keeps_unread: self.policy.buffering == Buffering::Block,
            disk_failed: self.disk_failed,
        }
    }

    /// The host process is killed. What it leaves behind is read as the next process would read
    /// it, and must be all there was. `torn` bytes never reached the disk: a power cut.
    pub fn crash(&mut self, torn: u64) -> Result<Option<Seq>, Violation> {
        let Some(process) = self.process.take() else {
            return Ok(None);
        };
        let left = self.root.join("left");
        copy(&self.directory(), &left).map_err(broken)?;
        // Its destructors run, on files nobody looks at any more.
        drop(process);
        if torn > 0 {
            tear(&left.join("spool"), torn).map_err(broken)?;
        }
        if self.policy.buffering == Buffering::Drop {
            return Ok(None);
        }
        self.recover(&left, torn > 0).map(Some)
    }

    fn recover(&self, left: &Path, torn: bool) -> Result<Seq, Violation> {
        let directory = PrivateDirectory::open(left).map_err(broken)?;
        let (mut log, _) = match Log::recover(&directory) {
            Ok(recovered) => recovered,
            // A spool that was deleted is not there to be read.
            Err(_) if self.disk_failed => return Ok(Seq(0)),
            Err(error) => return Err(broken(error)),
        };
        let losses = Losses {
            dropped_below: log.first().max(self.dropped_below),
            keeps_unread: false,
            disk_failed: self.disk_failed || torn,
        };
        let mut view = View::new(Seq(0), None);
        let mut cursor = log.cursor(From::Start);
        while let Some(record) = log.read(&mut cursor, MAX_PAYLOAD).map_err(broken)? {
            // Where files are missing at the front, nobody knows what was in them.
            let kind = match &record.kind {
                RecordKind::Gap(gap) if self.disk_failed => {
                    let mut gap = *gap;
                    gap.bytes = self.ledger.bytes_in(gap.first, record.seq);
                    RecordKind::Gap(gap)
                }
                other => other.clone(),
            };
            let told = (record.seq, record.invocation, &kind, &record.bytes[..]);
            view.deliver(&self.ledger, losses, told, &|_| false)?;
        }
        let last = view.covered();
        ensure(
            torn || self.disk_failed || last == self.ledger.last(),
            || {
                format!(
                    "a killed host's log ends at {last:?}, but {:?} was recorded",
                    self.ledger.last()
                )
            },
        )?;
        Ok(last)
    }

    /// Somebody deletes the log's files under the host.
    pub fn lose_spool(&mut self) -> Result<(), Violation> {
        let spool = self.directory().join("spool");
        if spool.is_dir() {
            self.disk_failed = true;
            std::fs::remove_dir_all(&spool).map_err(broken)?;
        }
        Ok(())
    }

    /// The disk takes nothing more, until [`Self::mend_disk`].
    pub fn break_disk(&mut self) -> Result<(), Violation> {
        self.lose_spool()?;
        let spool = self.directory().join("spool");
        if self.disk_failed && !spool.exists() {
            std::fs::write(&spool, b"in the way").map_err(broken)?;
        }
        Ok(())
    }

    /// The disk takes data again.
    pub fn mend_disk(&mut self) -> Result<(), Violation> {
        let spool = self.directory().join("spool");
        if spool.is_file() {
            std::fs::remove_file(&spool).map_err(broken)?;
        }
        Ok(())
    }

    /// Forgets the session: its end was received.
    pub fn remove(&mut self) -> Result<(), Violation> {
        self.process = None;
        self.removed = true;
        std::fs::remove_dir_all(self.directory()).map_err(broken)
    }
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().mode(0o700).create(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Cuts the last segment short.
fn tear(spool: &Path, bytes: u64) -> std::io::Result<()> {
    if !spool.is_dir() {
        return Ok(());
    }
    let mut names: Vec<PathBuf> = std::fs::read_dir(spool)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    names.sort();
    if let Some(last) = names.last() {
        let file = std::fs::OpenOptions::new().write(true).open(last)?;
        let length = file.metadata()?.len();
        file.set_len(length.saturating_sub(bytes))?;
    }
    Ok(())
}
