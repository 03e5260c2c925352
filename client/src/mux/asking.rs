//! Questions of programs on their way to the command line that waits for what they do, and the
//! answers back.

use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use outlast_protocol::control::to_cli::{Notice, Question, QuestionOver};
use outlast_protocol::control::to_mux::Answer;
use outlast_protocol::id::InvocationId;
use outlast_protocol::limits::MAX_ANSWER;
use outlast_protocol::link::to_client;
use outlast_protocol::secret::Secret;

use super::caller::Caller;
use super::held::{Asked, Held, Listening};

/// The questions for one command line.
pub(super) struct Asking {
    listening: Listening,
    /// Whether somebody can be asked.
    interactive: bool,
    session: String,
    /// The command it runs: only of that it can say that nobody will answer.
    own: Option<InvocationId>,
    /// Open questions by the number the command line knows them by.
    open: BTreeMap<u32, u32>,
    told: bool,
}

impl Asking {
    /// Of a session of that name, for a command line that runs that command.
    pub(super) fn new(
        held: &Rc<Held>,
        session: String,
        own: Option<InvocationId>,
        interactive: bool,
    ) -> Self {
        Self {
            listening: held.listen(own),
            interactive,
            session,
            own,
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
                let (before, prompt) = prompt_of(&question.text);
                let mut text = format!("a program in session {} asks", self.session);
                for line in before.lines() {
                    text.push('\n');
                    text.push_str(line);
                }
                let asks = Question {
                    question: number,
                    text,
                    fields: vec![(prompt.to_owned(), false)],
                    confirm: false,
                };
                caller.send(&asks.into(), Bytes::new());
            }
            Asked::Asks(question) if self.own == Some(question.invocation) => {
                self.decline(caller, &question);
            }
            Asked::Asks(question) => self.pass_over(caller, &question),
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
                prompt_of(&question.text).1.trim()
            );
            caller.send(&Notice { text }.into(), Bytes::new());
        }
    }

    /// Nobody is there to be asked, and somebody else may be later.
    fn pass_over(&mut self, caller: &mut Caller, question: &to_client::Question) {
        if !std::mem::replace(&mut self.told, true) {
            let session = &self.session;
            let text = format!(
                "a program in session {session} asks `{}`, and waits for the answer: `outlast \
                 receive --follow {session}` from a terminal asks for it there",
                prompt_of(&question.text).1.trim()
            );
            caller.send(&Notice { text }.into(), Bytes::new());
        }
    }

    /// What the user typed. What the wire does not take is no answer.
    pub(super) fn answered(&mut self, answer: Answer) {
        let fits = |text: &Secret| {
            let text = text.reveal();
            text.len() <= MAX_ANSWER && !text.chars().any(char::is_control)
        };
        if let Some(question) = self.open.get(&answer.question) {
            let text = answer.texts.and_then(|texts| texts.into_iter().next());
            self.listening.answer(*question, text.filter(fits));
        }
    }
}

/// What a program said, and behind that what it waits at.
fn prompt_of(text: &str) -> (&str, &str) {
    text.rsplit_once('\n').unwrap_or(("", text))
}

#[cfg(test)]
mod tests {
    use outlast_protocol::control::to_cli::ToCli;
    use outlast_protocol::link::AttachMode;
    use outlast_protocol::link::to_client::ToClient;
    use tokio::net::UnixStream;

    use super::super::held::tests::held;
    use super::*;
    use crate::control::stream::FrameStream;

    fn invocation() -> InvocationId {
        InvocationId(uuid::Uuid::from_u128(7))
    }

    fn asks(held: &Rc<Held>, number: u32) {
        let question = to_client::Question {
            question: number,
            invocation: invocation(),
            text: "[sudo] password for me: ".to_owned(),
        };
        held.take(ToClient::Question(question), Bytes::new(), &|_| ());
    }

    struct Line {
        held: Rc<Held>,
        asking: Asking,
        caller: Caller,
        peer: FrameStream,
    }

    impl Line {
        fn new(interactive: bool) -> Self {
            Self::of(Some(invocation()), interactive)
        }

