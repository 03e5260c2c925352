//! The command line of `outlast invoke`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use outlast_protocol::id::InvocationId;

use super::SshArgs;
use crate::cli::duration::{Span, positive};
use crate::terminal::detach::DetachKeys;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  outlast invoke -s build 'cd src && make'\n  \
    outlast invoke -s 1,2 -s 'web*' -- grep -r 'two words' /etc\n  \
    outlast invoke -c web1,web2 --timeout 5m -f check.sh -- arg1 arg2\n  \
    tar c . | outlast invoke -s build 'tar x'\n\n\
    Ctrl-C interrupts the command; the session lives. A second Ctrl-C within 2 s leaves the\n\
    command running, disconnected.\n\n\
    With --invocation-id, give the same standard input again, from its beginning: what the\n\
    command has taken of the first one's is skipped. With -n it goes on as it was given."
)]
pub struct InvokeArgs {
    #[command(flatten)]
    pub ssh: SshArgs,
    /// In these sessions
    #[arg(
        short,
        long = "session",
        value_name = "SESSION",
        value_delimiter = ',',
        conflicts_with = "computer_name",
        required_unless_present = "computer_name"
    )]
    pub session: Vec<String>,
    /// On these hosts, in sessions that end with the command
    #[arg(short, long, value_name = "HOST", value_delimiter = ',')]
    pub computer_name: Vec<String>,
    /// Start it, leave it running in a disconnected session, and print that session
    #[arg(short, long)]
    pub disconnected: bool,
    /// Give the command no standard input
    #[arg(short = 'n', long)]
    pub no_stdin: bool,
    /// Run it on the session's terminal: for what draws, colours or asks there. Standard output
    /// and error are one, Ctrl-C goes to the command as a key, Ctrl-\ and then d leaves it running
    #[arg(short, long, conflicts_with = "disconnected")]
    pub tty: bool,
    /// Set a variable for the command alone; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    pub env: Vec<OsString>,
    /// Set these variables and exported bash functions of this environment for the command alone
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub using: Vec<OsString>,
    /// Let the command use the SSH agent of this computer for as long as it is waited for
    #[arg(short = 'A', long, conflicts_with = "disconnected")]
    pub forward_agent: bool,
    /// With --tty: keys that leave, e.g. ctrl-p,ctrl-q [default: $OUTLAST_DETACH_KEYS, or ctrl-\,d]
    #[arg(long, value_name = "KEYS", requires = "tty")]
    pub detach_keys: Option<DetachKeys>,
    /// Stop the command after so long, e.g. 90s
    #[arg(long, value_name = "DUR", value_parser = positive)]
    pub timeout: Option<Span>,
    /// When it is stopped, by --timeout or Ctrl-C: SIGTERM to all it runs so long after the
    /// interrupt, and SIGKILL as long after that [default: 5s after --timeout, never after Ctrl-C]
    #[arg(long, value_name = "DUR", value_parser = positive)]
    pub kill_after: Option<Span>,
    /// Work on so many sessions at the same time; gives way when standard input would stall
    #[arg(long, value_name = "N", default_value = "32", value_parser = clap::value_parser!(u16).range(1..))]
    pub throttle: u16,
    /// Fail if the session is busy, instead of waiting for its turn
    #[arg(long)]
    pub no_wait: bool,
    /// Ask for exactly this invocation, by a UUID of your own or one that an error or --output
    /// json showed: asked again, from any client that holds the session, it runs nothing twice
    /// and gives the first one's output and outcome, whatever the script says this time
    #[arg(long, value_name = "UUID", conflicts_with = "computer_name")]
    pub invocation_id: Option<InvocationId>,
    /// With several sessions, print lines without the computer's name in front
    #[arg(long)]
    pub hide_computer_name: bool,
    /// Try for so long to get a lost connection back
    #[arg(long, value_name = "DUR", default_value = "10m")]
    pub reconnect_for: Span,
    /// Run this local script, `-` for standard input; its arguments follow `--`
    #[arg(short, long, value_name = "FILE", conflicts_with = "script")]
    pub file: Option<PathBuf>,
    /// Script text for the session's shell, evaluated in its own scope
    pub script: Option<String>,
    /// A program and its arguments, which no shell reinterprets; with -f the script's arguments
    #[arg(last = true, value_name = "ARG", conflicts_with = "script")]
    pub arguments: Vec<OsString>,
}
