//! One row of the table: what is done, and what comes of it, in each column.

use super::column::{Column, Language};
use super::step::Step;
use super::wording::wording;

pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// For every column of the Bourne family that has no form of its own.
    common: Option<Form>,
    own: Vec<(Column, Form)>,
    /// For every column that has no other.
    elsewhere: Option<Form>,
    /// The text of the user's start-up file, in the language of the Bourne family.
    startup: Option<&'static str>,
    /// Files of the home that are there before, by name; a history file by [`HISTORY`].
    pub(crate) files: Vec<(&'static str, String)>,
    /// What is in a file of the home after the session has been closed.
    pub(crate) left: Vec<(&'static str, String)>,
}

/// Stands for the name of the column's history file.
pub(crate) const HISTORY: &str = "{history}";

pub(crate) enum Form {
    Steps(Vec<Step>),
    /// Why there is nothing to test.
    NotHere(&'static str),
}

/// A row that has the same steps in all columns of the Bourne family.
pub(crate) fn case(name: &'static str, steps: impl IntoIterator<Item = Step>) -> Case {
    let common = Form::Steps(steps.into_iter().collect());
    Case {
        common: Some(common),
        ..special(name)
    }
}

/// A row whose steps are different everywhere.
pub(crate) fn special(name: &'static str) -> Case {
    Case {
        name,
        common: None,
        own: Vec::new(),
        elsewhere: None,
        startup: None,
        files: Vec::new(),
        left: Vec::new(),
    }
}

impl Case {
    /// The steps in a column that needs others.
    pub(crate) fn on(mut self, column: Column, steps: impl IntoIterator<Item = Step>) -> Self {
        let form = Form::Steps(steps.into_iter().collect());
        self.own.push((column, form));
        self
    }

    /// The steps in dash and in busybox ash.
    pub(crate) fn in_sh<const N: usize>(self, steps: impl Fn() -> [Step; N]) -> Self {
        self.on(Column::Dash, steps()).on(Column::Busybox, steps())
    }

    /// Says why the row does not apply in dash and in busybox ash.
    pub(crate) fn not_in_sh(self, reason: &'static str) -> Self {
        self.not(Column::Dash, reason).not(Column::Busybox, reason)
    }

    /// Says why the row does not apply in a column.
    #[allow(dead_code, reason = "it depends on the columns there are")]
    pub(crate) fn not(mut self, column: Column, reason: &'static str) -> Self {
        self.own.push((column, Form::NotHere(reason)));
        self
    }

    /// What holds for all columns of which nothing else is said.
    pub(crate) fn elsewhere(mut self, form: Form) -> Self {
        self.elsewhere = Some(form);
        self
    }

    pub(crate) fn startup(mut self, text: &'static str) -> Self {
        self.startup = Some(text);
        self
    }

    pub(crate) fn file(mut self, name: &'static str, content: impl Into<String>) -> Self {
        self.files.push((name, content.into()));
        self
    }

    pub(crate) fn leaves(mut self, name: &'static str, content: impl Into<String>) -> Self {
        self.left.push((name, content.into()));
        self
    }

    /// None if nobody has thought of this column.
    pub(crate) fn form(&self, column: Column) -> Option<&Form> {
        let own = self.own.iter().find(|(it, _)| *it == column);
        let common = match column.language() {
            Language::Bourne => self.common.as_ref(),
            Language::Python => wording(self.name, column).map(|it| &it.form),
        };
        own.map(|(_, form)| form)
            .or(common)
            .or(self.elsewhere.as_ref())
    }

    /// The text of the user's start-up file in that column.
    pub(crate) fn startup_text(&self, column: Column) -> Option<&'static str> {
        match column.language() {
            Language::Bourne => self.startup,
            Language::Python => wording(self.name, column)?.startup,
        }
    }
}
