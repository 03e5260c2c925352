//! One script of the sample, with its arguments.

use std::path::{Path, PathBuf};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Script {
    pub(crate) corpus: &'static str,
    /// As it is given to either, from its working directory.
    pub(crate) path: PathBuf,
    pub(crate) arguments: Vec<&'static str>,
    /// In the sandbox.
    pub(crate) directory: &'static Path,
    /// Whether a limit takes it before others.
    pub(crate) first: bool,
}

impl Script {
    pub(crate) fn of_the_system(path: PathBuf, arguments: &[&'static str]) -> Self {
        Self {
            corpus: "system",
            path,
            arguments: arguments.to_vec(),
            directory: Path::new(super::inside::HOME),
            first: false,
        }
    }

    /// What it is called in reports and in the table of known differences.
    pub(crate) fn title(&self) -> String {
        let mut title = format!("{}: {}", self.corpus, self.path.display());
        for argument in &self.arguments {
            title.push(' ');
            title.push_str(argument);
        }
        title
    }
}
