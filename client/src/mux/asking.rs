//! A command's questions on their way to the command line that waits for it, and the answers back.

use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use outlast_protocol::control::to_cli::{Notice, Question, QuestionOver};
use outlast_protocol::control::to_mux::Answer;
use outlast_protocol::id::InvocationId;
use outlast_protocol::limits::MAX_ANSWER;
use outlast_protocol::link::to_client;

use super::Mux;
use super::caller::Caller;
use super::held::{Asked, Held, Listening};
use super::hold::name_of;

/// The questions of one command for one command line.
pub(super) struct Asking {
    listening: Listening,
    /// Whether somebody can be asked.
    interactive: bool,
    session: String,
    /// Open questions by the number the command line knows them by.
    open: BTreeMap<u32, u32>,
    told: bool,
}

impl Asking {
    pub(super) fn new(
        mux: &Mux,
        held: &Rc<Held>,
        invocation: InvocationId,
        interactive: bool,
    ) -> Self {
        Self {
            listening: held.listen(invocation),
            interactive,
            session: name_of(mux, held.instance),
            open: BTreeMap::new(),
            told: false,
        }
    }

    /// What comes next. Cancel-safe.
    pub(super) async fn next(&mut self) -> Asked {
        self.listening.next().await
    }

    /// Hands it on.
    pub(super) fn tell(&mut self, caller: &mut Caller, asked: Asked) {
        match asked {
            Asked::Asks(question) if self.interactive => {
                let number = caller.number();
                self.open.insert(number, question.question);
                let asks = Question {
                    question: number,
                    text: format!("a program in session {} asks", self.session),
                    fields: vec![(question.text, false)],
                };
                caller.send(&asks.into(), Bytes::new());
            }
            Asked::Asks(question) => self.decline(caller, &question),
            Asked::Over(over) => {
                let number = self.open.iter().find(|(_, link)| **link == over);
                if let Some(number) = number.map(|(number, _)| *number) {
                    self.open.remove(&number);
                    caller.send(&QuestionOver { question: number }.into(), Bytes::new());
                }
            }
        }
    }

    /// Nobody is there to be asked.
    fn decline(&mut self, caller: &mut Caller, question: &to_client::Question) {
        self.listening.answer(question.question, None);
        if !std::mem::replace(&mut self.told, true) {
            let text = format!(
                "a program in session {} asks `{}`, and there is no terminal here to answer on: \
                 use `outlast invoke --tty`, or run this from a terminal",
                self.session,
                question.text.trim()
            );
            caller.send(&Notice { text }.into(), Bytes::new());
        }
    }

    /// What the user typed. What the wire does not take is no answer.
    pub(super) fn answered(&mut self, answer: Answer) {
        let fits = |text: &String| text.len() <= MAX_ANSWER && !text.chars().any(char::is_control);
        if let Some(question) = self.open.get(&answer.question) {
            let text = answer.texts.and_then(|texts| texts.into_iter().next());
            self.listening.answer(*question, text.filter(fits));
        }
    }
}
