//! The world of a round: one server, two client machines, a breakable network for each.

use std::path::{Path, PathBuf};

use outlast_tests::process::{self, Process};
use outlast_tests::{ClientMachine, Output, Proxy, Sshd};
use serde_json::Value;

use crate::plan::MACHINES;

/// What a client calls the server.
pub(crate) const SERVER: &str = "server";

pub(crate) struct Machine {
    pub(crate) client: ClientMachine,
    pub(crate) network: Proxy,
}

/// The clients go before the server.
pub(crate) struct Stage {
    pub(crate) machines: Vec<Machine>,
    pub(crate) sshd: Sshd,
    directory: tempfile::TempDir,
}

impl Stage {
    pub(crate) fn set() -> Self {
        let sshd = Sshd::start();
        let mut machines = Vec::new();
        for _ in 0..MACHINES {
            let client = ClientMachine::new();
            let network = Proxy::to(sshd.address());
            client.host(SERVER, &sshd).via(network.address()).add();
            machines.push(Machine { client, network });
        }
        let directory = tempfile::Builder::new()
            .prefix("outlast-chaos.")
            .tempdir()
            .expect("a temporary directory");
        let stage = Self {
            machines,
            sshd,
            directory,
        };
        // The sessions cannot see what lies below the real home, and a rebuilt program must not
        // change under a running round.
        let own = std::env::current_exe().expect("a program knows its own executable");
        std::fs::copy(own, stage.program()).expect("copying the job's program");
        stage
    }

    /// The program of the jobs, as everybody sees it.
    pub(crate) fn program(&self) -> PathBuf {
        self.directory.path().join("outlast-chaos")
    }

    /// Where the jobs of a session sign that they run.
    pub(crate) fn ledger(&self, session: &str) -> PathBuf {
        self.directory.path().join(format!("{session}.ledger"))
    }

    /// Where the lines typed into a session sign that they ran.
    pub(crate) fn visitors_book(&self, session: &str) -> PathBuf {
        self.directory.path().join(format!("{session}.typed"))
    }

    /// Where a machine keeps sessions of its own, without SSH.
    pub(crate) fn local_sessions(&self, machine: usize) -> PathBuf {
        self.machines[machine]
            .client
            .home()
            .join(".local/state/outlast")
    }
}

/// `outlast` run to its end, in calm.
pub(crate) fn calmly(machine: &Machine, words: &[&str]) -> Result<Output, String> {
    let output = machine.client.outlast(words);
    if output.status.success() {
        Ok(output)
    } else {
        Err(format!("in calm, this has to succeed:\n{output}"))
    }
}

pub(crate) fn json(output: &Output) -> Result<Vec<Value>, String> {
    match serde_json::from_slice(&output.stdout) {
        Ok(Value::Array(values)) => Ok(values),
        other => Err(format!("expected a JSON array, got {other:?}\n{output}")),
    }
}

/// The machine's mux; two for a moment where one has just been killed.
pub(crate) fn muxes(machine: &Machine) -> Vec<Process> {
    let mut found = machine.client.processes();
    found.retain(|process| {
        let mut words = process.command.split(' ');
        words.next().is_some_and(|word| word.ends_with("/outlast")) && words.next() == Some("mux")
    });
    found
}

/// The machine's own relays: children of its mux.
pub(crate) fn local_relays(machine: &Machine) -> Vec<Process> {
    let mut found = machine.client.processes();
    found.retain(|process| process.command.ends_with("outlast-subsystem"));
    found
}

/// The hosts of a machine's own sessions.
pub(crate) fn local_hosts(machine: &Machine) -> Vec<Process> {
    let mut found = machine.client.processes();
    found.retain(|process| {
        let mut words = process.command.split(' ');
        let program = words
            .next()
            .is_some_and(|word| word.ends_with("outlast-subsystem"));
        program && words.next() == Some("host")
    });
    found
}

/// Open descriptors of a process; none once it has gone. The log's current file is open only
/// when there was something to write, and does not count.
pub(crate) fn descriptors(pid: u32) -> Option<usize> {
    let all = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    let links = all
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.path()).ok());
    Some(
        links
            .filter(|link| link.extension().is_none_or(|ending| ending != "seg"))
            .count(),
    )
}

/// The most memory a process ever had, in KiB.
pub(crate) fn peak_memory_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

/// Waits until nothing of a directory's sessions is left; says what is.
pub(crate) fn nothing_left(directory: &Path) -> Result<(), String> {
    let directory = directory.to_owned();
    let looked = std::panic::catch_unwind(|| outlast_tests::leftovers::wait_none_below(&directory));
    looked.map_err(|panic| words_of(&panic))
}

/// What a panic said.
pub(crate) fn words_of(panic: &Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic without words".to_owned())
}

/// Kills the one of these on which the number falls.
pub(crate) fn kill_one(processes: &[Process], which: usize) -> bool {
    let chosen = which
        .checked_rem(processes.len())
        .map(|at| processes[at].pid);
    if let Some(pid) = chosen {
        process::kill9(pid);
    }
    chosen.is_some()
}
