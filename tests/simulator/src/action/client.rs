//! What muxes and command lines do.

use super::{Action, READ};
use crate::channel::Channel;
use crate::cli::{Ask, Failure, State};
use crate::violation::{Violation, ensure};
use crate::world::World;

impl World {
    pub(super) fn mux(&mut self, action: Action, at: usize) -> Result<(), Violation> {
        let now = self.now;
        let share = f64::from(u32::try_from(self.random.below(1 << 20)).unwrap_or_default())
            / f64::from(1 << 20);
        let turn = self.random.index(64);
        let most = self.random.size(self.plan.chunk.min(READ));
        let most = usize::try_from(most).unwrap_or_default();
        let most = self.up_to_cut(1, most);
        let (Some(user), clis) = (self.users.get_mut(at), &mut self.clis) else {
            return Ok(());
        };
        match action {
            Action::Open(_) => {
                self.opened = self.opened.saturating_add(1);
                let id = self.opened;
                let capacity = self.plan.capacity;
                self.channels.insert(id, Channel::new(at, capacity, now));
                user.mux.opened(id, now);
                self.trace
                    .say(self.step, now, format!("user {at}: channel {id}"));
                Ok(())
            }
            Action::MuxReads(_) => {
                let Some(id) = user.mux.channel() else {
                    return Ok(());
                };
                let Some(channel) = self.channels.get_mut(&id) else {
                    return Ok(());
                };
                let bytes = channel.down.read(most);
                let count = bytes.len() as u64;
                if bytes.is_empty() && !channel.down.is_ended() {
                    return Ok(());
                }
                user.mux.input(&bytes, now, share, clis)?;
                self.passed(1, count, id);
                Ok(())
            }
            Action::MuxWrites(_) => {
                let channel = user.mux.channel().and_then(|id| self.channels.get_mut(&id));
                let Some(channel) = channel else {
                    return Ok(());
                };
                if channel.up.broken {
                    return user.mux.lost(None, now, share, clis);
                }
                if let Some(outbox) = user.mux.outbox() {
                    write(outbox, &mut channel.up);
                }
                Ok(())
            }
            Action::MuxFlushes(_, id) => {
                let channel = self.channels.get_mut(&id);
                let Some(outbox) = user.mux.flushing.get_mut(&id) else {
                    return Ok(());
                };
                let gone = channel.is_none_or(|channel| {
                    write(outbox, &mut channel.up);
                    channel.up.broken
                });
                if outbox.is_empty() || gone {
                    user.mux.flushing.remove(&id);
                    user.mux.dropped.push(id);
                }
                Ok(())
            }
            Action::MuxTick(_) => user.mux.tick(now, share, clis),
            Action::MuxGoes(_) => user.mux.go(turn, now, clis),
            _ => {
                user.mux.save();
                Ok(())
            }
        }
    }

    pub(super) fn cli(&mut self, action: Action, at: usize) -> Result<(), Violation> {
        let now = self.now;
        let losses = self.computer.losses();
        let several = self.users.len() > 1;
        let Some(cli) = self.clis.get_mut(at) else {
            return Ok(());
        };
        let index = cli.user;
        let Some(user) = self.users.get_mut(index) else {
            return Ok(());
        };
        match action {
            Action::Asks(_) => {
                if !cli.begin() {
                    return Ok(());
                }
                if !user.mux.alive {
                    user.mux.start();
                }
                user.mux.ask(at, &mut self.clis, now);
                Ok(())
            }
            Action::Reads(_) => {
                let most = self.random.index(8).saturating_add(1);
                let ledger = &mut self.computer.ledger;
                cli.read(most, ledger, losses, &mut user.mux.got)?;
                if let State::Done(result) = &cli.state {
                    let disturbances = &mut ledger.visits.disturbances;
                    *disturbances =
                        disturbances.saturating_add(u64::from(several || cli.ask.disturbs()));
                    self.trace
                        .say(self.step, now, format!("command line {at}: {result:?}"));
                    self.lawful(at)?;
                }
                Ok(())
            }
            _ => {
                cli.give(&mut self.random);
                Ok(())
            }
        }
    }

    /// Whether a command line had a reason to fail.
    fn lawful(&mut self, at: usize) -> Result<(), Violation> {
        let Some(cli) = self.clis.get(at) else {
            return Ok(());
        };
        let State::Done(Err(failure)) = &cli.state else {
            return Ok(());
        };
        // A session that has ended and was received is gone, also for those who come later.
        ensure(!self.is_calm() || self.computer.removed, || {
            format!("command line {at} failed in a calm world: {failure:?}")
        })?;
        if *failure == Failure::Stolen {
            ensure(self.users.len() > 1, || "stolen by nobody".to_owned())?;
        }
        // A session must be had: the user tries again, with the same ID.
        if let (Ask::New(_), Failure::Unreachable) = (&cli.ask, failure) {
            let (ask, user) = (cli.ask.clone(), cli.user);
            if let Some(user) = self.users.get_mut(user) {
                user.asks.push_front((ask, false));
            }
        }
        Ok(())
    }
}

/// Writes what fits.
fn write(outbox: &mut std::collections::VecDeque<bytes::Bytes>, pipe: &mut crate::channel::Pipe) {
    while let Some(front) = outbox.front_mut() {
        let count = pipe.room().min(front.len());
        let piece = front.split_to(count);
        pipe.write(&piece);
        if !front.is_empty() {
            return;
        }
        outbox.pop_front();
    }
}
