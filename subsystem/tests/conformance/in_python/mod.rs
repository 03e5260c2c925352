//! The rows in Python, a file a theme as in the table.

mod background;
mod cancel;
mod endings;
mod errors;
mod everything;
mod interference;
mod startup;
mod state;
mod streams;
pub(crate) mod values;

use super::case::{Case, Form, special};
use super::column::Column;
use super::step::Step;
use super::wording::Wording;

pub(crate) fn wordings() -> Vec<Wording> {
    [
        state::wordings(),
        endings::wordings(),
        streams::wordings(),
        background::wordings(),
        errors::wordings(),
        everything::wordings(),
        interference::wordings(),
        startup::wordings(),
        cancel::wordings(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What a row of the table is in Python.
fn says(row: &'static str, steps: impl IntoIterator<Item = Step>) -> Wording {
    Wording::steps(row, Column::Python, steps)
}

/// Why there is nothing of some rows in Python.
fn not(rows: &[&'static str], reason: &'static str) -> Vec<Wording> {
    let not = |row: &&'static str| Wording::new(row, Column::Python, Form::NotHere(reason));
    rows.iter().map(not).collect()
}

/// A row that only Python has.
fn only(name: &'static str, reason: &'static str, steps: impl IntoIterator<Item = Step>) -> Case {
    special(name)
        .on(Column::Python, steps)
        .elsewhere(Form::NotHere(reason))
}
