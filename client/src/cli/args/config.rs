//! `outlast config`, as it is typed.

use clap::{Args, Subcommand};

#[derive(Args, Debug)]
pub struct ConfigArgs {
    #[command(subcommand)]
    pub verb: ConfigVerb,
}

#[derive(Debug, Subcommand)]
pub enum ConfigVerb {
    /// Show what is set, or what holds for hosts
    #[command(after_help = "Examples:\n  outlast config show --origin\n  \
        outlast config show db1,web --origin --output json")]
    Show(ShowArgs),
}

#[derive(Args, Debug)]
pub struct ShowArgs {
    /// For these hosts, as they are typed
    #[arg(value_name = "HOST", value_delimiter = ',')]
    pub hosts: Vec<String>,
    /// Say where each value comes from
    #[arg(long)]
    pub origin: bool,
}
