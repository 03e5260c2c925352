//! Who is of which version.

use outlast_tests::{ClientMachine, Output, Sshd, Subsystem, binaries, process};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Old,
    New,
}

#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) client: Version,
    pub(crate) relay: Version,
    pub(crate) host: Version,
}

/// One computer with two ways in: a relay starts hosts with its own program, so the session is
/// made through one of the host's version, and used through the other.
pub(crate) struct Stage {
    /// The client the pair is about; it knows only `server`.
    pub(crate) client: ClientMachine,
    /// Of the host's version; it knows only `maker`.
    pub(crate) maker: ClientMachine,
    pub(crate) server: Sshd,
    made_through: Sshd,
}

impl Stage {
    pub(crate) fn set(pair: &Pair) -> Self {
        let made_through = Sshd::builder().subsystem(subsystem(pair.host)).start();
        let server = Sshd::builder()
            .subsystem(subsystem(pair.relay))
            .sessions_of(&made_through)
            .start();
        let client = ClientMachine::knowing("server", &server);
        let maker = ClientMachine::knowing("maker", &made_through);
        Self {
            client: client.with_program(program(pair.client)),
            maker: maker.with_program(program(pair.host)),
            server,
            made_through,
        }
    }

    /// Insists that the session is gone and that nobody is left.
    pub(crate) fn strike(self) {
        self.made_through.wait_nothing_left();
        for machine in [&self.client, &self.maker] {
            run(machine, &["mux", "stop"]).success();
            for process in machine.processes() {
                process::wait_gone(process.pid);
            }
        }
    }
}

fn subsystem(version: Version) -> Subsystem {
    match version {
        Version::Old => Subsystem::Old,
        Version::New => Subsystem::Built,
    }
}

fn program(version: Version) -> std::path::PathBuf {
    match version {
        Version::Old => binaries::old_outlast(),
        Version::New => binaries::outlast(),
    }
}

#[track_caller]
pub(crate) fn run(machine: &ClientMachine, args: &[&str]) -> Output {
    let output = machine.outlast(args);
    output.no_panic();
    output
}
