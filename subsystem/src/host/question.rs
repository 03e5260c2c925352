//! A question that a program asks on the terminal, on its way to whoever holds the session.

use outlast_protocol::id::InvocationId;
use outlast_protocol::limits::MAX_ANSWER;
use outlast_protocol::link::to_client::Question;
use outlast_protocol::link::to_host::Answer;
use outlast_protocol::secret::Secret;

/// The question of the moment, and its answer on the way to the shell.
#[derive(Default)]
pub(super) struct Questions {
    open: Option<Question>,
    latest: u32,
    answer: Option<Option<Secret>>,
}

impl Questions {
    /// A program of that invocation asks.
    pub(super) fn ask(&mut self, invocation: InvocationId, text: String) {
        self.latest = self.latest.wrapping_add(1);
        self.answer = None;
        self.open = Some(Question {
            question: self.latest,
            invocation,
            text,
        });
    }

    /// It asks no more.
    pub(super) fn close(&mut self) {
        self.open = None;
        self.answer = None;
    }

    /// What is asked.
    pub(super) fn open(&self) -> Option<&Question> {
        self.open.as_ref()
    }

    /// The last line of that: a prompt, mostly.
    pub(super) fn prompt(&self) -> Option<String> {
        let text = &self.open.as_ref()?.text;
        let last = text.rsplit('\n').next().unwrap_or_default();
        Some(last.trim_end().to_owned())
    }

    /// Takes in an answer. One to an earlier question is too late and no fault.
    pub(super) fn answer(&mut self, answer: Answer) -> Result<(), &'static str> {
        if let Some(text) = answer.text.as_ref().map(Secret::reveal) {
            if text.len() > MAX_ANSWER {
                return Err("the answer is too long");
            }
            if text.chars().any(char::is_control) {
                return Err("the answer has control characters in it");
            }
        }
        let meant = self.open.as_ref().map(|open| open.question);
        if meant == Some(answer.question) {
            self.answer = Some(answer.text);
        }
        Ok(())
    }

    /// What is to be typed, once.
    pub(super) fn take_answer(&mut self) -> Option<Option<Secret>> {
        self.answer.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_for_the_question_it_is_to_and_only_once() {
        let mut all = Questions::default();
        let id = InvocationId(uuid::Uuid::from_u128(1));
        let answer = |question, text: &str| Answer {
            question,
            text: Some(text.into()),
        };
        all.ask(id, "Password:".to_owned());
        all.ask(id, "Password again:".to_owned());
        assert_eq!(all.open().map(|it| it.question), Some(2));
        assert_eq!(all.prompt().as_deref(), Some("Password again:"));
        assert_eq!(all.answer(answer(1, "late")), Ok(()));
        assert_eq!(all.take_answer(), None);
        assert_eq!(all.answer(answer(2, "right")), Ok(()));
        assert_eq!(all.take_answer(), Some(Some("right".into())));
        assert_eq!(all.take_answer(), None);
        assert!(all.answer(answer(2, "two\nlines")).is_err());
        assert!(all.answer(answer(2, &"x".repeat(MAX_ANSWER + 1))).is_err());
        all.close();
        assert_eq!(all.answer(answer(2, "late")), Ok(()));
        assert_eq!(all.take_answer(), None);
    }
}
