//! What the host does.

use super::{Action, READ};
use crate::channel::{Channel, Remote};
use crate::shell::Act;
use crate::violation::{Violation, ensure};
use crate::world::World;

impl World {
    pub(super) fn shell(&mut self, act: Act) -> Result<(), Violation> {
        let now = self.now;
        let (random, computer) = (&mut self.random, &mut self.computer);
        match &mut computer.process {
            Some(process) => {
                let ledger = &mut computer.ledger;
                process.shell.act(act, &process.host, now, random, ledger)?;
                if let Some(visit) = process.shell.shown_out.take() {
                    let holder = process.host.info().holder.map(|holder| holder.client);
                    let disturbed = |user: usize| {
                        let own = self.users.get(user).map(|user| user.mux.client);
                        let mut clis = self.clis.iter();
                        (holder.is_some() && holder != own)
                            || clis.any(|cli| !cli.is_done() && cli.disturbs(user))
                    };
                    ledger.visits.shown_out(visit, now, &disturbed)?;
                }
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The session's files go, then its links.
    pub(super) fn exit(&mut self) -> Result<(), Violation> {
        for channel in self.channels.values_mut() {
            if let Remote::Host(link) = &mut channel.remote {
                link.fill();
                end_link(channel);
            }
        }
        self.trace
            .say(self.step, self.now, "the host ends".to_owned());
        self.computer.remove()
    }

    pub(super) fn host(&mut self, action: Action, id: u32) -> Result<(), Violation> {
        let now = self.now;
        let most = self.random.size(self.plan.chunk.min(READ));
        let most = usize::try_from(most).unwrap_or_default();
        let most = self.up_to_cut(0, most);
        let Some(channel) = self.channels.get_mut(&id) else {
            return Ok(());
        };
        let readable = channel.up.is_readable(now) && !channel.up.is_empty();
        let Remote::Host(link) = &mut channel.remote else {
            return Ok(());
        };
        let before = self.computer.process.as_ref().map(|it| it.host.active());
        let mut over = false;
        let mut carried = [0, 0];
        match action {
            Action::HostReads(_) => {
                let bytes = channel.up.read(most);
                carried[0] = bytes.len() as u64;
                if bytes.is_empty() {
                    over = channel.up.is_ended();
                } else {
                    link.handle_input(&bytes);
                }
            }
            Action::HostWrites(_) => {
                let mut bytes = Vec::new();
                link.write(channel.down.room().min(most.max(1)), &mut bytes);
                channel.down.write(&bytes);
                over = channel.down.broken;
            }
            Action::HostTick(_) => over = link.handle_timeout(readable),
            _ => channel.bell = false,
        }
        if !over {
            link.fill();
            ensure(link.waiting() <= 2 * 1024 * 1024, || {
                format!("a link's outbox holds {} bytes", link.waiting())
            })?;
        }
        if over || link.is_over() {
            end_link(channel);
        }
        let user = channel.mux;
        self.passed(0, carried[0], id);
        self.fenced(before, user)
    }

    /// Only the client that holds the session can have got a command accepted.
    pub(super) fn fenced(&self, before: Option<u32>, user: usize) -> Result<(), Violation> {
        let Some(process) = &self.computer.process else {
            return Ok(());
        };
        if before.is_none_or(|before| process.host.active() <= before) {
            return Ok(());
        }
        let holder = process.host.info().holder.map(|holder| holder.client);
        let client = self.users.get(user).map(|user| user.mux.client);
        // A link that said both a command and its farewell at once leaves nobody as holder.
        ensure(holder.is_none() || holder == client, || {
            format!("fencing: a command of user {user} was accepted while {holder:?} holds it")
        })
    }
}

/// The host lets go of a channel.
pub fn end_link(channel: &mut Channel) {
    if let Remote::Host(link) = std::mem::replace(&mut channel.remote, Remote::Gone) {
        let left = link.end();
        channel.up.hang_up();
        if left.is_empty() || channel.down.broken {
            channel.leave();
        } else {
            channel.remote = Remote::Farewell(left.into());
        }
    }
}
