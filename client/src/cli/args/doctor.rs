//! The command line of `outlast doctor`.

use clap::Args;

use super::SshArgs;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  outlast doctor web1           what stands in the way, and what to do about it\n  \
    outlast doctor web1,web2      both\n  outlast doctor .              this computer as a remote end\n\n\
    It goes the way a session would go, over a new connection: configuration, name, tcp,\n\
    key exchange, host key, authentication, channel, subsystem, the login shell's start-up files,\n\
    version, and then what the remote end finds where it runs: directory, space, shells,\n\
    terminal, and how long a session lives there (durability). It changes nothing.\n\n\
    Exits with 0 if nothing keeps sessions from working, else with 255 (4 with several hosts)."
)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub ssh: SshArgs,
    /// Which computers; this one if left out
    #[arg(value_name = "HOST", value_delimiter = ',')]
    pub hosts: Vec<String>,
}
