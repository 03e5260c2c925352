//! The columns of the table: a shell each.

use std::path::Path;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Bash,
    Dash,
    Busybox,
    Zsh,
}

pub(crate) const COLUMNS: &[Column] = &[Column::Bash, Column::Zsh, Column::Dash, Column::Busybox];

impl Column {
    /// What its session configuration is called.
    pub(crate) fn configuration(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Dash | Self::Busybox => "sh",
            Self::Zsh => "zsh",
        }
    }

    /// The user's own file that it reads when a session opens.
    pub(crate) fn startup_file(self) -> &'static str {
        match self {
            Self::Bash => ".bash_profile",
            Self::Dash | Self::Busybox => ".profile",
            Self::Zsh => ".zshrc",
        }
    }

    /// Where it keeps its history.
    pub(crate) fn history_file(self) -> &'static str {
        match self {
            Self::Bash => ".bash_history",
            Self::Dash => ".sh_history",
            Self::Busybox => ".ash_history",
            Self::Zsh => ".zhistory",
        }
    }

    /// Whether a text written for the shells of the Bourne family is its language.
    pub(crate) fn is_bourne(self) -> bool {
        match self {
            Self::Bash | Self::Dash | Self::Busybox | Self::Zsh => true,
        }
    }

    /// Has the program found that the column is about, where several go by one name.
    pub(crate) fn prepare(self, home: &Path) {
        let program = match self {
            Self::Dash => "dash",
            Self::Busybox => "busybox",
            Self::Bash | Self::Zsh => return,
        };
        let path = std::env::var_os("PATH").unwrap();
        let program = std::env::split_paths(&path)
            .map(|directory| directory.join(program))
            .find(|program| program.is_file());
        let programs = home.join(super::runspace::PROGRAMS);
        std::fs::create_dir(&programs).unwrap();
        std::os::unix::fs::symlink(program.unwrap(), programs.join("sh")).unwrap();
    }
}
