//! The command line of `outlast install`.

use std::path::PathBuf;

use clap::Args;

use super::SshArgs;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  outlast install web1,web2         for you, in ~/.local/bin there; no root needed\n  \
    outlast install --system web1     for everybody there, as sshd's subsystem\n  \
    outlast install --check web1      only say what it would do\n  \
    outlast install --uninstall web1  take it away again\n\n\
    Puts outlast-subsystem, the program that holds sessions, on hosts where it is missing or another\n\
    one: whole, under its name only when it has the right checksum and runs there. Sessions go on with\n\
    the program they began with.\n\n\
    With --system it goes to /usr/lib/outlast, and sshd gets a file sshd_config.d/outlast.conf with\n\
    the line `Subsystem outlast …`, unless it knows one; sshd checks it (sshd -t) and is reloaded. If\n\
    anything of that fails, everything is put back. It needs root, or sudo, for which you may be asked a\n\
    password.\n\n\
    Exits with 0 if every host has (or, uninstalled, has not) it, with --check if nothing stands in\n\
    the way; else with 255, with several hosts 3, or 4 if one could not be reached."
)]
pub struct InstallArgs {
    #[command(flatten)]
    pub ssh: SshArgs,
    /// Where
    #[arg(value_name = "HOST", value_delimiter = ',', required = true)]
    pub hosts: Vec<String>,
    /// For everybody there, by sshd's configuration; as root or by sudo
    #[arg(long)]
    pub system: bool,
    /// Say what would change, and change nothing
    #[arg(long)]
    pub check: bool,
    /// Take it away; refused where sessions go on
    #[arg(long)]
    pub uninstall: bool,
    /// Take it away although sessions go on: nobody reaches them until it is installed again
    #[arg(long, requires = "uninstall")]
    pub force: bool,
    /// The program to install [default: the outlast-subsystem beside outlast]
    #[arg(long, value_name = "FILE", conflicts_with = "uninstall")]
    pub binary: Option<PathBuf>,
    /// Where the program goes there [default: /usr/lib/outlast]
    #[arg(long, value_name = "DIR", requires = "system", value_parser = directory)]
    pub directory: Option<String>,
    /// sshd's configuration there; outlast.conf goes to sshd_config.d beside it
    #[arg(long, value_name = "FILE", requires = "system", value_parser = path, default_value = "/etc/ssh/sshd_config")]
    pub sshd_config: String,
    /// The command there that has sshd read its configuration again [default: what its system has]
    #[arg(long, value_name = "COMMAND", requires = "system")]
    pub reload: Option<String>,
    /// How many hosts at a time
    #[arg(long, value_name = "N", default_value = "16", value_parser = clap::value_parser!(u16).range(1..))]
    pub throttle: u16,
}

fn path(text: &str) -> Result<String, String> {
    match text.starts_with('/') {
        true => Ok(text.to_owned()),
        false => Err("write the whole path, from `/` on".to_owned()),
    }
}

/// It stands in sshd's configuration, in which spaces end a word.
fn directory(text: &str) -> Result<String, String> {
    let text = path(text)?;
    let plain = |c: char| c.is_alphanumeric() || "/._-+@".contains(c);
    match text.chars().all(plain) {
        true => Ok(text.trim_end_matches('/').to_owned()),
        false => Err("only letters, digits and / . _ - + @ may be in it".to_owned()),
    }
}
