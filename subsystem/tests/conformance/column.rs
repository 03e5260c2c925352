//! The columns of the table: a shell each.

use std::path::Path;
use std::sync::LazyLock;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Bash,
    Dash,
    Busybox,
    Zsh,
    Python,
}

pub(crate) const COLUMNS: &[Column] = &[
    Column::Bash,
    Column::Zsh,
    Column::Dash,
    Column::Busybox,
    Column::Python,
];

/// What scripts are written in.
pub(crate) enum Language {
    /// That of the shells of the Bourne family.
    Bourne,
    Python,
}

impl Column {
    /// What its session configuration is called.
    pub(crate) fn configuration(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Dash | Self::Busybox => "sh",
            Self::Zsh => "zsh",
            Self::Python => "python",
        }
    }

    /// The user's own file that it reads when a session opens.
    pub(crate) fn startup_file(self) -> String {
        let name = match self {
            Self::Bash => ".bash_profile",
            Self::Dash | Self::Busybox => ".profile",
            Self::Zsh => ".zshrc",
            Self::Python => return site("usercustomize.py"),
        };
        name.to_owned()
    }

    /// Where it keeps its history.
    pub(crate) fn history_file(self) -> &'static str {
        match self {
            Self::Bash => ".bash_history",
            Self::Dash => ".sh_history",
            Self::Busybox => ".ash_history",
            Self::Zsh => ".zhistory",
            Self::Python => ".python_history",
        }
    }

    pub(crate) fn language(self) -> Language {
        match self {
            Self::Bash | Self::Dash | Self::Busybox | Self::Zsh => Language::Bourne,
            Self::Python => Language::Python,
        }
    }

    /// Has the program found that the column is about, where several go by one name.
    pub(crate) fn prepare(self, home: &Path) {
        let program = match self {
            Self::Dash => "dash",
            Self::Busybox => "busybox",
            Self::Bash | Self::Zsh | Self::Python => return,
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

/// A file among the user's own modules, which is in a directory of its version.
fn site(name: &str) -> String {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let script = "import sys; print('%d.%d' % sys.version_info[:2])";
        let mut python = std::process::Command::new("python3");
        let said = python.args(["-c", script]).output().unwrap().stdout;
        String::from_utf8(said).unwrap().trim().to_owned()
    });
    format!(".local/lib/python{}/site-packages/{name}", *VERSION)
}
