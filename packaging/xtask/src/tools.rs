//! Programs the tests need, and the Debian packages they come in.

use std::path::Path;
use std::process::Command;

use crate::cargo::run;
use crate::failure::Failure;

const TOOLS: &[(&str, &str)] = &[
    ("bash", "bash"),
    ("busybox", "busybox"),
    ("cc", "gcc"),
    ("dash", "dash"),
    ("getent", "libc-bin"),
    ("google-authenticator", "libpam-google-authenticator"),
    ("htop", "htop"),
    ("kadmin.local", "krb5-admin-server"),
    ("kinit", "krb5-user"),
    ("krb5kdc", "krb5-kdc"),
    ("less", "less"),
    ("nano", "nano"),
    ("oathtool", "oathtool"),
    ("openssl", "openssl"),
    ("python3", "python3"),
    ("setpriv", "util-linux"),
    ("setsid", "util-linux"),
    ("softhsm2-util", "softhsm2"),
    ("ssh", "openssh-client"),
    ("ssh-agent", "openssh-client"),
    ("ssh-keygen", "openssh-client"),
    ("sshd", "openssh-server"),
    ("sudo", "sudo"),
    ("tmux", "tmux"),
    ("top", "procps"),
    ("unshare", "util-linux"),
    ("vim", "vim"),
    ("zsh", "zsh"),
];

/// libFuzzer is C++.
const FUZZING: &[(&str, &str)] = &[("c++", "g++")];

/// What runs scripts nobody here wrote, and builds the small programs that bash's tests call.
const SAMPLING: &[(&str, &str)] = &[
    ("bash", "bash"),
    ("cc", "gcc"),
    ("script", "bsdutils"),
    ("setpriv", "util-linux"),
    ("tar", "tar"),
    ("unshare", "util-linux"),
];

/// Installs what the tests lack when that is possible here, or says what to type.
pub(crate) fn install_missing() -> Result<(), Failure> {
    install(TOOLS, "the tests")
}

/// Installs the compiler that libFuzzer needs.
pub(crate) fn install_compiler_of_cpp() -> Result<(), Failure> {
    install(FUZZING, "the fuzz targets")
}

/// Installs what the sample of scripts is run with.
pub(crate) fn install_for_sample() -> Result<(), Failure> {
    install(SAMPLING, "the sample of scripts")
}

fn install(tools: &[(&str, &'static str)], user: &str) -> Result<(), Failure> {
    let packages = missing_packages(tools);
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.join(" ");
    if !rustix::process::geteuid().is_root() || !is_installed("apt-get") {
        return Err(Failure::new(format!(
            "some programs {user} need are missing. Install them, then try again:\n\
             sudo apt-get update && sudo apt-get install -y --no-install-recommends {list}"
        )));
    }
    println!("installing {list}");
    if run(&mut apt_get(&["install"], &packages)).is_err() {
        // Package lists that are old or were never there are the usual reason.
        run(&mut apt_get(&["update"], &[]))?;
        run(&mut apt_get(&["install"], &packages))?;
    }
    match missing_packages(tools).as_slice() {
        [] => Ok(()),
        still => Err(Failure::new(format!(
            "still missing after apt-get: {}",
            still.join(" ")
        ))),
    }
}

/// Installs a cargo subcommand that is missing.
pub(crate) fn install_cargo_tool(name: &str) -> Result<(), Failure> {
    if is_installed(name) {
        return Ok(());
    }
    println!("installing {name}");
    run(&mut crate::cargo::cargo(&["install", "--locked", name]))
}

/// Installs a part of the toolchain that minimal installations leave out.
pub(crate) fn install_component(name: &str, subcommand: &str) -> Result<(), Failure> {
    if crate::cargo::capture(&mut crate::cargo::cargo(&[subcommand, "--version"])).is_ok() {
        return Ok(());
    }
    run(Command::new("rustup").args(["component", "add", name]))
}

pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut directories: Vec<_> = std::env::split_paths(&path).collect();
    // sshd is not in every user's PATH; cargo's own tools need not be either.
    directories.extend(["/usr/sbin", "/usr/local/sbin"].map(|name| Path::new(name).to_owned()));
    directories.extend(std::env::home_dir().map(|home| home.join(".cargo/bin")));
    directories
        .iter()
        .any(|directory| directory.join(program).is_file())
}

fn missing_packages(tools: &[(&str, &'static str)]) -> Vec<&'static str> {
    let missing = tools.iter().filter(|(program, _)| !is_installed(program));
    let mut packages: Vec<_> = missing.map(|(_, package)| *package).collect();
    packages.dedup();
    packages
}

fn apt_get(words: &[&str], packages: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command.args(words).env("DEBIAN_FRONTEND", "noninteractive");
    if !packages.is_empty() {
        command
            .args(["-y", "--no-install-recommends"])
            .args(packages);
    }
    command
}
