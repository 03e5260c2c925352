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
    let path = directory().join(name);
    if path.is_file() {
        Ok(path)
    } else {
        Err(format!(
            "{} is not there: run `cargo build --workspace` first, or `cargo xtask test`, \
             or set OUTLAST_BIN_DIR",
            path.display()
        ))
    }
}

fn directory() -> PathBuf {
    if let Some(directory) = std::env::var_os("OUTLAST_BIN_DIR") {
        return directory.into();
    }
    // target/<profile>/deps/e2e-<hash>
    let test = std::env::current_exe().expect("a test knows its own executable");
    test.ancestors()
        .nth(2)
        .expect("cargo runs tests in target/<profile>/deps")
        .to_owned()
}
