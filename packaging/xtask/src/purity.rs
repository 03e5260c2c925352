//! The protocol crate does nothing but compute: no runtime, no system calls, no std.

use std::fs;

use crate::cargo::{capture, cargo, root};
use crate::failure::{Context as _, Failure};

/// Crates that open the way to the outside world.
const IMPURE: &[&str] = &[
    "getrandom",
    "libc",
    "mio",
    "nix",
    "russh",
    "rustix",
    "tokio",
];

pub(crate) fn check() -> Result<(), Failure> {
    let tree = [
        "tree",
        "--locked",
        "-p",
        "outlast-protocol",
        "-e",
        "normal",
        "--prefix",
        "none",
    ];
    let tree = capture(&mut cargo(&tree))?;
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    let found: Vec<&str> = names.filter(|name| IMPURE.contains(name)).collect();
    if !found.is_empty() {
        return Err(Failure::new(format!(
            "outlast-protocol depends on {}",
            found.join(", ")
        )));
    }
    let path = root().join("protocol/src/lib.rs");
    let text = fs::read_to_string(&path).context(&path.display().to_string())?;
    for attribute in ["#![no_std]", "#![forbid(unsafe_code)]"] {
        if !text.lines().any(|line| line == attribute) {
            return Err(Failure::new(format!(
                "{} lacks `{attribute}`",
                path.display()
            )));
        }
    }
    if text
        .lines()
        .any(|line| line.trim_start().starts_with("extern crate std"))
    {
        return Err(Failure::new(format!("{} brings std back", path.display())));
    }
    Ok(())
}
