//! What can happen next, and doing it.

mod client;
mod host;
mod list;
mod relay;

pub use self::host::end_link;
use crate::shell::Act;
use crate::violation::Violation;
use crate::world::World;

/// Something that can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The shell does something.
    Shell(Act),
    /// Somebody on the computer kills a command that would run for ever.
    Kill,
    /// The host looks whether the session is over.
    Life,
    /// The host ends: nobody wants anything of it any more.
    Exit,
    /// A link of the host looks because the session changed.
    Look(u32),
    /// It reads.
    HostReads(u32),
    /// It writes.
    HostWrites(u32),
    /// Its time is up.
    HostTick(u32),
    /// The relay goes on.
    Relay(u32),
    /// The relay gives up.
    RelayTick(u32),
    /// The last bytes of a link that is over.
    Farewell(u32),
    /// A mux's channel is opened.
    Open(usize),
    /// It reads.
    MuxReads(usize),
    /// It writes.
    MuxWrites(usize),
    /// It writes to a link that is over.
    MuxFlushes(usize, u32),
    /// Its time is up.
    MuxTick(usize),
    /// It goes on with the affairs of command lines.
    MuxGoes(usize),
    /// It saves what was received.
    MuxSaves(usize),
    /// A command line asks.
    Asks(usize),
    /// It reads and writes out.
    Reads(usize),
    /// It reads its own standard input.
    Gives(usize),
    /// A user begins the next command line.
    Begins(usize),
    /// The disk works again.
    Mends,
}

impl Action {
    /// What tells it from others, for a hash.
    #[must_use]
    pub fn numbers(&self) -> [u64; 3] {
        let number = |at: usize| at as u64;
        match *self {
            Self::Shell(act) => match act {
                Act::Turn => [1, 0, 0],
                Act::Write(at) => [1, 1, number(at)],
                Act::Drain(at) => [1, 2, number(at)],
                Act::Late(at) => [1, 3, number(at)],
                Act::Feed => [1, 4, 0],
                Act::Read => [1, 5, 0],
                Act::End => [1, 6, 0],
                Act::Complete => [1, 7, 0],
                Act::TimeOut => [1, 8, 0],
                Act::Ask => [1, 9, 0],
                Act::Type => [1, 10, 0],
                Act::Say => [1, 11, 0],
                Act::Leave => [1, 12, 0],
            },
            Self::Kill => [2, 0, 0],
            Self::Life => [3, 0, 0],
            Self::Exit => [4, 0, 0],
            Self::Look(id) => [5, id.into(), 0],
            Self::HostReads(id) => [6, id.into(), 0],
            Self::HostWrites(id) => [7, id.into(), 0],
            Self::HostTick(id) => [8, id.into(), 0],
            Self::Relay(id) => [9, id.into(), 0],
            Self::RelayTick(id) => [10, id.into(), 0],
            Self::Farewell(id) => [11, id.into(), 0],
            Self::Open(user) => [12, number(user), 0],
            Self::MuxReads(user) => [13, number(user), 0],
            Self::MuxWrites(user) => [14, number(user), 0],
            Self::MuxFlushes(user, id) => [15, number(user), id.into()],
            Self::MuxTick(user) => [16, number(user), 0],
            Self::MuxGoes(user) => [17, number(user), 0],
            Self::MuxSaves(user) => [18, number(user), 0],
            Self::Asks(at) => [19, number(at), 0],
            Self::Reads(at) => [20, number(at), 0],
            Self::Gives(at) => [21, number(at), 0],
            Self::Begins(user) => [22, number(user), 0],
            Self::Mends => [23, 0, 0],
        }
    }
}

/// Bytes a process reads at once.
const READ: u64 = 64 * 1024;

impl World {
    /// Does it.
    pub fn perform(&mut self, action: Action) -> Result<(), Violation> {
        match action {
            Action::Shell(act) => self.shell(act),
            Action::Kill => {
                if let Some(process) = &mut self.computer.process {
                    process.shell.kill();
                }
                Ok(())
            }
            Action::Life => {
                if let Some(process) = &mut self.computer.process {
                    process.look = process.host.look_at_life();
                }
                Ok(())
            }
            Action::Exit => self.exit(),
            Action::Look(id)
            | Action::HostReads(id)
            | Action::HostWrites(id)
            | Action::HostTick(id) => self.host(action, id),
            Action::Relay(id) => self.relay(id),
            Action::RelayTick(id) => {
                if let Some(channel) = self.channels.get_mut(&id) {
                    channel.leave();
                }
                Ok(())
            }
            Action::Farewell(id) => {
                self.farewell(id);
                Ok(())
            }
            Action::Begins(user) => {
                let ask = self.users.get_mut(user).and_then(|it| it.asks.pop_front());
                if let Some((ask, _)) = ask {
                    self.trace.say(
                        self.step,
                        self.now,
                        format!("user {user}: {}", crate::world::words(&ask)),
                    );
                    self.begin(user, ask);
                }
                Ok(())
            }
            Action::Mends => {
                self.mend = None;
                self.computer.mend_disk()
            }
            Action::Asks(at) | Action::Reads(at) | Action::Gives(at) => self.cli(action, at),
            Action::Open(at)
            | Action::MuxReads(at)
            | Action::MuxWrites(at)
            | Action::MuxFlushes(at, _)
            | Action::MuxTick(at)
            | Action::MuxGoes(at)
            | Action::MuxSaves(at) => self.mux(action, at),
        }
    }
}
