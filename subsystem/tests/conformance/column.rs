//! The columns of the table: a shell each.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Bash,
    Zsh,
}

pub(crate) const COLUMNS: &[Column] = &[Column::Bash, Column::Zsh];

impl Column {
    /// What its session configuration is called.
    pub(crate) fn configuration(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
        }
    }

    /// The user's own file that it reads when a session opens.
    pub(crate) fn startup_file(self) -> &'static str {
        match self {
            Self::Bash => ".bash_profile",
            Self::Zsh => ".zshrc",
        }
    }

    /// Where it keeps its history.
    pub(crate) fn history_file(self) -> &'static str {
        match self {
            Self::Bash => ".bash_history",
            Self::Zsh => ".zhistory",
        }
    }

    /// Whether a text written for the shells of the Bourne family is its language.
    pub(crate) fn is_bourne(self) -> bool {
        match self {
            Self::Bash | Self::Zsh => true,
        }
    }
}
