//! Making refusals: every one has a code, a sentence and, where there is one, a next step.

use outlast_protocol::link::refusal::{RefusalCode, Refused};
use uuid::Uuid;

/// A refusal without a subject or a hint.
#[must_use]
pub fn refused(request: u8, code: RefusalCode, message: impl Into<String>) -> Refused {
    Refused {
        request,
        about: None,
        code,
        message: message.into(),
        hint: String::new(),
    }
}

/// Adds what a refusal is about and what to do.
pub trait Explain {
    /// Names the subject.
    #[must_use]
    fn about(self, subject: Uuid) -> Self;
    /// Names the next step.
    #[must_use]
    fn hint(self, hint: impl Into<String>) -> Self;
}

impl Explain for Refused {
    fn about(mut self, subject: Uuid) -> Self {
        self.about = Some(subject);
        self
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}
