//! One table of what a session does with scripts, run in every kind of shell: a file a theme, a
//! column a shell. A row says what holds for all shells of the Bourne family, and where a shell
//! differs, its own steps or why there are none. Another language has a directory of its own,
//! which says the same of the rows by their names. `visits` is the table of what
//! somebody types who is there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

mod background;
mod cancel;
mod case;
mod column;
mod endings;
mod errors;
mod everything;
mod in_python;
mod interference;
mod runner;
#[allow(dead_code, reason = "shared with the tests of single engines")]
#[path = "../runspace/mod.rs"]
mod runspace;
mod startup;
mod state;
mod step;
mod streams;
mod visits;
mod wording;

use case::Case;
use column::{COLUMNS, Column};
use in_python::values;

/// Tests that run a theme in a column.
macro_rules! themes {
    ($column:ident: $($theme:ident),*) => {
        $(#[test]
        fn $theme() {
            super::runner::check(super::Column::$column, super::$theme::cases());
        })*
    };
}

macro_rules! columns {
    ($($name:ident: $column:ident),* $(,)?) => {
        $(mod $name {
            themes!($column: state, endings, streams, background, errors, everything, interference, startup, cancel, values);
        })*
    };
}

columns! {
    bash: Bash,
    dash: Dash,
    busybox: Busybox,
    zsh: Zsh,
    python: Python,
}

fn table() -> Vec<Case> {
    [
        state::cases(),
        endings::cases(),
        streams::cases(),
        background::cases(),
        errors::cases(),
        everything::cases(),
        interference::cases(),
        startup::cases(),
        cancel::cases(),
        values::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[test]
fn every_row_says_something_of_every_column() {
    let mut silent = Vec::new();
    for case in table() {
        for column in COLUMNS.iter().filter(|it| case.form(**it).is_none()) {
            silent.push(format!("{column:?} / {}", case.name));
        }
    }
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn every_wording_is_of_a_row() {
    let strays = wording::strays(&table());
    assert!(strays.is_empty(), "{strays:#?}");
}

#[test]
fn no_two_rows_have_the_same_name() {
    let mut names: Vec<_> = table().iter().map(|case| case.name).collect();
    names.sort_unstable();
    let twice: Vec<_> = names.windows(2).filter(|it| it[0] == it[1]).collect();
    assert!(twice.is_empty(), "{twice:?}");
}
