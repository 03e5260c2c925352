//! Where the programs under test are.

use std::path::PathBuf;

/// The command line client.
pub fn outlast() -> PathBuf {
    find("outlast").unwrap_or_else(|missing| panic!("{missing}"))
}

/// The remote end.
pub fn outlast_subsystem() -> PathBuf {
    find("outlast-subsystem").unwrap_or_else(|missing| panic!("{missing}"))
}

/// The command line client of another version: the one `OUTLAST_OLD_BIN_DIR` has, as `cargo xtask
/// skew` sets it, or this one.
pub fn old_outlast() -> PathBuf {
    old("outlast").unwrap_or_else(outlast)
}

/// The remote end of another version, likewise.
pub fn old_outlast_subsystem() -> PathBuf {
    old("outlast-subsystem").unwrap_or_else(outlast_subsystem)
}

fn old(name: &str) -> Option<PathBuf> {
    let directory = PathBuf::from(std::env::var_os("OUTLAST_OLD_BIN_DIR")?);
    let path = directory.join(name);
    assert!(path.is_file(), "{} is not there", path.display());
    Some(path)
}

/// Cargo builds the binaries of *other* packages only when asked to, so a missing one is a mistake
/// of the caller and not of the test.
pub fn find(name: &str) -> Result<PathBuf, String> {
    let directories = directories();
    let mut paths = directories.iter().map(|directory| directory.join(name));
    paths.find(|path| path.is_file()).ok_or_else(|| {
        format!(
            "{name} is not in {directories:?}: run `cargo build --workspace` first, or \
             `cargo xtask test`, or set OUTLAST_BIN_DIR",
        )
    })
}

fn directories() -> Vec<PathBuf> {
    if let Some(directory) = std::env::var_os("OUTLAST_BIN_DIR") {
        return vec![directory.into()];
    }
    // A test is target/<profile>/deps/e2e-<hash>, a program of this package lies one higher.
    let own = std::env::current_exe().expect("a program knows its own executable");
    let above = own.ancestors().skip(1).take(2);
    above.map(|path| path.to_owned()).collect()
}
