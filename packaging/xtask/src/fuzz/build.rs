//! Building the targets with coverage, by the workspace's own compiler.

use std::path::{Path, PathBuf};

use crate::cargo::{cargo, root, run};
use crate::failure::{Context as _, Failure};

/// The machine the targets are built for. It has to be named: only then do the flags not concern
/// build scripts and macros.
const MACHINE: &str = if cfg!(target_arch = "aarch64") {
    "aarch64-unknown-linux-gnu"
} else {
    "x86_64-unknown-linux-gnu"
};

/// What libFuzzer wants to see of the program. No AddressSanitizer: it doubles the time of build
/// and run, and what is fuzzed has no `unsafe` of its own.
const FLAGS: &[&str] = &[
    "--cfg",
    "fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
];

/// Where the targets' package is.
pub(crate) fn package() -> PathBuf {
    root().join("tests/fuzz")
}

/// The targets, built.
pub(crate) struct Built {
    /// Where everything that is made goes.
    pub(crate) place: PathBuf,
    names: Vec<String>,
}

impl Built {
    pub(crate) fn build() -> Result<Self, Failure> {
        let names = names(&package().join("fuzz_targets"))?;
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| root().join("target"), |path| root().join(path));
        let place = target.join("fuzz");
        let mut command = cargo(&["build", "--locked", "--release", "--target", MACHINE]);
        command
            .arg("--manifest-path")
            .arg(package().join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&place)
            // The passes are an unstable option; the compiler is the workspace's all the same.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"));
        run(&mut command)?;
        Ok(Self { place, names })
    }

    pub(crate) fn targets(&self) -> Vec<&str> {
        self.names.iter().map(String::as_str).collect()
    }

    pub(crate) fn find(&self, name: &str) -> Result<&str, Failure> {
        let mut known = self.names.iter().map(String::as_str);
        known.find(|&known| known == name).ok_or_else(|| {
            let list = self.names.join(", ");
            Failure::new(format!(
                "there is no fuzz target `{name}`: it is one of {list}"
            ))
        })
    }

    pub(crate) fn program(&self, target: &str) -> PathBuf {
        self.place.join(MACHINE).join("release").join(target)
    }
}

fn names(directory: &Path) -> Result<Vec<String>, Failure> {
    let listed = std::fs::read_dir(directory).context(&directory.display().to_string())?;
    let mut names: Vec<String> = listed
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_suffix(".rs")?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}