        fn of(own: Option<InvocationId>, interactive: bool) -> Self {
            let held = held(AttachMode::Connect);
            let (peer, ours) = UnixStream::pair().unwrap();
            Self {
                asking: Asking::new(&held, "job".to_owned(), own, interactive),
                caller: Caller::new(ours),
                peer: FrameStream::new(peer),
                held,
            }
        }

        /// What the command line is told next because of what the host said.
        async fn told(&mut self) -> ToCli {
            let asked = self.asking.next().await;
            self.asking.tell(&mut self.caller, asked);
            tokio::select! {
                frame = self.peer.next() => ToCli::decode(&frame.unwrap().unwrap()).unwrap().0,
                _ = self.caller.next() => panic!("nobody speaks"),
            }
        }

        /// The answer on its way to the host.
        fn answer(&self) -> Option<Option<Secret>> {
            match self.held.poll_message()?.0 {
                outlast_protocol::link::to_host::ToHost::Answer(answer) => Some(answer.text),
                other => panic!("expected Answer, got {}", other.name()),
            }
        }
    }

    fn typed(question: u32, text: &str) -> Answer {
        Answer {
            question,
            texts: Some(vec![text.into()]),
        }
    }

    #[tokio::test]
    async fn a_question_is_put_hidden_and_its_answer_goes_back() {
        let mut line = Line::new(true);
        asks(&line.held, 40);
        let ToCli::Question(question) = line.told().await else {
            panic!("not a Question");
        };
        assert!(question.text.contains("session job"), "{question:?}");
        assert_eq!(
            question.fields,
            [("[sudo] password for me: ".to_owned(), false)]
        );
        line.asking
            .answered(typed(question.question + 1, "not asked"));
        assert_eq!(line.answer(), None);
        line.asking.answered(typed(question.question, "geheim"));
        assert_eq!(line.answer(), Some(Some("geheim".into())));
    }

    #[tokio::test]
    async fn a_question_that_is_over_is_withdrawn_by_the_number_it_was_put_under() {
        let mut line = Line::new(true);
        asks(&line.held, 40);
        let ToCli::Question(question) = line.told().await else {
            panic!("not a Question");
        };
        let over = to_client::QuestionOver { question: 40 };
        line.held
            .take(ToClient::QuestionOver(over), Bytes::new(), &|_| ());
        let ToCli::QuestionOver(over) = line.told().await else {
            panic!("not a QuestionOver");
        };
        assert_eq!(over.question, question.question);
        line.asking.answered(typed(question.question, "late"));
        assert_eq!(
            line.answer(),
            None,
            "nobody is told a password who does not ask"
        );
    }

    #[tokio::test]
    async fn nobody_is_asked_without_a_terminal_and_that_is_said_once() {
        let mut line = Line::new(false);
        asks(&line.held, 40);
        let ToCli::Notice(notice) = line.told().await else {
            panic!("not a Notice");
        };
        assert!(notice.text.contains("invoke --tty"), "{notice:?}");
        assert_eq!(line.answer(), Some(None));
        asks(&line.held, 41);
        let asked = line.asking.next().await;
        line.asking.tell(&mut line.caller, asked);
        assert_eq!((line.answer(), line.caller.waiting()), (Some(None), 0));
    }

    #[tokio::test]
    async fn who_only_follows_and_cannot_be_asked_answers_nothing_for_others() {
        let mut line = Line::of(None, false);
        asks(&line.held, 40);
        let ToCli::Notice(notice) = line.told().await else {
            panic!("not a Notice");
        };
        assert!(notice.text.contains("receive --follow job"), "{notice:?}");
        assert_eq!(line.answer(), None);
        let mut line = Line::of(None, true);
        asks(&line.held, 40);
        assert!(matches!(line.told().await, ToCli::Question(_)));
    }

    #[tokio::test]
    async fn what_the_wire_does_not_take_is_no_answer() {
        for text in ["a\nb".to_owned(), "x".repeat(MAX_ANSWER + 1)] {
            let mut line = Line::new(true);
            asks(&line.held, 40);
            let ToCli::Question(question) = line.told().await else {
                panic!("not a Question");
            };
            line.asking.answered(typed(question.question, &text));
            assert_eq!(line.answer(), Some(None));
        }
    }
}
