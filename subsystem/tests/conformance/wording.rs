//! A row said in another language than that of the Bourne family, and found by the row's name.

use std::sync::LazyLock;

use super::case::{Case, Form};
use super::column::Column;
use super::step::Step;

pub(crate) struct Wording {
    pub(crate) row: &'static str,
    pub(crate) column: Column,
    pub(crate) form: Form,
    /// The text of the user's start-up file.
    pub(crate) startup: Option<&'static str>,
}

static WORDINGS: LazyLock<Vec<Wording>> = LazyLock::new(super::in_python::wordings);

/// What is said of a row in a column.
pub(crate) fn wording(row: &str, column: Column) -> Option<&'static Wording> {
    let mut all = WORDINGS.iter();
    all.find(|it| it.column == column && it.row == row)
}

/// Of those in `table` nobody can be meant by a wording, which is then never run.
pub(crate) fn strays(table: &[Case]) -> Vec<&'static str> {
    let all = WORDINGS.iter().map(|it| it.row);
    all.filter(|row| table.iter().all(|case| case.name != *row))
        .collect()
}

impl Wording {
    pub(crate) fn new(row: &'static str, column: Column, form: Form) -> Self {
        Self {
            row,
            column,
            form,
            startup: None,
        }
    }

    pub(crate) fn steps(
        row: &'static str,
        column: Column,
        steps: impl IntoIterator<Item = Step>,
    ) -> Self {
        Self::new(row, column, Form::Steps(steps.into_iter().collect()))
    }

    pub(crate) fn startup(mut self, text: &'static str) -> Self {
        self.startup = Some(text);
        self
    }
}
