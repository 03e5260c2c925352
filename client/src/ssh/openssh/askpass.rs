//! Where the questions of running `ssh` processes arrive. Each has a token of its own in its
//! environment, which its `SSH_ASKPASS` program, this very program, hands back with the question.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use outlast_protocol::control::to_mux::AskpassKind;
use outlast_protocol::secret::Secret;
use tokio::sync::{mpsc, oneshot};

/// Environment variable that makes this program an `SSH_ASKPASS` program.
pub const TOKEN: &str = "OUTLAST_ASKPASS";

/// A question of an `ssh`.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) kind: AskpassKind,
    pub(super) text: String,
    /// Takes the answer; none where there is none.
    pub(super) answer: oneshot::Sender<Option<Secret>>,
}

/// All who wait for questions, by token.
#[derive(Clone, Default)]
pub struct Desk {
    counters: Rc<RefCell<BTreeMap<String, mpsc::UnboundedSender<Asked>>>>,
}

impl Desk {
    /// Puts a question; none if nobody waits for any under that token.
    pub fn put(
        &self,
        token: &str,
        kind: AskpassKind,
        text: String,
    ) -> Option<oneshot::Receiver<Option<Secret>>> {
        let (answer, answered) = oneshot::channel();
        let asked = Asked { kind, text, answer };
        let counters = self.counters.borrow();
        counters.get(token)?.send(asked).ok()?;
        Some(answered)
    }

    /// Opens a counter for the questions of one `ssh`.
    pub(super) fn open(&self) -> Counter {
        let token = uuid::Uuid::new_v4().simple().to_string();
        let (sender, questions) = mpsc::unbounded_channel();
        self.counters.borrow_mut().insert(token.clone(), sender);
        Counter {
            desk: self.clone(),
            token,
            questions,
        }
    }
}

/// Where the questions of one `ssh` arrive, as long as it is kept.
pub(super) struct Counter {
    desk: Desk,
    token: String,
    questions: mpsc::UnboundedReceiver<Asked>,
}

impl Counter {
    /// The next question. Cancel-safe.
    pub(super) async fn next(&mut self) -> Asked {
        match self.questions.recv().await {
            Some(asked) => asked,
            None => std::future::pending().await,
        }
    }

    /// What brings the questions here, for the environment of an `ssh`.
    pub(super) fn variables(&self, display: Option<&str>) -> Vec<(&'static str, String)> {
        vec![
            (TOKEN, self.token.clone()),
            ("SSH_ASKPASS", own_program().to_string_lossy().into_owned()),
            ("SSH_ASKPASS_REQUIRE", "force".to_owned()),
            // Before 8.4 ssh asks that way where it has no terminal and something is in here.
            ("DISPLAY", display.unwrap_or(":0").to_owned()),
        ]
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.desk.counters.borrow_mut().remove(&self.token);
    }
}

/// The program that runs; after an upgrade, the one in its place.
fn own_program() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("outlast"));
    match own
        .to_str()
        .and_then(|path| path.strip_suffix(" (deleted)"))
    {
        Some(path) if !own.exists() => PathBuf::from(path),
        _ => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_question_arrives_where_its_token_says_and_nowhere_else() {
        let desk = Desk::default();
        let (mut one, other) = (desk.open(), desk.open());
        assert_ne!(one.token, other.token);
        let put = |token: &str| desk.put(token, AskpassKind::Line, "PIN: ".to_owned());
        assert!(put("").is_none());
        let answered = put(&one.token).unwrap();
        let asked = one.next().await;
        assert_eq!(asked.text, "PIN: ");
        asked.answer.send(Some("1234".into())).unwrap();
        assert_eq!(answered.await.unwrap(), Some("1234".into()));
        let token = one.token.clone();
        drop(one);
        assert!(put(&token).is_none(), "nobody waits any more");
    }
}
