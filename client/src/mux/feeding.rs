//! Who gives an invocation its standard input. Several command lines may ask for the same
//! invocation; their inputs must not be fed one behind the other.

use std::collections::BTreeMap;

use outlast_protocol::id::InvocationId;
use outlast_protocol::link::to_client::StdinTaken;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// One command line's right to give an invocation standard input, until another takes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Feeding {
    pub(super) invocation: InvocationId,
    number: u64,
}

struct Feeder {
    number: u64,
    // At most one message for each piece of input we sent.
    progress: UnboundedSender<StdinTaken>,
}

/// For each invocation the command line that asked last.
#[derive(Default)]
pub(super) struct Feeders {
    feeders: BTreeMap<InvocationId, Feeder>,
    last: u64,
}

impl Feeders {
    /// Gives the right to somebody new, who hears how far the command has taken its input.
    /// Whoever had it before is told to stop.
    pub(super) fn take_over(
        &mut self,
        invocation: InvocationId,
    ) -> (Feeding, UnboundedReceiver<StdinTaken>) {
        let (progress, receiver) = unbounded_channel();
        self.last = self.last.saturating_add(1);
        let number = self.last;
        let feeder = Feeder { number, progress };
        if let Some(before) = self.feeders.insert(invocation, feeder) {
            let _ = before.progress.send(StdinTaken {
                invocation,
                offset: 0,
                closed: true,
            });
        }
        (Feeding { invocation, number }, receiver)
    }

    /// Whether nobody else has taken over since.
    pub(super) fn counts(&self, feeding: Feeding) -> bool {
        let feeder = self.feeders.get(&feeding.invocation);
        feeder.is_some_and(|feeder| feeder.number == feeding.number)
    }

    /// Hands on how far a command has taken its input.
    pub(super) fn tell(&self, taken: StdinTaken) {
        if let Some(feeder) = self.feeders.get(&taken.invocation) {
            let _ = feeder.progress.send(taken);
        }
    }

    /// That one gives no more. Says whether it had the right to.
    pub(super) fn end(&mut self, feeding: Feeding) -> bool {
        let counts = self.counts(feeding);
        if counts {
            self.feeders.remove(&feeding.invocation);
        }
        counts
    }

    /// Nobody gives anything any more.
    pub(super) fn clear(&mut self) {
        self.feeders.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_later_takes_over_and_who_was_there_is_told_to_stop() {
        let id = InvocationId(uuid::Uuid::from_u128(1));
        let mut feeders = Feeders::default();
        let (first, mut heard) = feeders.take_over(id);
        assert!(feeders.counts(first));
        let (second, mut news) = feeders.take_over(id);
        assert!(!feeders.counts(first) && feeders.counts(second));
        assert!(heard.try_recv().unwrap().closed);
        assert!(!feeders.end(first), "it has nothing to end");
        let taken = StdinTaken {
            invocation: id,
            offset: 3,
            closed: false,
        };
        feeders.tell(taken.clone());
        assert_eq!(news.try_recv().unwrap(), taken);
        assert!(feeders.end(second) && !feeders.counts(second));
    }
}
