//! How a world ends: faults stop, everybody finishes, then each user receives what it has not
//! got, and all of it must be there.

use std::time::Duration;

use outlast_protocol::id::Seq;
use outlast_protocol::link::AttachMode;
use outlast_protocol::session::Buffering;

use crate::channel::Remote;
use crate::cli::Ask;
use crate::violation::{Violation, ensure};
use crate::world::World;

/// A calm world that takes longer is stuck.
const PATIENCE: Duration = Duration::from_secs(4 * 3600);

impl World {
    /// Nothing can happen at this moment: begins the end, or its next part, when it is time.
    /// Returns whether something can happen now.
    pub fn begin_finale(&mut self) -> Result<bool, Violation> {
        let users = 0..self.users.len();
        let asked = self.users.iter().all(|user| user.asks.is_empty());
        let quiet = users.clone().all(|user| self.is_quiet(user));
        match self.finale {
            None => {
                if (asked && quiet) || self.step >= self.plan.fault_steps {
                    self.calm_down();
                    return Ok(true);
                }
                Ok(false)
            }
            Some(at) => {
                let late = self.now.saturating_sub(self.finale_since) > PATIENCE;
                ensure(!late, || format!("stuck: {}", self.state_in_words()))?;
                if !(asked && quiet) {
                    return Ok(false);
                }
                self.finish_part(at)?;
                let over = self.computer.is_broken() || self.computer.removed;
                let next = if over {
                    2usize.saturating_mul(self.users.len()).saturating_add(1)
                } else {
                    at.saturating_add(1)
                };
                self.finale = Some(next);
                if over {
                    self.judge_the_dead()?;
                } else {
                    self.begin_part(next);
                }
                Ok(true)
            }
        }
    }

    fn calm_down(&mut self) {
        self.trace
            .say(self.step, self.now, "the world calms down".to_owned());
        self.finale = Some(0);
        self.finale_since = self.now;
        self.mend = self.mend.map(|_| self.now);
        self.host_frozen = Duration::ZERO;
        let block = self.plan.policy.buffering == Buffering::Block;
        for user in &mut self.users {
            user.frozen = Duration::ZERO;
            if block && user.mux.holds() && !user.mux.watches() {
                // A command whose command line is gone waits for somebody to receive.
                let receive = Ask::Receive {
                    follow: true,
                    from_start: false,
                };
                user.asks.push_front((receive, true));
            }
        }
        for cli in &mut self.clis {
            cli.frozen = Duration::ZERO;
            // Who watches a command that waits for somebody to receive would wait with it.
            let watches = self.users.get(cli.user).is_some_and(|it| it.mux.watches());
            if block && watches && !cli.is_done() {
                cli.kill();
            }
        }
        for channel in self.channels.values_mut() {
            channel.up.stalled = channel.up.stalled.min(self.now);
            channel.down.stalled = channel.down.stalled.min(self.now);
        }
    }

    fn begin_part(&mut self, part: usize) {
        let (at, receives) = (part.saturating_sub(1) / 2, part % 2 == 1);
        self.due = self.computer.ledger.last();
        let last = at.saturating_add(1) == self.users.len();
        let Some(user) = self.users.get_mut(at) else {
            return;
        };
        let asks = if receives {
            let receive = Ask::Receive {
                follow: true,
                from_start: false,
            };
            vec![Ask::Disconnect, Ask::Connect(AttachMode::Steal), receive]
        } else if last && self.plan.removes {
            vec![Ask::Remove]
        } else {
            vec![Ask::Disconnect]
        };
        user.asks.extend(asks.into_iter().map(|ask| (ask, false)));
    }

    fn finish_part(&self, part: usize) -> Result<(), Violation> {
        let (at, received) = (part.saturating_sub(1) / 2, part % 2 == 1);
        let Some(user) = self.users.get(at).filter(|_| received) else {
            return Ok(());
        };
        let mut seq = Seq::FIRST;
        while seq <= self.due {
            ensure(user.mux.got.has(seq), || {
                let entry = self.computer.ledger.entry(seq);
                format!("delivery: user {at} was never given {seq:?} ({entry:?}), nor a gap for it")
            })?;
            seq = seq.next();
        }
        for (id, course) in self.computer.ledger.courses() {
            let ran = self.computer.ledger.has_run(course.command);
            ensure(!ran || course.outcome.is_some(), || {
                format!("{id} ran and has no outcome")
            })?;
        }
        Ok(())
    }

    /// What clients got of a session whose host was killed is in what the host left.
    fn judge_the_dead(&self) -> Result<(), Violation> {
        let Some(recovered) = self.recovered else {
            return Ok(());
        };
        for (at, user) in self.users.iter().enumerate() {
            let beyond = recovered.next();
            ensure(!user.mux.got.has(beyond), || {
                format!("user {at} was given {beyond:?}, which a killed host's log lacks")
            })?;
        }
        Ok(())
    }

    /// Whether a link of the host is there at all, for a scenario that wants to hit one.
    #[must_use]
    pub fn has_host_link(&self) -> bool {
        let mut channels = self.channels.values();
        channels.any(|channel| matches!(channel.remote, Remote::Host(_)))
    }
}
