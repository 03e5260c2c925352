//! What can happen next.

use std::time::Duration;

use super::Action;
use crate::channel::Remote;
use crate::cli::{Ask, State};
use crate::world::World;

impl World {
    /// Lists what can happen now.
    pub fn list(&mut self, actions: &mut Vec<Action>) {
        let now = self.now;
        if self.host_frozen <= now {
            self.list_host(actions);
        }
        let channels = &mut self.channels;
        for (id, channel) in channels.iter_mut() {
            match &mut channel.remote {
                Remote::Starting | Remote::Passing(_) => actions.push(Action::Relay(*id)),
                Remote::Relay(_) => {
                    if channel.up.is_readable(now) {
                        actions.push(Action::Relay(*id));
                    }
                    if channel.patience <= now {
                        actions.push(Action::RelayTick(*id));
                    }
                }
                Remote::Farewell(_) if channel.down.room() > 0 || channel.down.broken => {
                    actions.push(Action::Farewell(*id));
                }
                _ => {}
            }
        }
        for at in 0..self.users.len() {
            self.list_user(at, actions);
        }
        for (at, cli) in self.clis.iter().enumerate() {
            if cli.frozen > now || cli.is_done() {
                continue;
            }
            match cli.state {
                // What a dead mux had said is read before another one is asked.
                _ if !cli.from_mux.is_empty() => actions.push(Action::Reads(at)),
                State::Asks(when) if when <= now => actions.push(Action::Asks(at)),
                _ => {}
            }
            if cli.can_give() {
                actions.push(Action::Gives(at));
            }
        }
        if self.mend.is_some_and(|mend| mend <= now) {
            actions.push(Action::Mends);
        }
    }

    fn list_host(&mut self, actions: &mut Vec<Action>) {
        let now = self.now;
        if let Some(process) = &mut self.computer.process {
            let mut acts = Vec::new();
            process.shell.acts(&process.host, now, &mut acts);
            actions.extend(acts.into_iter().map(Action::Shell));
            if process.host.life_rung() {
                process.look = Some(Duration::ZERO);
            }
            if process.look.is_some_and(|look| look <= now) {
                actions.push(Action::Life);
            }
            if process.host.is_settled() {
                actions.push(Action::Exit);
            }
            let nobody = process.shell.asks() && !self.users.iter().any(|it| it.mux.can_ask());
            if self.finale.is_some() && (process.shell.starves().is_some() || nobody) {
                actions.push(Action::Kill);
            }
        }
        for (id, channel) in &mut self.channels {
            let Remote::Host(link) = &mut channel.remote else {
                continue;
            };
            channel.bell |= link.rung();
            if channel.bell {
                actions.push(Action::Look(*id));
            }
            if channel.up.is_readable(now) {
                actions.push(Action::HostReads(*id));
            }
            if link.waiting() > 0 && (channel.down.room() > 0 || channel.down.broken) {
                actions.push(Action::HostWrites(*id));
            }
            if link.poll_timeout() <= now {
                actions.push(Action::HostTick(*id));
            }
        }
    }

    fn list_user(&mut self, at: usize, actions: &mut Vec<Action>) {
        let now = self.now;
        let quiet = self.is_quiet(at);
        let born = self.computer.opened > 0;
        let process = self.computer.process.as_ref();
        let busy = self.plan.patient && process.is_some_and(|it| it.host.active() > 0);
        let Some(user) = self.users.get_mut(at) else {
            return;
        };
        if let Some((ask, parallel)) = user.asks.front()
            && (at == 0 || born)
            && !(busy && matches!(ask, Ask::Receive { .. }))
            && (quiet || *parallel)
        {
            actions.push(Action::Begins(at));
        }
        if !user.mux.alive || user.frozen > now {
            return;
        }
        if user.mux.wants_channel() {
            actions.push(Action::Open(at));
        }
        let channel = user.mux.channel().and_then(|id| self.channels.get(&id));
        if let Some(channel) = channel {
            if channel.down.is_readable(now) {
                actions.push(Action::MuxReads(at));
            }
            let waits = user.mux.outbox().is_some_and(|outbox| !outbox.is_empty());
            if waits && (channel.up.room() > 0 || channel.up.broken) {
                actions.push(Action::MuxWrites(at));
            }
        }
        let flushing = user.mux.flushing.keys();
        actions.extend(flushing.map(|id| Action::MuxFlushes(at, *id)));
        if user.mux.until().is_some_and(|until| until <= now) {
            actions.push(Action::MuxTick(at));
        }
        if user.mux.is_ready(&self.clis) {
            actions.push(Action::MuxGoes(at));
        }
        if self.plan.saves && user.mux.is_unsaved() {
            actions.push(Action::MuxSaves(at));
        }
    }
}
