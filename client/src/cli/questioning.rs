//! Questions of the mux to the user, one after the other, while everything else goes on.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use outlast_protocol::control::to_cli::Question;
use outlast_protocol::secret::Secret;

use super::Client;

type Asking = Pin<Box<dyn Future<Output = Option<Vec<Secret>>> + Send>>;

/// The question that is being asked, and those that wait.
#[derive(Default)]
pub(super) struct Questioning {
    questions: VecDeque<(u32, Asking)>,
}

impl fmt::Debug for Questioning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = self.questions.iter().map(|(number, _)| number);
        f.debug_list().entries(numbers).finish()
    }
}

impl Questioning {
    /// Asks it, when those before it are answered.
    pub(super) fn ask(&mut self, client: &Client, computer: String, question: Question) {
        let number = question.question;
        let asking = Arc::clone(&client.asker).ask(client.output, computer, question);
        self.questions.push_back((number, Box::pin(asking)));
    }

    /// Whether somebody is being asked.
    pub(super) fn is_asking(&self) -> bool {
        !self.questions.is_empty()
    }

    /// Nobody wants that answer any more.
    pub(super) fn over(&mut self, question: u32) {
        self.questions.retain(|(number, _)| *number != question);
    }

    /// The next answer; none in it if nobody could be asked. Cancel-safe.
    pub(super) async fn next(&mut self) -> (u32, Option<Vec<Secret>>) {
        let Some((number, asking)) = self.questions.front_mut() else {
            return std::future::pending().await;
        };
        let texts = asking.await;
        let number = *number;
        self.questions.pop_front();
        (number, texts)
    }
}
