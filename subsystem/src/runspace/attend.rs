//! What a runspace looks after for a while: stops that may not have arrived, a lost driver.

use std::time::Duration;

use tokio::time::Instant;

use super::Runspace;
use super::invocation::Invocation;
use super::leftovers::{Leftovers, Meant};
use super::stop::{Level, Stop, Target};

impl Runspace {
    /// Presses ^C, for the shell and for its job: the invocation ends with 130 unless it has a
    /// trap of its own or the job goes on all the same. One call is enough.
    pub fn interrupt(&mut self) {
        self.want(Level::Interrupt);
    }

    /// Asks what the invocation runs to terminate. The shell goes on with the script.
    pub fn terminate(&mut self) {
        self.want(Level::Terminate);
    }

    /// Kills what the invocation runs, and ends it with 137: a few seconds later by killing the
    /// shell, if it must be.
    pub fn kill(&mut self) {
        self.want(Level::Kill);
    }

    /// What the stop is meant for is to be gone in time, also what outlives the invocation: it is
    /// asked to terminate so long behind that, and killed as long behind this. Said before the stop.
    pub fn insist(&mut self, pause: Duration) {
        self.insists = Some(pause);
    }

    fn want(&mut self, level: Level) {
        if self.invocation.is_some() && !self.shell.has_ended() {
            let foreground = self.terminal.foreground();
            self.meant = Some(Meant::by(level, self.driver, foreground, &self.began));
            self.stop = Some(Stop::new(level));
            self.act();
        } else {
            self.stop_visitors_job(level.signal());
        }
    }

    /// Whether the driver has said so. Before it has, a signal would hit the driver.
    pub(super) fn is_running(&self) -> bool {
        self.invocation.as_ref().is_some_and(Invocation::is_running)
    }

    /// Does what is due.
    pub(super) fn act(&mut self) {
        let is_running = self.is_running();
        let target = Target {
            shell: self.driver,
            terminal: &self.terminal,
            beginning: &self.began,
            sole: self.argv,
            nudges: self.engine.nudges(),
        };
        let now = Instant::now();
        if let Some(stop) = self.stop.as_mut().filter(|_| is_running)
            && stop.next() <= now
            && !stop.act(&target)
        {
            self.stop = None;
        }
        let pressed = self.stop.as_ref().is_some_and(Stop::pressed);
        if let Some(prompt) = self.prompt.as_mut()
            && prompt.next <= now
            && !(is_running && prompt.look(&target, self.engine.reenter(), pressed))
        {
            self.prompt = None;
        }
        self.look_for_prompt(now);
        self.look_for_question(now);
        if let Some(strays) = self.strays.as_mut()
            && strays.next <= now
            && !strays.act()
        {
            self.strays = None;
        }
        self.leftovers.retain_mut(|it| it.next > now || it.act());
    }

    /// The invocation has ended.
    pub(super) fn sweep(&mut self) {
        let target = Target {
            shell: self.driver,
            terminal: &self.terminal,
            beginning: &self.began,
            sole: self.argv,
            nudges: self.engine.nudges(),
        };
        if let Some(stop) = self.stop.take() {
            self.strays = stop.strays(&target);
        }
        if let (Some(meant), Some(pause)) = (self.meant.take(), self.insists.take()) {
            let left = Leftovers::of(meant, self.driver, pause);
            self.leftovers.extend(left);
        }
    }

    /// When something wants to be looked after.
    pub(super) fn next(&self) -> Option<Instant> {
        let stop = self.stop.as_ref().filter(|_| self.is_running());
        let stop = stop.map(Stop::next);
        let strays = self.strays.as_ref().map(|strays| strays.next);
        let prompt = self.prompt.as_ref().map(|prompt| prompt.next);
        let look = self.visiting.next_look();
        stop.into_iter()
            .chain(strays)
            .chain(self.leftovers.iter().map(|it| it.next))
            .chain(prompt)
            .chain(look)
            .chain(self.asking.next_look())
            .min()
    }
}

/// Waits until then.
pub(super) async fn due(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
