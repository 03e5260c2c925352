//! What programs of a held session ask, and who is there to be asked.

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
    invocation: InvocationId,
    // At most MAX_OPEN questions are open, and each is heard twice.
    sender: UnboundedSender<Asked>,
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
        for listener in &self.listeners {
            if listener.invocation == question.invocation {
                let _ = listener.sender.send(Asked::Asks(question.clone()));
            }
        }
        self.open.insert(question.question, question);
    }

    pub(super) fn over(&mut self, number: u32) {
        let Some(question) = self.open.remove(&number) else {
            return;
        };
        for listener in &self.listeners {
            if listener.invocation == question.invocation {
                let _ = listener.sender.send(Asked::Over(number));
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.open.clear();
    }

    fn listen(&mut self, invocation: InvocationId) -> (u64, UnboundedReceiver<Asked>) {
        let (sender, receiver) = unbounded_channel();
        // The host may have asked before this command line was there.
        for question in self.open.values() {
            if question.invocation == invocation {
                let _ = sender.send(Asked::Asks(question.clone()));
            }
        }
        self.last = self.last.saturating_add(1);
        let number = self.last;
        self.listeners.push(Listener {
            number,
            invocation,
            sender,
        });
        (number, receiver)
    }

    fn leave(&mut self, number: u64) {
        self.listeners.retain(|listener| listener.number != number);
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
    /// Hears what the programs of a command ask.
    pub(in crate::mux) fn listen(self: &Rc<Self>, invocation: InvocationId) -> Listening {
        let (number, questions) = self.inner.borrow_mut().questions.listen(invocation);
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

    #[test]
    fn who_follows_a_command_hears_its_questions_also_those_before() {
        let mut questions = Questions::default();
        questions.asked(question(1, 7));
        let (number, mut heard) = questions.listen(question(1, 7).invocation);
        let (_, mut other) = questions.listen(question(1, 8).invocation);
        assert!(matches!(heard.try_recv(), Ok(Asked::Asks(q)) if q.question == 1));
        questions.over(1);
        assert!(matches!(heard.try_recv(), Ok(Asked::Over(1))));
        questions.over(1);
        assert!(heard.try_recv().is_err(), "it is over once");
        questions.leave(number);
        questions.asked(question(2, 7));
        assert!(heard.try_recv().is_err());
        assert!(other.try_recv().is_err());
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
