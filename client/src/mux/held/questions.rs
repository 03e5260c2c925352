//! What programs of a held session ask, and who is there to be asked: the command line that runs
//! the program, or, where there is none, whoever follows the session or waits for its turn in it.

use std::collections::BTreeMap;
use std::rc::Rc;

use outlast_protocol::id::InvocationId;
use outlast_protocol::link::to_client::Question;
use outlast_protocol::link::to_host::Answer;
use outlast_protocol::secret::Secret;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Held;

/// Questions that may be open at a time: a session has one terminal, on which one program reads.
const MAX_OPEN: usize = 16;

/// What a command line hears of the questions of its command.
#[derive(Debug)]
pub(in crate::mux) enum Asked {
    /// A program asks.
    Asks(Question),
    /// That one needs no answer any more.
    Over(u32),
}

struct Listener {
    number: u64,
    /// The command it runs.
    own: Option<InvocationId>,
    // At most MAX_OPEN questions are open, and each is heard twice from each who was to be asked.
    sender: UnboundedSender<Asked>,
}

impl Listener {
    fn hears(&self, asked: Asked) {
        let _ = self.sender.send(asked);
    }
}

/// Questions that are not over, and the command lines that wait for the commands they are of.
#[derive(Default)]
pub(super) struct Questions {
    open: BTreeMap<u32, Question>,
    listeners: Vec<Listener>,
    last: u64,
}

impl Questions {
    pub(super) fn asked(&mut self, question: Question) {
        if self.open.len() >= MAX_OPEN {
            return;
        }
        for listener in self.audience(question.invocation) {
            listener.hears(Asked::Asks(question.clone()));
        }
        self.open.insert(question.question, question);
    }

    pub(super) fn over(&mut self, number: u32) {
        if self.open.remove(&number).is_some() {
            // Whoever was not asked does not mind.
            for listener in &self.listeners {
                listener.hears(Asked::Over(number));
            }
        }
    }

    /// Who is asked what programs of that command ask.
    fn audience(&self, invocation: InvocationId) -> impl Iterator<Item = &Listener> {
        let is_own = move |listener: &&Listener| listener.own == Some(invocation);
        let alone = self.listeners.iter().any(|listener| is_own(&listener));
        self.listeners
            .iter()
            .filter(move |listener| !alone || is_own(listener))
    }

    pub(super) fn clear(&mut self) {
        self.open.clear();
    }

    fn listen(&mut self, own: Option<InvocationId>) -> (u64, UnboundedReceiver<Asked>) {
        let (sender, receiver) = unbounded_channel();
        self.last = self.last.saturating_add(1);
        let number = self.last;
        let newcomer = Listener {
            number,
            own,
            sender,
        };
        for question in self.open.values() {
            // Who runs the command takes over from those who only follow.
            if own == Some(question.invocation) {
                for follower in self.listeners.iter().filter(|it| it.own != own) {
                    follower.hears(Asked::Over(question.question));
                }
            }
        }
        self.listeners.push(newcomer);
        // The host may have asked before this command line was there.
        for question in self.open.values() {
            for listener in self.audience(question.invocation) {
                if listener.number == number {
                    listener.hears(Asked::Asks(question.clone()));
                }
            }
        }
        (number, receiver)
    }

    fn leave(&mut self, number: u64) {
        let at = self.listeners.iter().position(|it| it.number == number);
        let Some(own) = at.map(|at| self.listeners.remove(at).own) else {
            return;
        };
        // Those who follow are asked what nobody else is there for any more.
        for question in self.open.values() {
            if own == Some(question.invocation) {
                for listener in self.audience(question.invocation) {
                    if listener.own != own {
                        listener.hears(Asked::Asks(question.clone()));
                    }
                }
            }
        }
    }
}

/// A command line that is there to be asked, until dropped.
pub(in crate::mux) struct Listening {
    held: Rc<Held>,
    number: u64,
    questions: UnboundedReceiver<Asked>,
}

impl Listening {
    /// What comes next; never, when nothing can come any more. Cancel-safe.
    pub(in crate::mux) async fn next(&mut self) -> Asked {
        match self.questions.recv().await {
            Some(asked) => asked,
            None => std::future::pending().await,
        }
    }

    /// What was typed; none if nobody could be asked.
    pub(in crate::mux) fn answer(&self, question: u32, text: Option<Secret>) {
        let answer = Answer { question, text };
        self.held.inner.borrow_mut().attachment.answer(answer);
        self.held.wake.notify_one();
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut inner = self.held.inner.borrow_mut();
        inner.questions.leave(self.number);
    }
}

impl Held {
    /// Hears what the programs of a command ask, and those of commands that nobody else is there
    /// for.
    pub(in crate::mux) fn listen(self: &Rc<Self>, own: Option<InvocationId>) -> Listening {
        let (number, questions) = self.inner.borrow_mut().questions.listen(own);
        Listening {
            held: self.clone(),
            number,
            questions,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(number: u32, of: u128) -> Question {
        Question {
            question: number,
            invocation: InvocationId(uuid::Uuid::from_u128(of)),
            text: "Password: ".to_owned(),
        }
    }

    fn asks(heard: &mut UnboundedReceiver<Asked>) -> Option<u32> {
        match heard.try_recv() {
            Ok(Asked::Asks(question)) => Some(question.question),
            _ => None,
        }
    }

    #[test]
    fn who_runs_a_command_hears_its_questions_also_those_before() {
        let mut questions = Questions::default();
        questions.asked(question(1, 7));
        let (number, mut heard) = questions.listen(Some(question(1, 7).invocation));
        let (_, mut other) = questions.listen(Some(question(1, 8).invocation));
        assert_eq!(asks(&mut heard), Some(1));
        assert!(other.try_recv().is_err(), "it is another's");
        questions.over(1);
        assert!(matches!(heard.try_recv(), Ok(Asked::Over(1))));
        questions.over(1);
        assert!(heard.try_recv().is_err(), "it is over once");
        questions.leave(number);
        questions.asked(question(2, 7));
        assert!(heard.try_recv().is_err());
    }

    #[test]
    fn who_follows_is_asked_where_nobody_else_is_there() {
        let mut questions = Questions::default();
        questions.asked(question(1, 7));
        let (_, mut follower) = questions.listen(None);
        assert_eq!(asks(&mut follower), Some(1));
        let (number, mut own) = questions.listen(Some(question(1, 7).invocation));
        assert!(matches!(follower.try_recv(), Ok(Asked::Over(1))));
        assert_eq!(asks(&mut own), Some(1));
        questions.asked(question(2, 7));
        assert_eq!((asks(&mut own), asks(&mut follower)), (Some(2), None));
        questions.leave(number);
        assert_eq!(asks(&mut follower), Some(1));
        assert_eq!(asks(&mut follower), Some(2));
    }

    #[test]
    fn a_host_that_asks_without_end_is_not_remembered_without_end() {
        let mut questions = Questions::default();
        for number in 0..1000 {
            questions.asked(question(number, 1));
        }
        assert_eq!(questions.open.len(), MAX_OPEN);
    }
}
