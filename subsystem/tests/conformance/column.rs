//! The columns of the table: a shell each.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Bash,
}

pub(crate) const COLUMNS: &[Column] = &[Column::Bash];

impl Column {
    /// What its session configuration is called.
    pub(crate) fn configuration(self) -> &'static str {
        match self {
            Self::Bash => "bash",
        }
    }

    /// The user's own file that it reads when a session opens.
    pub(crate) fn startup_file(self) -> &'static str {
        match self {
            Self::Bash => ".bash_profile",
        }
    }

    /// Where it keeps its history.
    pub(crate) fn history_file(self) -> &'static str {
        match self {
            Self::Bash => ".bash_history",
        }
    }

    /// Whether a text written for the shells of the Bourne family is its language.
    pub(crate) fn is_bourne(self) -> bool {
        match self {
            Self::Bash => true,
        }
    }
}
