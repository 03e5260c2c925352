//! The files behind an `Include` pattern.

use std::path::{Path, PathBuf};

use globset::GlobBuilder;

/// The existing files that match, in order of name. A pattern nothing matches is not an error.
pub(super) fn files(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let name = component.as_os_str();
        match name.to_str().filter(|name| name.contains(['*', '?', '['])) {
            None => found.iter_mut().for_each(|path| path.push(name)),
            Some(wild) => found = found.iter().flat_map(|dir| entries(dir, wild)).collect(),
        }
    }
    found.retain(|path| path.is_file());
    found
}

fn entries(dir: &Path, wild: &str) -> Vec<PathBuf> {
    // In a shell pattern, which this is not, braces would be a choice.
    let wild = &wild.replace('{', "[{]").replace('}', "[}]");
    let Ok(glob) = GlobBuilder::new(wild).literal_separator(true).build() else {
        return Vec::new();
    };
    let matcher = glob.compile_matcher();
    let Ok(listing) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut names: Vec<PathBuf> = listing
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.') || wild.starts_with('.'))
        .filter(|name| matcher.is_match(name))
        .map(|name| dir.join(name))
        .collect();
    names.sort();
    names
}
