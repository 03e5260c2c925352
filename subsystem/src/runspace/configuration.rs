//! The session configurations there are: one list of engines, by name.

use std::path::PathBuf;

use super::bash::Bash;
use super::engine::Engine;
use super::python::Python;
use super::sh::Sh;
use super::zsh::Zsh;

/// All there are. Whose login shell is none of them gets the first that is installed: bash, else sh.
static ENGINES: [&dyn Engine; 4] = [&Bash, &Sh, &Zsh, &Python];

/// The kind of shell in a runspace.
#[derive(Clone, Copy, Debug)]
pub struct Configuration(&'static dyn Engine);

impl Configuration {
    pub fn all() -> impl Iterator<Item = Self> {
        ENGINES.into_iter().map(Self)
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|it| it.name() == name)
    }

    /// The one for people whose login shell is the file at `path`.
    pub fn of_login_shell(path: &std::path::Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        Self::all().find(|it| it.0.login_shells().contains(&name))
    }

    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// What the shell's package is called where there are packages.
    pub fn package(self) -> &'static str {
        self.0.package()
    }

    /// Where its program is on this machine.
    pub fn installed(self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path)
            .map(|directory| directory.join(self.0.program()))
            .find(|program| rustix::fs::access(program, rustix::fs::Access::EXEC_OK).is_ok())
    }

    pub(super) fn engine(self) -> &'static dyn Engine {
        self.0
    }
}
